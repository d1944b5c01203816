"""Which IAM calls change which aspect of a principal: trust policy, boundary, inline policies."""

from collections.abc import Iterator, Mapping
from typing import Any

from countermand.core.model import Aspect, Event, SubjectKind

_CHANGES: Mapping[str, tuple[SubjectKind, tuple[Aspect, ...]]] = {
    "CreateRole": (SubjectKind.ROLE, (Aspect.TRUST_POLICY, Aspect.PERMISSIONS_BOUNDARY)),
    "CreateUser": (SubjectKind.USER, (Aspect.PERMISSIONS_BOUNDARY,)),
    "DeleteGroupPolicy": (SubjectKind.GROUP, (Aspect.INLINE_POLICY,)),
    "DeleteRolePermissionsBoundary": (SubjectKind.ROLE, (Aspect.PERMISSIONS_BOUNDARY,)),
    "DeleteRolePolicy": (SubjectKind.ROLE, (Aspect.INLINE_POLICY,)),
    "DeleteUserPermissionsBoundary": (SubjectKind.USER, (Aspect.PERMISSIONS_BOUNDARY,)),
    "DeleteUserPolicy": (SubjectKind.USER, (Aspect.INLINE_POLICY,)),
    "PutGroupPolicy": (SubjectKind.GROUP, (Aspect.INLINE_POLICY,)),
    "PutRolePermissionsBoundary": (SubjectKind.ROLE, (Aspect.PERMISSIONS_BOUNDARY,)),
    "PutRolePolicy": (SubjectKind.ROLE, (Aspect.INLINE_POLICY,)),
    "PutUserPermissionsBoundary": (SubjectKind.USER, (Aspect.PERMISSIONS_BOUNDARY,)),
    "PutUserPolicy": (SubjectKind.USER, (Aspect.INLINE_POLICY,)),
    "UpdateAssumeRolePolicy": (SubjectKind.ROLE, (Aspect.TRUST_POLICY,)),
}
EVENT_NAMES = tuple(_CHANGES)
"""The IAM calls that must be routed to the worker, so that it knows what they leave behind."""


def changed(
    event: Event,
) -> Iterator[tuple[SubjectKind, str, Aspect, Mapping[str, str]]]:
    """What a successful IAM call changed of whom: kind, name, aspect, and the evidence that says
    which one of several.
    """
    if event.source != "iam.amazonaws.com" or event.error_code is not None:
        return
    kind, aspects = _CHANGES.get(event.name, (SubjectKind.USER, ()))
    request = event.request or {}
    name, policy_name = request.get(f"{kind}Name"), request.get("policyName")
    for aspect in aspects if type(name) is str else ():
        if aspect is not Aspect.INLINE_POLICY:
            yield kind, str(name), aspect, {}
        elif type(policy_name) is str:
            yield kind, str(name), aspect, {"policy_name": policy_name}


def boundary_of(entity: Mapping[str, Any]) -> str:
    """ARN of the permissions boundary of a user or role as IAM shows it, or ''."""
    return str(entity.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""))
