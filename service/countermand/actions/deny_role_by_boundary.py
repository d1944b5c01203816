"""Take all rights from a role by the permissions boundary AWSDenyAll."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from countermand.core.errors import Gone
from countermand.core.model import Finding, Principal
from countermand.core.trust import judge_trust
from countermand.ports import Cloud


@dataclass(frozen=True, slots=True)
class DenyRoleByBoundary:
    """iam:PutRolePermissionsBoundary with AWSDenyAll; undone by the boundary before, or none.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePermissionsBoundary.html
    """

    name = "deny_role_by_boundary"
    description = (
        "Set AWSDenyAll as permissions boundary of a role that trusts others than its account; "
        "undo sets the boundary that was there, or removes it. Grant the call only under the "
        "condition iam:PermissionsBoundary = AWSDenyAll."
    )
    needs = ()
    read_permissions = ("iam:GetRole",)
    permissions = ("iam:PutRolePermissionsBoundary",)
    undo_permissions = ("iam:DeleteRolePermissionsBoundary", "iam:PutRolePermissionsBoundary")

    def look(
        self, cloud: Cloud, _finding: Finding, principal: Principal | None
    ) -> Mapping[str, str] | None:
        if principal is None:
            return None
        role = cloud.call("iam:GetRole", RoleName=principal.name)["Role"]
        _, partition, _, _, account_id, _ = principal.arn.split(":", 5)
        deny_all = f"arn:{partition}:iam::aws:policy/AWSDenyAll"
        trust = judge_trust(role["AssumeRolePolicyDocument"], {account_id})
        if not trust.opening.is_risk or _boundary(role) == deny_all:
            return None
        return {
            "role_name": principal.name,
            "boundary_arn": deny_all,
            "previous_boundary_arn": _boundary(role),
        }

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            _put(cloud, params["role_name"], params["boundary_arn"])
        except Gone:
            return False
        return True

    def present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            role = cloud.call("iam:GetRole", RoleName=params["role_name"])["Role"]
        except Gone:
            return False
        return _boundary(role) != params["boundary_arn"]

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        if params["previous_boundary_arn"]:
            _put(cloud, params["role_name"], params["previous_boundary_arn"])
        else:
            cloud.call("iam:DeleteRolePermissionsBoundary", RoleName=params["role_name"])


def _boundary(role: Mapping[str, Any]) -> str:
    """ARN of the permissions boundary, or ''."""
    return str(role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""))


def _put(cloud: Cloud, role_name: str, arn: str) -> None:
    cloud.call("iam:PutRolePermissionsBoundary", RoleName=role_name, PermissionsBoundary=arn)
