"""The least privilege of a worker, and the events that must reach it, from what is enabled.

Adapters and actions name the calls that they make; this puts them into policy statements. The
worker may grant nothing, and may write to IAM only in enforce mode, only what the actions of the
enabled rules call, and only within the scope.

`user/iam-test-*` in a policy also means the user `evil` at path `/iam-test-/`, because `*` crosses
a slash there. Hence the explicit Deny on everything below a path.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from countermand import policies
from countermand.aws import cloudwatch, dynamodb, iam, sns, sqs
from countermand.core.checks import ADMIN_POLICY_ARNS, DENY_ALL_ARNS, PROTECTED_DENY_ARNS
from countermand.core.errors import ConfigError
from countermand.core.model import Mode, SubjectKind
from countermand.core.rule import Rule, RuleSet
from countermand.ports import Action

_ENTITIES = ("User", "Role", "Group")
_ONLY = (
    (
        "Detach",
        frozenset(f"iam:Detach{entity}Policy" for entity in _ENTITIES),
        "iam:PolicyARN",
        ADMIN_POLICY_ARNS,
    ),
    (
        # The two calls that could grant: only what denies may be attached or put.
        "PutBackDeny",
        frozenset(f"iam:Attach{entity}Policy" for entity in _ENTITIES),
        "iam:PolicyARN",
        PROTECTED_DENY_ARNS,
    ),
    (
        "Contain",
        frozenset(f"iam:Put{entity}PermissionsBoundary" for entity in _ENTITIES),
        "iam:PermissionsBoundary",
        DENY_ALL_ARNS,
    ),
)
"""Calls that are allowed for the listed policies alone: name, calls, condition key, ARNs."""

LONGEST_PATTERN = 2048
"""Characters of an EventBridge event pattern.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
"""

type Policy = dict[str, Any]
type Statement = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Places:
    """Where a worker works; the defaults are variables of Terraform's templates."""

    partition: str = "${partition}"
    account_id: str = "${account_id}"
    queue_arn: str = "${queue_arn}"
    topic_arn: str = "${topic_arn}"
    table_arn: str = "${table_arn}"
    log_group_arn: str = "${log_group_arn}"
    user_scope: str = "${user_scope}"
    role_scope: str = "${role_scope}"
    group_scope: str = "${group_scope}"
    policy_scope: str = "${policy_scope}"

    def principals(self, kind: SubjectKind, names: str) -> str:
        """The ARN of principals or policies of one kind."""
        return f"arn:{self.partition}:iam::{self.account_id}:{kind}/{names}"

    def scope(self, kind: SubjectKind) -> str:
        """The glob of the kind's names."""
        return str(getattr(self, f"{kind}_scope"))


VARIABLES = tuple(field.name for field in fields(Places))


def worker_policy(
    mode: Mode, rules: RuleSet, actions: Mapping[str, Action], places: Places
) -> Policy:
    """What the worker's role must be allowed; for `enforce`, its writes to IAM too."""
    statements = [
        _allow("Queue", sqs.PERMISSIONS, places.queue_arn),
        _allow("Alerts", sns.PERMISSIONS, places.topic_arn),
        _allow("Ledger", dynamodb.PERMISSIONS, places.table_arn, f"{places.table_arn}/index/*"),
        _allow("Log", cloudwatch.PERMISSIONS, f"{places.log_group_arn}:*"),
        *_reads(rules, actions, places),
    ]
    if mode is Mode.ENFORCE:
        statements += enforce_statements(rules, actions, places)
    return {"Version": "2012-10-17", "Statement": statements}


def enforce_policy(rules: RuleSet, actions: Mapping[str, Action], places: Places) -> Policy:
    """Only the writes: attached beside the policy of dry run, when enforce is asked for."""
    return {"Version": "2012-10-17", "Statement": enforce_statements(rules, actions, places)}


