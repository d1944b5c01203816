"""The least privilege of a worker, and the events that must reach it, from what is enabled.

Adapters and actions name the calls that they make; this puts them into policy statements. The
worker may write to IAM only in enforce mode, only what the actions of the enabled rules call, and
only within the scope. Where IAM can say so, a call that could grant may only put what denies; where
it cannot (iam:PutUserPolicy, iam:UpdateLoginProfile), the Sid begins `CanGrant`, the scope is the
limit, and switching off the rule takes the permission away.

`user/iam-test-*` in a policy also means the user `evil` at path `/iam-test-/`, because `*` crosses
a slash there. Hence the explicit Deny on everything below a path.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from countermand.aws import cloudwatch, iam, sns, sqs
from countermand.core.checks.identity import EXCEPTION_TAG_KEY
from countermand.core.checks.policies import ADMIN_POLICY_ARNS, DENY_ALL_ARNS, PROTECTED_DENY_ARNS
from countermand.core.errors import ConfigError
from countermand.core.model import Mode, SubjectKind
from countermand.core.rules.routing import routes_of
from countermand.core.rules.rule import RuleSet
from countermand.ledger import dynamodb_table
from countermand.live import policies
from countermand.live.values import other_reads, principal_reads
from countermand.ports import Action

_ENTITIES = ("User", "Role", "Group")
_PLURAL = {
    SubjectKind.USER: "Users",
    SubjectKind.ROLE: "Roles",
    SubjectKind.GROUP: "Groups",
    SubjectKind.POLICY: "Policies",
}
_BOUNDARY = "iam:PermissionsBoundary"
_RESTORE_BOUNDARY = frozenset(
    f"restore_{kind}_permissions_boundary" for kind in (SubjectKind.USER, SubjectKind.ROLE)
)
_ONLY = (
    (
        "Detach",
        frozenset(f"iam:Detach{entity}Policy" for entity in _ENTITIES),
        "ArnEquals",
        "iam:PolicyARN",
        ADMIN_POLICY_ARNS,
    ),
    (
        # Calls that could grant: only what denies may be attached or put.
        "PutBackDeny",
        frozenset(f"iam:Attach{entity}Policy" for entity in _ENTITIES),
        "ArnEquals",
        "iam:PolicyARN",
        PROTECTED_DENY_ARNS,
    ),
    (
        "Contain",
        frozenset(f"iam:Put{entity}PermissionsBoundary" for entity in _ENTITIES),
        "ArnEquals",
        _BOUNDARY,
        DENY_ALL_ARNS,
    ),
    (
        # Other tags may decide about rights.
        "EndException",
        frozenset({"iam:UntagUser", "iam:UntagRole"}),
        "ForAllValues:StringEquals",
        "aws:TagKeys",
        frozenset({EXCEPTION_TAG_KEY}),
    ),
)
"""Calls that are allowed for the listed values alone: name, calls; operator, key and values of the
condition."""

_CAN_GRANT = frozenset(
    {
        *(f"iam:Put{entity}Policy" for entity in _ENTITIES),
        "iam:UpdateAssumeRolePolicy",
        "iam:UpdateLoginProfile",
        "iam:UpdateOpenIDConnectProviderThumbprint",
        "iam:UpdateSAMLProvider",
    }
)
"""Calls that IAM has no condition for: not on the name or text of a policy, nor on a password, nor
on the keys of an identity provider."""

_TARGETS: tuple[tuple[str, frozenset[str], tuple[str, ...]], ...] = (
    (
        "Trails",
        frozenset(
            {"cloudtrail:PutEventSelectors", "cloudtrail:StartLogging", "cloudtrail:UpdateTrail"}
        ),
        ("cloudtrail:*:{account}:trail/{scope}",),
    ),
    (
        "Clusters",
        frozenset({"eks:DisassociateAccessPolicy"}),
        ("eks:*:{account}:access-entry/{scope}/*",),
    ),
    ("EventRules", frozenset({"events:EnableRule"}), ("events:*:{account}:rule/{scope}",)),
    (
        "OidcProviders",
        frozenset(
            {
                "iam:DeleteOpenIDConnectProvider",
                "iam:RemoveClientIDFromOpenIDConnectProvider",
                "iam:UpdateOpenIDConnectProviderThumbprint",
            }
        ),
        ("iam::{account}:oidc-provider/{scope}",),
    ),
    (
        "SamlProviders",
        frozenset({"iam:DeleteSAMLProvider", "iam:UpdateSAMLProvider"}),
        ("iam::{account}:saml-provider/{scope}",),
    ),
    (
        "InstanceProfiles",
        frozenset({"iam:RemoveRoleFromInstanceProfile"}),
        ("iam::{account}:instance-profile/{scope}",),
    ),
    (
        "Instances",
        frozenset({"ec2:DisassociateIamInstanceProfile"}),
        ("ec2:*:{account}:instance/{scope}",),
    ),
    (
        "GroupMemberships",
        frozenset({"identitystore:DeleteGroupMembership"}),
        # AWS asks for the right on each of the four. The group is what narrows it; the store may
        # be another account's.
        (
            "identitystore::*:identitystore/*",
            "identitystore:::group/{scope}",
            "identitystore:::membership/*",
            "identitystore:::user/*",
        ),
    ),
    (
        "Functions",
        frozenset(
            {
                "lambda:DeleteFunctionUrlConfig",
                "lambda:PutFunctionConcurrency",
                "lambda:RemovePermission",
            }
        ),
        ("lambda:*:{account}:function:{scope}",),
    ),
    (
        "TrustAnchors",
        frozenset({"rolesanywhere:DisableTrustAnchor"}),
        ("rolesanywhere:*:{account}:trust-anchor/{scope}",),
    ),
    (
        "Profiles",
        frozenset({"rolesanywhere:DisableProfile"}),
        ("rolesanywhere:*:{account}:profile/{scope}",),
    ),
    (
        "PermissionSets",
        frozenset(
            {
                "sso:DeleteAccountAssignment",
                "sso:DetachManagedPolicyFromPermissionSet",
                "sso:ProvisionPermissionSet",
            }
        ),
        # AWS asks for the right on each of the three. The permission set is what narrows it.
        ("sso:::account/*", "sso:::instance/*", "sso:::permissionSet/{scope}"),
    ),
)
"""The resources of writes to what is no principal: name, calls, and ARNs after the partition.
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html"""

LONGEST_PATTERN = 2048
"""Characters of an EventBridge event pattern.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
"""

type PolicyJson = dict[str, Any]
type Statement = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DeploymentValues:
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
    resource_scope: str = "${resource_scope}"
    account_scope: str = "${account_scope}"

    def principals(self, kind: SubjectKind, names: str) -> str:
        """The ARN of principals or policies of one kind."""
        return f"arn:{self.partition}:iam::{self.account_id}:{kind}/{names}"

    def here(self, values: Iterable[str]) -> set[str]:
        """ARNs of AWS's own policies as they are in this partition: a policy has only so many
        characters. A tag's key stays as it is.
        """
        return {
            f"arn:{self.partition}:{value.split(':', 2)[2]}" if value.startswith("arn:") else value
            for value in values
        }

    def resource(self, pattern: str) -> str:
        """The ARN of resources in scope, from a pattern of `_TARGETS`."""
        if "{scope}" in pattern and self.resource_scope.startswith("arn:"):
            return self.resource_scope
        named = pattern.format(account=self.account_id, scope=self.resource_scope)
        return f"arn:{self.partition}:{named}"

    def scope(self, kind: SubjectKind) -> str:
        """The glob of the kind's names."""
        return str(getattr(self, f"{kind}_scope"))


