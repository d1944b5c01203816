"""Read and set the permissions boundary of a user or role."""

from collections.abc import Mapping
from typing import Any

from countermand.core.model import SubjectKind
from countermand.ports import Cloud


def writes(kind: SubjectKind) -> tuple[str, ...]:
    """Return the permission to set a boundary."""
    return (f"iam:Put{kind.capitalize()}PermissionsBoundary",)


def undo_calls(kind: SubjectKind) -> tuple[str, ...]:
    """Return the permissions to set a boundary and to remove it."""
    return (f"iam:Delete{kind.capitalize()}PermissionsBoundary", *writes(kind))


def entity(cloud: Cloud, kind: SubjectKind, name: str) -> Mapping[str, Any]:
    """Read a user or role, with its boundary. Raises `Gone` if it does not exist."""
    title = kind.capitalize()
    found: Mapping[str, Any] = cloud.call(f"iam:Get{title}", **{f"{title}Name": name})[title]
    return found


def set_boundary(cloud: Cloud, kind: SubjectKind, name: str, arn: str) -> None:
    """Set the boundary of a user or role; the ARN '' removes it."""
    title = kind.capitalize()
    target = {f"{title}Name": name}
    if arn:
        cloud.call(f"iam:Put{title}PermissionsBoundary", **target, PermissionsBoundary=arn)
    else:
        cloud.call(f"iam:Delete{title}PermissionsBoundary", **target)
