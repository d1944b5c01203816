"""Deny a user everything in sessions without MFA."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from countermand.actions.gone import false_when_gone
from countermand.actions.iam.inline_policy import InlinePolicy
from countermand.core.model import Finding, Principal, SubjectKind
from countermand.ports import ActionInfo, Cloud, Plan

POLICY_NAME = "CountermandDenyWithoutMFA"
# Bool, not BoolIfExists: a request with an access key has no such key, so programs keep working.
# The policy also denies the enrollment of a device, because anyone who has the password could
# enroll their own.
_DOCUMENT = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Action": ["*"],
                "Resource": ["*"],
                "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "false"}},
            }
        ],
    }
)


@dataclass(frozen=True, slots=True)
class DenyWithoutMfa:
    """Calls iam:PutUserPolicy with a fixed policy; undo deletes it, or restores the previous one.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
    """

    info = ActionInfo(
        name="deny_without_mfa",
        description=(
            f"Put the inline policy {POLICY_NAME}, which denies the user everything in sessions "
            "without MFA. It also denies the enrollment of a device: an administrator enrolls it. "
            "Access keys keep working. Undo deletes the policy. The call could grant permissions, "
            "because IAM cannot restrict it by name or content of the policy."
        ),
        reads=("iam:GetUserPolicy",),
        writes=("iam:PutUserPolicy",),
        undo_calls=("iam:DeleteUserPolicy", "iam:GetUserPolicy", "iam:PutUserPolicy"),
    )

    def plan(self, cloud: Cloud, _finding: Finding, principal: Principal | None) -> Plan | None:
        if principal is None:
            return None
        params = {"user_name": principal.name, "policy_document": _DOCUMENT}
        previous = _policy(params).read_if_any(cloud)
        if _is_same(previous, _DOCUMENT):
            return None
        return Plan({**params, "previous": previous})

    @false_when_gone
    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        _policy(params).put(cloud, params["policy_document"])
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        """Return whether the policy is missing."""
        return not _is_same(_policy(params).read_if_any(cloud), params["policy_document"])

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        if params["previous"]:
            _policy(params).put(cloud, params["previous"])
        elif not self.is_present(cloud, params):
            _policy(params).delete(cloud)


def _policy(params: Mapping[str, str]) -> InlinePolicy:
    return InlinePolicy(SubjectKind.USER, params["user_name"], POLICY_NAME)


def _is_same(left: str, right: str) -> bool:
    return left != "" and json.loads(left) == json.loads(right)