VARIABLES = tuple(field.name for field in fields(DeploymentValues))


def worker_policy(
    mode: Mode, rules: RuleSet, actions: Mapping[str, Action], values: DeploymentValues
) -> PolicyJson:
    """What the worker's role must be allowed; for `enforce`, its writes to IAM too."""
    statements = [
        _allow("Queue", sqs.PERMISSIONS, values.queue_arn),
        _allow("Alerts", sns.PERMISSIONS, values.topic_arn),
        _allow(
            "Ledger", dynamodb_table.PERMISSIONS, values.table_arn, f"{values.table_arn}/index/*"
        ),
        _allow("Log", cloudwatch.PERMISSIONS, f"{values.log_group_arn}:*"),
        *_reads(rules, actions, values),
    ]
    if mode is Mode.ENFORCE:
        statements += enforce_statements(rules, actions, values)
    return {"Version": "2012-10-17", "Statement": statements}


def enforce_policy(
    rules: RuleSet, actions: Mapping[str, Action], values: DeploymentValues
) -> PolicyJson:
    """Only the writes: attached beside the policy of dry run, when enforce is asked for."""
    return {"Version": "2012-10-17", "Statement": enforce_statements(rules, actions, values)}


def enforce_statements(
    rules: RuleSet, actions: Mapping[str, Action], values: DeploymentValues
) -> list[Statement]:
    """The writes by kind of target, each with its Deny below a path if it can have one."""
    statements: list[Statement] = []
    for kind in (SubjectKind.USER, SubjectKind.ROLE, SubjectKind.GROUP, SubjectKind.POLICY):
        enabled = _writing(rules, actions, kind)
        writes = sorted(_permissions(rules, actions, kind, writing=True))
        scoped = values.principals(kind, values.scope(kind))
        name = _PLURAL[kind]
        for sid, calls, operator, key, allowed in _ONLY:
            if narrowed := [p for p in writes if p in calls]:
                own = {
                    *_own_boundaries(key, enabled, values),
                    *_resolved(rules, kind, narrowed, actions, values),
                }
                listed = {*values.here(allowed), *own}
                statements.append(_allow(f"{sid}{name}", narrowed, scoped))
                statements[-1]["Condition"] = {operator: {key: sorted(listed)}}
        others = {p for p in writes if not any(p in calls for _, calls, *_ in _ONLY)}
        statements += _unconditional(name, others, scoped)
        if writes:
            statements.append(_deny(f"NoPaths{name}", writes, f"{scoped}/*"))
    return [
        *statements,
        *_writes_to_resources(rules, actions, values),
        *_writes_to_account(rules, actions, values),
    ]


