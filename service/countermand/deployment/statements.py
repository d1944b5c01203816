"""The writes of enforce mode as policy statements, each within the scope.

Where IAM can say so, a condition limits a call that could grant to values that deny
(`_LIMITED_TO_VALUES`). Where it cannot (`_CAN_GRANT`), the Sid says so and the scope is the limit.
A write to anything but a principal or a policy has its resource in `_RESOURCES`.
"""

from collections.abc import Iterable, Mapping, Sequence

from countermand.core.checks.identity import EXCEPTION_TAG_KEY
from countermand.core.checks.policies import ADMIN_POLICY_ARNS, DENY_ALL_ARNS, PROTECTED_DENY_ARNS
from countermand.core.errors import ConfigError
from countermand.core.model import SubjectKind
from countermand.core.rules.rule import RuleSet
from countermand.deployment.calls import PLURAL, Statement, allow, applied, calls_about, deny
from countermand.deployment.values import DeploymentValues
from countermand.ports import Action

_ENTITIES = ("User", "Role", "Group")
_BOUNDARY = "iam:PermissionsBoundary"
_RESTORE_BOUNDARY = frozenset(
    f"restore_{kind}_permissions_boundary" for kind in (SubjectKind.USER, SubjectKind.ROLE)
)
_LIMITED_TO_VALUES = (
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
        # The removal of another tag could change permissions.
        "EndException",
        frozenset({"iam:UntagUser", "iam:UntagRole"}),
        "ForAllValues:StringEquals",
        "aws:TagKeys",
        frozenset({EXCEPTION_TAG_KEY}),
    ),
)
"""The calls that a condition limits to listed values, as (Sid, calls, operator, key, values)."""

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

_RESOURCES: tuple[tuple[str, frozenset[str], tuple[str, ...]], ...] = (
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
        # AWS checks the permission on each of the four. The group limits it; the identity store
        # may be in another account.
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
        # AWS checks the permission on each of the three. The permission set limits it.
        ("sso:::account/*", "sso:::instance/*", "sso:::permissionSet/{scope}"),
    ),
)
"""The resources of the writes to other services: name, calls, and ARNs after the partition.
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html"""


def enforce_statements(
    rules: RuleSet, actions: Mapping[str, Action], values: DeploymentValues
) -> list[Statement]:
    """Return the writes by kind of target, with a Deny below its path where paths exist."""
    statements: list[Statement] = []
    for kind in (SubjectKind.USER, SubjectKind.ROLE, SubjectKind.GROUP, SubjectKind.POLICY):
        enabled = applied(rules, actions, kind)
        writes = sorted(calls_about(rules, actions, kind, writing=True))
        scoped = values.principals(kind, values.scope(kind))
        name = PLURAL[kind]
        for sid, calls, operator, key, allowed in _LIMITED_TO_VALUES:
            if narrowed := [p for p in writes if p in calls]:
                own = {
                    *_own_boundaries(key, enabled, values),
                    *_resolved(rules, kind, narrowed, actions, values),
                }
                listed = {*values.here(allowed), *own}
                statements.append(allow(f"{sid}{name}", narrowed, scoped))
                statements[-1]["Condition"] = {operator: {key: sorted(listed)}}
        others = {p for p in writes if not any(p in calls for _, calls, *_ in _LIMITED_TO_VALUES)}
        statements += _unconditional(name, others, scoped)
        if writes:
            statements.append(deny(f"NoPaths{name}", writes, f"{scoped}/*"))
    return [
        *statements,
        *_writes_to_resources(rules, actions, values),
        *_writes_to_account(rules, actions, values),
    ]


def _unconditional(name: str, calls: set[str], *resources: str) -> Iterable[Statement]:
    for sid, some in (("CanGrant", calls & _CAN_GRANT), ("TakeBack", calls - _CAN_GRANT)):
        if some:
            yield allow(f"{sid}{name}", sorted(some), *resources)


def _writes_to_account(
    rules: RuleSet, actions: Mapping[str, Action], values: DeploymentValues
) -> Iterable[Statement]:
    """Limit the writes by a condition, because IAM has no resource for them. An empty scope matches
    no account.
    """
    kind = SubjectKind.ACCOUNT
    if writes := {p for a in applied(rules, actions, kind) for p in a.info.writes}:
        statement = allow("TakeBackAccount", sorted(writes), "*")
        within = {"aws:PrincipalAccount": [values.account_scope]}
        yield {**statement, "Condition": {"StringLike": within}}


def _writes_to_resources(
    rules: RuleSet, actions: Mapping[str, Action], values: DeploymentValues
) -> Iterable[Statement]:
    kind = SubjectKind.RESOURCE
    writes = {p for a in applied(rules, actions, kind) for p in a.info.writes}
    for name, calls, patterns in _RESOURCES:
        if allowed := writes & calls:
            resources = [values.resource(pattern) for pattern in patterns]
            yield from _unconditional(name, allowed, *resources)
            if name == "InstanceProfiles":
                yield deny("NoPathsInstanceProfiles", sorted(allowed), f"{resources[0]}/*")
    if unplaced := writes.difference(*(calls for _, calls, _ in _RESOURCES)):
        raise ConfigError(f"no resource is known for {', '.join(sorted(unplaced))}")


def _own_boundaries(key: str, enabled: Iterable[Action], values: DeploymentValues) -> list[str]:
    """Return all customer-managed policies: each of them can be the boundary to restore."""
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
    """Return the customer-managed policies in scope, if a rule that reads them makes the calls."""
    of = RuleSet(rule for rule in rules.rules if rule.resolve is not None)
    made = {p for action in applied(of, actions, kind) for p in action.info.writes}
    if not made.intersection(calls):
        return set()
    return {values.principals(SubjectKind.POLICY, values.scope(SubjectKind.POLICY))}
