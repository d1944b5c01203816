"""Deny a user or role everything in sessions issued up to the event."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from countermand.actions.gone import false_when_gone
from countermand.actions.iam.inline_policy import InlinePolicy
from countermand.core.errors import CannotRestore
from countermand.core.model import Finding, Principal, SubjectKind
from countermand.ports import ActionInfo, Cloud, Plan

POLICY_NAME = "AWSRevokeOlderSessions"
"""The name that "Revoke active sessions" of the console uses."""


@dataclass(frozen=True, slots=True)
class RevokeSessions:
    """Calls iam:PutUserPolicy or iam:PutRolePolicy; undo deletes or restores the policy.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html
    """

    kind: SubjectKind

    @property
    def info(self) -> ActionInfo:
        entity = self.kind.capitalize()
        return ActionInfo(
            name=f"revoke_{self.kind}_sessions",
            description=(
                f"Put the inline policy {POLICY_NAME}, which denies the {self.kind} everything in "
                "sessions issued up to the event, by aws:TokenIssueTime. Access keys keep working. "
                "Undo deletes the policy, or restores an older one. The call could grant "
                "permissions, because IAM cannot restrict it by name or content of the policy."
            ),
            needs=("issued_at",),
            reads=(f"iam:Get{entity}Policy",),
            writes=(f"iam:Put{entity}Policy",),
            undo_calls=tuple(f"iam:{call}{entity}Policy" for call in ("Delete", "Get", "Put")),
        )

    def plan(self, cloud: Cloud, finding: Finding, principal: Principal | None) -> Plan | None:
        if principal is None:
            return None
        params = {
            f"{self.kind}_name": principal.name,
            "before": _just_after(finding.evidence["issued_at"]),
        }
        previous = self._policy(params).read_if_any(cloud)
        if _revokes(previous, params["before"]):
            return None
        return Plan({**params, "previous": previous})

    @false_when_gone
    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        if not self.is_present(cloud, params):
            return False
        self._policy(params).put(cloud, json.dumps(_denial(params["before"])))
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        """Return whether no policy denies these sessions, alone or with later ones."""
        return not _revokes(self._policy(params).read_if_any(cloud), params["before"])

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        policy = self._policy(params)
        found = policy.read_if_any(cloud)
        if not found or json.loads(found) != _denial(params["before"]):
            return  # a later revocation replaced this one, and remains
        if params["previous"]:
            policy.put(cloud, params["previous"])
        else:
            policy.delete(cloud)

    def _policy(self, params: Mapping[str, str]) -> InlinePolicy:
        return InlinePolicy(self.kind, params[f"{self.kind}_name"], POLICY_NAME)


def _just_after(issued_at: str) -> str:
    """Return the next second in UTC, in the format of IAM: CloudTrail cuts fractions off."""
    try:
        time = datetime.fromisoformat(issued_at)
        aware = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
        following = aware.astimezone(UTC) + timedelta(seconds=1)
    except (ValueError, OverflowError):
        raise CannotRestore("the event does not say when the session was issued") from None
    return following.strftime("%Y-%m-%dT%H:%M:%SZ")


def _denial(before: str) -> dict[str, Any]:
    """Return the policy document that the console writes."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Action": ["*"],
                "Resource": ["*"],
                "Condition": {"DateLessThan": {"aws:TokenIssueTime": before}},
            }
        ],
    }


def _revokes(text: str, before: str) -> bool:
    """Return whether a policy denies all sessions issued before then.

    Only the form that the console writes counts: other documents might not deny everything.
    """
    if not text:
        return False
    document = json.loads(text)
    try:
        found = document["Statement"][0]["Condition"]["DateLessThan"]["aws:TokenIssueTime"]
        later = datetime.fromisoformat(found) >= datetime.fromisoformat(before)
    except (KeyError, IndexError, TypeError, ValueError):
        return False
    return later and bool(document == _denial(found))
