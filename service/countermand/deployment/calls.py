"""The calls that the actions of the enabled rules make, and the statements that name them."""

from collections.abc import Mapping, Sequence
from typing import Any

from countermand.core.model import Mode, SubjectKind
from countermand.core.rules.rule import RuleSet
from countermand.ports import Action

type Statement = dict[str, Any]

PLURAL = {
    SubjectKind.USER: "Users",
    SubjectKind.ROLE: "Roles",
    SubjectKind.GROUP: "Groups",
    SubjectKind.POLICY: "Policies",
}


def allow(sid: str, actions: Sequence[str], *resources: str) -> Statement:
    """Allow the calls on the resources."""
    return _statement(sid, "Allow", actions, resources)


def deny(sid: str, actions: Sequence[str], *resources: str) -> Statement:
    """Deny the calls on the resources, whatever else allows them."""
    return _statement(sid, "Deny", actions, resources)


def _statement(
    sid: str, effect: str, actions: Sequence[str], resources: Sequence[str]
) -> Statement:
    return {"Sid": sid, "Effect": effect, "Action": sorted(actions), "Resource": list(resources)}


def calls_about(
    rules: RuleSet, actions: Mapping[str, Action], kind: SubjectKind, *, writing: bool
) -> set[str]:
    """Return the calls that need a permission on targets of one kind.

    A rule about a user's membership reads and changes the group: IAM checks the permission there.
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
    """
    members = (SubjectKind.USER, SubjectKind.GROUP)
    called = {
        permission
        for about in (members if kind in members else (kind,))
        for action in (applied if writing else planned)(rules, actions, about)
        for permission in (action.info.writes if writing else action.info.reads)
    }
    return {p for p in called if kind not in members or _is_of_group(p) == (kind is members[1])}


def _is_of_group(permission: str) -> bool:
    return "Group" in permission and permission != "iam:ListGroupsForUser"


def planned(rules: RuleSet, actions: Mapping[str, Action], kind: SubjectKind) -> list[Action]:
    """Return the actions that the worker plans: a rule that only observes plans too."""
    return [actions[name] for name in sorted(_remediations(rules, kind, observing=True))]


def applied(rules: RuleSet, actions: Mapping[str, Action], kind: SubjectKind) -> list[Action]:
    """Return the actions that the worker may apply."""
    return [actions[name] for name in sorted(_remediations(rules, kind, observing=False))]


def _remediations(rules: RuleSet, kind: SubjectKind, *, observing: bool) -> set[str]:
    return {
        rule.remediation
        for rule in rules.every
        if rule.subject_kind is kind
        and rule.remediation is not None
        and (observing or rule.mode is not Mode.OBSERVE)
    }
