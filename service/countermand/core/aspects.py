"""Which calls change an aspect that Countermand can restore, and of which target.

`pipeline/history.py` saves a baseline of each such change, and `rules/routing.py` makes sure that
these calls reach the worker even if no rule matches them.
"""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from countermand.core.model import Aspect, Event, Path, SubjectKind, value_at

_IAM, _CLOUDTRAIL = "iam.amazonaws.com", "cloudtrail.amazonaws.com"
_USER, _ROLE, _GROUP = SubjectKind.USER, SubjectKind.ROLE, SubjectKind.GROUP
_POLICY, _RESOURCE, _ACCOUNT = SubjectKind.POLICY, SubjectKind.RESOURCE, SubjectKind.ACCOUNT


def _asked(*names: str) -> tuple[Path, ...]:
    return tuple(("requestParameters", name) for name in names)


def _answered(name: str) -> tuple[Path, ...]:
    return (("responseElements", name),)


_USER_NAME, _ROLE_NAME, _GROUP_NAME = _asked("userName"), _asked("roleName"), _asked("groupName")
_NAME, _TRUST = (Aspect.NAME,), (Aspect.TRUST_POLICY,)
_BOUNDARY, _INLINE = (Aspect.PERMISSIONS_BOUNDARY,), (Aspect.INLINE_POLICY,)
_VERSION = (Aspect.DEFAULT_VERSION,)
_SAML, _OIDC = (Aspect.SAML_METADATA,), (Aspect.OIDC_THUMBPRINTS,)
_SAML_ARN, _OIDC_ARN = "sAMLProviderArn", "openIDConnectProviderArn"

_ROWS: tuple[
    tuple[str, SubjectKind, tuple[Path, ...], tuple[Aspect, ...], tuple[str, ...]], ...
] = (
    (_IAM, _USER, _USER_NAME, _NAME + _BOUNDARY, ("CreateUser",)),
    (_IAM, _USER, _asked("newUserName", "userName"), _NAME, ("UpdateUser",)),
    (
        _IAM,
        _USER,
        _USER_NAME,
        _BOUNDARY,
        ("DeleteUserPermissionsBoundary", "PutUserPermissionsBoundary"),
    ),
    (_IAM, _USER, _USER_NAME, _INLINE, ("DeleteUserPolicy", "PutUserPolicy")),
    (_IAM, _ROLE, _ROLE_NAME, _TRUST + _BOUNDARY, ("CreateRole",)),
    (_IAM, _ROLE, _ROLE_NAME, _TRUST, ("UpdateAssumeRolePolicy",)),
    (
        _IAM,
        _ROLE,
        _ROLE_NAME,
        _BOUNDARY,
        ("DeleteRolePermissionsBoundary", "PutRolePermissionsBoundary"),
    ),
    (_IAM, _ROLE, _ROLE_NAME, _INLINE, ("DeleteRolePolicy", "PutRolePolicy")),
    (_IAM, _GROUP, _GROUP_NAME, _INLINE, ("DeleteGroupPolicy", "PutGroupPolicy")),
    (_IAM, _POLICY, (("responseElements", "policy", "arn"),), _VERSION, ("CreatePolicy",)),
    (
        _IAM,
        _POLICY,
        _asked("policyArn"),
        _VERSION,
        ("CreatePolicyVersion", "DeletePolicy", "SetDefaultPolicyVersion"),
    ),
    (_IAM, _RESOURCE, _answered(_SAML_ARN), _SAML, ("CreateSAMLProvider",)),
    (_IAM, _RESOURCE, _asked(_SAML_ARN), _SAML, ("DeleteSAMLProvider", "UpdateSAMLProvider")),
    (_IAM, _RESOURCE, _answered(_OIDC_ARN), _OIDC, ("CreateOpenIDConnectProvider",)),
    (
        _IAM,
        _RESOURCE,
        _asked(_OIDC_ARN),
        _OIDC,
        ("DeleteOpenIDConnectProvider", "UpdateOpenIDConnectProviderThumbprint"),
    ),
    (
        _IAM,
        _ACCOUNT,
        (("recipientAccountId",),),
        (Aspect.PASSWORD_POLICY,),
        ("DeleteAccountPasswordPolicy", "UpdateAccountPasswordPolicy"),
    ),
    (
        _CLOUDTRAIL,
        _RESOURCE,
        _asked("name"),
        (Aspect.TRAIL,),
        ("CreateTrail", "DeleteTrail", "UpdateTrail"),
    ),
)
"""Event source, kind of target, paths of its name, changed aspects, and the calls."""

_CHANGES = {
    (source, call): (kind, paths, aspects)
    for source, kind, paths, aspects, calls in _ROWS
    for call in calls
}


@dataclass(frozen=True, slots=True)
class Change:
    """One aspect of one target that a call changed, according to the event."""

    kind: SubjectKind
    name: str
    aspect: Aspect
    policy_name: str = ""
    """The name of an inline policy; empty for any other aspect."""


def changes(event: Event) -> Iterator[Change]:
    """Yield what a successful call changed, as far as the event names it."""
    if event.error_code is not None:
        return
    kind, paths, aspects = _CHANGES.get((event.source, event.name), (_ACCOUNT, (), ()))
    name = next((n for path in paths if type(n := value_at(event, path)) is str), None)
    if name is None:
        return
    for aspect in aspects:
        if aspect is not Aspect.INLINE_POLICY:
            yield Change(kind, name, aspect)
        elif type(policy_name := value_at(event, ("requestParameters", "policyName"))) is str:
            yield Change(kind, name, aspect, policy_name)


def calls_of(source: str, restored: AbstractSet[Aspect]) -> list[str]:
    """Return the calls of one event source that change one of the restored aspects."""
    return [
        name
        for (of, name), (_, _, aspects) in _CHANGES.items()
        if of == source and restored & set(aspects)
    ]


def boundary_of(entity: Mapping[str, Any]) -> str:
    """Return the ARN of the permissions boundary of a user or role, or '' for none."""
    return str(entity.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""))