def _unconditional(name: str, calls: set[str], *resources: str) -> Iterable[Statement]:
    for sid, some in (("CanGrant", calls & _CAN_GRANT), ("TakeBack", calls - _CAN_GRANT)):
        if some:
            yield _allow(f"{sid}{name}", sorted(some), *resources)


def _writes_to_account(
    rules: RuleSet, actions: Mapping[str, Action], values: DeploymentValues
) -> Iterable[Statement]:
    """IAM knows no resource for them, so that the scope is a condition: empty, it holds nowhere."""
    kind = SubjectKind.ACCOUNT
    if writes := {p for a in _writing(rules, actions, kind) for p in a.info.writes}:
        statement = _allow("TakeBackAccount", sorted(writes), "*")
        within = {"aws:PrincipalAccount": [values.account_scope]}
        yield {**statement, "Condition": {"StringLike": within}}


def _writes_to_resources(
    rules: RuleSet, actions: Mapping[str, Action], values: DeploymentValues
) -> Iterable[Statement]:
    kind = SubjectKind.RESOURCE
    writes = {p for a in _writing(rules, actions, kind) for p in a.info.writes}
    for name, calls, patterns in _TARGETS:
        if allowed := writes & calls:
            resources = [values.resource(pattern) for pattern in patterns]
            yield from _unconditional(name, allowed, *resources)
            if name == "InstanceProfiles":
                yield _deny("NoPathsInstanceProfiles", sorted(allowed), f"{resources[0]}/*")
    if unplaced := writes.difference(*(calls for _, calls, _ in _TARGETS)):
        raise ConfigError(f"no resource is known for {', '.join(sorted(unplaced))}")


def routing_patterns(rules: RuleSet) -> dict[str, dict[str, Any]]:
    """The bus rules that bring what the rules need: name, `{"pattern": {...}, "state": "..."}`.

    Raises `ConfigError` for one that EventBridge would refuse.
    """
    routes = routes_of(rules)
    for name, route in routes.items():
        if (size := len(json.dumps(route.pattern, separators=(",", ":")))) > LONGEST_PATTERN:
            raise ConfigError(
                f"the pattern of {name} has {size} characters, more than the {LONGEST_PATTERN} of "
                "EventBridge: switch off rules, or route by hand"
            )
    return {name: {"pattern": r.pattern, "state": str(r.state)} for name, r in routes.items()}


