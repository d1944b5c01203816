"""Deny a user or role everything in sessions that were issued up to the event."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from countermand.core.errors import CannotRestore, Gone
from countermand.core.model import Finding, Principal, SubjectKind
from countermand.ports import Cloud, Plan

POLICY_NAME = "AWSRevokeOlderSessions"
"""The name that the console's "Revoke active sessions" uses."""


@dataclass(frozen=True, slots=True)
class RevokeSessions:
    """iam:PutUserPolicy or iam:PutRolePolicy, undone by the deletion of the policy, or by what was
    there under the same name.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html
    """

    kind: SubjectKind
    needs = ("issued_at",)

    @property
    def name(self) -> str:
        return f"revoke_{self.kind}_sessions"

    @property
    def description(self) -> str:
        return (
            f"Put the inline policy {POLICY_NAME}, which denies the {self.kind} everything in "
            "sessions issued up to the event, by aws:TokenIssueTime; undo deletes it, or puts back "
            "an older one. Access keys go on working. The call could grant: IAM cannot restrict "
            "it by name or content of the policy."
        )

    @property
    def read_permissions(self) -> tuple[str, ...]:
        return (f"iam:Get{self._entity}Policy",)

    @property
    def permissions(self) -> tuple[str, ...]:
        return (f"iam:Put{self._entity}Policy",)

    @property
    def undo_permissions(self) -> tuple[str, ...]:
        calls = ("Delete", "Get", "Put")
        return tuple(f"iam:{call}{self._entity}Policy" for call in calls)

    def plan(self, cloud: Cloud, finding: Finding, principal: Principal | None) -> Plan | None:
        if principal is None:
            return None
        params = {
            f"{self.kind}_name": principal.name,
            "before": _just_after(finding.evidence["issued_at"]),
        }
        previous = self._document(cloud, params)
        if _revokes(previous, params["before"]):
            return None
        return Plan({**params, "previous": previous})

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        if not self.is_present(cloud, params):
            return False
        try:
            self._put(cloud, params, json.dumps(_denial(params["before"])))
        except Gone:
            return False
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        """Whether the gap is there: no policy denies these sessions, or later ones too."""
        return not _revokes(self._document(cloud, params), params["before"])

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        found = self._document(cloud, params)
        if not found or json.loads(found) != _denial(params["before"]):
            return  # a later revocation took its place, and stays
        if params["previous"]:
            self._put(cloud, params, params["previous"])
        else:
            cloud.call(f"iam:Delete{self._entity}Policy", **self._request(params))

    @property
    def _entity(self) -> str:
        return self.kind.capitalize()

    def _request(self, params: Mapping[str, str]) -> dict[str, str]:
        return {
            f"{self._entity}Name": params[f"{self.kind}_name"],
            "PolicyName": POLICY_NAME,
        }

    def _document(self, cloud: Cloud, params: Mapping[str, str]) -> str:
        """The policy of the fixed name as JSON, or '' when there is none."""
        try:
            answer = cloud.call(f"iam:Get{self._entity}Policy", **self._request(params))
        except Gone:
            return ""
        return json.dumps(answer["PolicyDocument"])

    def _put(self, cloud: Cloud, params: Mapping[str, str], document: str) -> None:
        request = self._request(params)
        cloud.call(f"iam:Put{self._entity}Policy", **request, PolicyDocument=document)


def _just_after(issued_at: str) -> str:
    """The next second in UTC, as IAM's dates are: CloudTrail cuts fractions off."""
    try:
        time = datetime.fromisoformat(issued_at)
        aware = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
        following = aware.astimezone(UTC) + timedelta(seconds=1)
    except (ValueError, OverflowError):
        raise CannotRestore("the event does not say when the session was issued") from None
    return following.strftime("%Y-%m-%dT%H:%M:%SZ")


def _denial(before: str) -> dict[str, Any]:
    """As the console writes it."""
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
    """Whether a policy denies all sessions issued before then; one in other words is not trusted
    to.
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
