"""Deny a user everything in a session that was opened without MFA."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from countermand.core.errors import Gone
from countermand.core.model import Finding, Principal
from countermand.ports import Cloud, Plan

POLICY_NAME = "CountermandDenyWithoutMFA"
# Bool, not BoolIfExists: a request with an access key carries no such key, and programs go on.
# Enrolling a device is denied too: whoever has the password would enrol his own.
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
    """iam:PutUserPolicy of one fixed policy, undone by iam:DeleteUserPolicy, or by what was there
    under the same name.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
    """

    name = "deny_without_mfa"
    description = (
        f"Put the inline policy {POLICY_NAME}, which denies the user everything in sessions "
        "without MFA, also to enrol a device: an administrator enrols it. Access keys go on "
        "working. Undo deletes the policy. The call could grant: IAM cannot restrict it by name "
        "or content of the policy."
    )
    needs = ()
    read_permissions = ("iam:GetUserPolicy",)
    permissions = ("iam:PutUserPolicy",)
    undo_permissions = ("iam:DeleteUserPolicy", "iam:GetUserPolicy", "iam:PutUserPolicy")

    def plan(self, cloud: Cloud, _finding: Finding, principal: Principal | None) -> Plan | None:
        if principal is None:
            return None
        before = _document(cloud, principal.name)
        if _same(before, _DOCUMENT):
            return None
        return Plan({"user_name": principal.name, "policy_document": _DOCUMENT, "previous": before})

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            _put(cloud, params["user_name"], params["policy_document"])
        except Gone:
            return False
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        """Whether the gap is there: the policy is not."""
        return not _same(_document(cloud, params["user_name"]), params["policy_document"])

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        if params["previous"]:
            _put(cloud, params["user_name"], params["previous"])
            return
        if not self.is_present(cloud, params):
            user = params["user_name"]
            cloud.call("iam:DeleteUserPolicy", UserName=user, PolicyName=POLICY_NAME)


def _document(cloud: Cloud, user_name: str) -> str:
    """The policy of the fixed name as JSON, or '' when there is none."""
    try:
        answer = cloud.call("iam:GetUserPolicy", UserName=user_name, PolicyName=POLICY_NAME)
    except Gone:
        return ""
    return json.dumps(answer["PolicyDocument"])


def _same(left: str, right: str) -> bool:
    return left != "" and json.loads(left) == json.loads(right)


def _put(cloud: Cloud, user_name: str, document: str) -> None:
    cloud.call(
        "iam:PutUserPolicy",
        UserName=user_name,
        PolicyName=POLICY_NAME,
        PolicyDocument=document,
    )