def _reads(
    rules: RuleSet, actions: Mapping[str, Action], values: DeploymentValues
) -> list[Statement]:
    statements = []
    for kind, identity_reads in iam.PERMISSIONS.items():
        about = [rule for rule in rules.rules if rule.subject_kind is kind]
        needed = set(identity_reads if about else ())
        needed |= _permissions(rules, actions, kind, writing=False)
        needed |= principal_reads(kind, rules.restored)
        needed -= set(policies.PERMISSIONS)
        if needed:
            resource = values.principals(kind, "*")
            statements.append(_allow(f"Look{_PLURAL[kind]}", sorted(needed), resource))
    others = {
        permission
        for kind in SubjectKind
        for action in _actions(rules, actions, kind)
        for permission in action.info.reads
        if not kind.is_principal or permission in policies.PERMISSIONS
    }
    others |= other_reads(rules.restored)
    if any(rule.resolve is not None for rule in rules.rules):
        others |= set(policies.PERMISSIONS)
    return [*statements, *([_allow("Look", sorted(others), "*")] if others else [])]


def _permissions(
    rules: RuleSet, actions: Mapping[str, Action], kind: SubjectKind, *, writing: bool
) -> set[str]:
    """What is called about targets of one kind.

    A rule about a user's membership reads and changes the group, and IAM asks for the right on it.
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
    """
    members = (SubjectKind.USER, SubjectKind.GROUP)
    called = {
        permission
        for about in (members if kind in members else (kind,))
        for action in (_writing if writing else _actions)(rules, actions, about)
        for permission in (action.info.writes if writing else action.info.reads)
    }
    return {p for p in called if kind not in members or _is_of_group(p) == (kind is members[1])}


def _is_of_group(permission: str) -> bool:
    return "Group" in permission and permission != "iam:ListGroupsForUser"


def _own_boundaries(key: str, enabled: Iterable[Action], values: DeploymentValues) -> list[str]:
    """Any policy of the account's own may have been the boundary that is put back."""
    if key != _BOUNDARY or not any(action.info.name in _RESTORE_BOUNDARY for action in enabled):
        return []
    return [values.principals(SubjectKind.POLICY, "*")]


def _resolved(
    rules: RuleSet,
    kind: SubjectKind,
    calls: Sequence[str],
    actions: Mapping[str, Action],
    values: DeploymentValues,
) -> set[str]:
    """The customer-managed policies in scope, for the calls of rules that read what they give."""
    of = RuleSet(rule for rule in rules.rules if rule.resolve is not None)
    made = {p for action in _writing(of, actions, kind) for p in action.info.writes}
    if not made.intersection(calls):
        return set()
    return {values.principals(SubjectKind.POLICY, values.scope(SubjectKind.POLICY))}


def _actions(rules: RuleSet, actions: Mapping[str, Action], kind: SubjectKind) -> list[Action]:
    """Of the rules about one kind. A rule that only observes looks all the same."""
    return [actions[name] for name in sorted(_remediations(rules, kind, observing=True))]


def _writing(rules: RuleSet, actions: Mapping[str, Action], kind: SubjectKind) -> list[Action]:
    """Those that may be applied."""
    return [actions[name] for name in sorted(_remediations(rules, kind, observing=False))]


def _remediations(rules: RuleSet, kind: SubjectKind, *, observing: bool) -> set[str]:
    return {
        rule.remediation
        for rule in rules.every
        if rule.subject_kind is kind
        and rule.remediation is not None
        and (observing or rule.mode is not Mode.OBSERVE)
    }


def _allow(sid: str, actions: Sequence[str], *resources: str) -> Statement:
    return _statement(sid, "Allow", actions, resources)


def _deny(sid: str, actions: Sequence[str], *resources: str) -> Statement:
    return _statement(sid, "Deny", actions, resources)


def _statement(
    sid: str, effect: str, actions: Sequence[str], resources: Sequence[str]
) -> Statement:
    return {"Sid": sid, "Effect": effect, "Action": sorted(actions), "Resource": list(resources)}