def enforce_statements(
    rules: RuleSet, actions: Mapping[str, Action], places: Places
) -> list[Statement]:
    """The writes by kind of target, each with its Deny below a path."""
    statements: list[Statement] = []
    for kind in (SubjectKind.USER, SubjectKind.ROLE, SubjectKind.GROUP, SubjectKind.POLICY):
        writes = sorted({p for a in _actions(rules, actions, kind) for p in a.permissions})
        scoped = places.principals(kind, places.scope(kind))
        name = f"{kind.capitalize()}s"
        for sid, calls, key, arns in _ONLY:
            if narrowed := [p for p in writes if p in calls]:
                own = _resolved(rules, kind, narrowed, actions, places)
                condition = {"ArnEquals": {key: sorted(arns | own)}}
                statements.append(_allow(f"{sid}{name}", narrowed, scoped))
                statements[-1]["Condition"] = condition
        if others := [p for p in writes if not any(p in calls for _, calls, _, _ in _ONLY)]:
            statements.append(_allow(f"TakeBack{name}", others, scoped))
        if writes:
            statements.append(_deny(f"NoPaths{name}", writes, f"{scoped}/*"))
    return statements


def routing_patterns(rules: RuleSet) -> list[Mapping[str, Any]]:
    """The EventBridge patterns, one for each bus rule, that let through what the rules need.

    Raises `ConfigError` for one that EventBridge would refuse.
    """
    by_source: dict[str, list[Rule]] = {}
    for rule in rules.rules:
        for source in rule.file.when.get("source", ("",)):
            by_source.setdefault(str(source), []).append(rule)
    patterns: list[Mapping[str, Any]] = [
        RuleSet(of).routing_pattern() for _, of in sorted(by_source.items())
    ]
    for pattern in patterns:
        if (size := len(json.dumps(pattern, separators=(",", ":")))) > LONGEST_PATTERN:
            raise ConfigError(
                f"the pattern of {pattern.get('source')} has {size} characters, more than the "
                f"{LONGEST_PATTERN} of EventBridge: switch off rules, or route by hand"
            )
    return patterns


def _reads(rules: RuleSet, actions: Mapping[str, Action], places: Places) -> list[Statement]:
    statements = []
    for kind, identity_reads in iam.PERMISSIONS.items():
        about = [rule for rule in rules.rules if rule.subject_kind is kind]
        needed = set(identity_reads if about else ())
        needed |= {p for a in _actions(rules, actions, kind) for p in a.read_permissions}
        needed -= set(policies.PERMISSIONS)
        if needed:
            resource = places.principals(kind, "*")
            statements.append(_allow(f"Look{kind.capitalize()}s", sorted(needed), resource))
    others = {
        permission
        for kind in SubjectKind
        for action in _actions(rules, actions, kind)
        for permission in action.read_permissions
        if not kind.is_principal or permission in policies.PERMISSIONS
    }
    if any(rule.resolve is not None for rule in rules.rules):
        others |= set(policies.PERMISSIONS)
    return [*statements, *([_allow("Look", sorted(others), "*")] if others else [])]


def _resolved(
    rules: RuleSet,
    kind: SubjectKind,
    calls: Sequence[str],
    actions: Mapping[str, Action],
    places: Places,
) -> set[str]:
    """The customer-managed policies in scope, for the calls of rules that read what they give."""
    of = RuleSet(rule for rule in rules.rules if rule.resolve is not None)
    made = {p for action in _actions(of, actions, kind) for p in action.permissions}
    if not made.intersection(calls):
        return set()
    return {places.principals(SubjectKind.POLICY, places.scope(SubjectKind.POLICY))}


def _actions(rules: RuleSet, actions: Mapping[str, Action], kind: SubjectKind) -> Iterable[Action]:
    names = {
        rule.remediation
        for rule in rules.rules
        if rule.subject_kind is kind and rule.mode is not Mode.OBSERVE
    }
    return [actions[name] for name in sorted(names - {None}, key=str) if name is not None]


def _allow(sid: str, actions: Sequence[str], *resources: str) -> Statement:
    return _statement(sid, "Allow", actions, resources)


def _deny(sid: str, actions: Sequence[str], *resources: str) -> Statement:
    return _statement(sid, "Deny", actions, resources)


def _statement(
    sid: str, effect: str, actions: Sequence[str], resources: Sequence[str]
) -> Statement:
    return {"Sid": sid, "Effect": effect, "Action": sorted(actions), "Resource": list(resources)}
