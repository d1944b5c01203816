"""Remove a role with administrator rights from an instance profile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from countermand.actions.iam import admin_role
from countermand.core.errors import Gone
from countermand.core.model import Finding, Principal
from countermand.ports import Cloud, Plan


@dataclass(frozen=True, slots=True)
class RemoveRoleFromInstanceProfile:
    """iam:RemoveRoleFromInstanceProfile, undone by iam:AddRoleToInstanceProfile.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_RemoveRoleFromInstanceProfile.html
    """

    name = "remove_role_from_instance_profile"
    description = (
        "Remove the role from the instance profile if it grants administrator rights now, under no "
        "condition; undo adds it again, which needs iam:PassRole for it."
    )
    needs = ("role_name",)
    read_permissions = (*admin_role.READS, "iam:GetInstanceProfile")
    permissions = ("iam:RemoveRoleFromInstanceProfile",)
    undo_permissions = ("iam:AddRoleToInstanceProfile", "iam:PassRole")

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        name, asked = finding.subject.name, finding.evidence["role_name"].lower()
        # CloudTrail shows a name as the caller wrote it, and IAM takes it in any case.
        role = next((r for r in _roles(cloud, name) if r["RoleName"].lower() == asked), None)
        if role is None:
            return None
        params = {"instance_profile_name": name, "role_name": role["RoleName"]}
        return Plan(params, role_arns=admin_role.demand_admin(cloud, [role["Arn"]]))

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            cloud.call("iam:RemoveRoleFromInstanceProfile", **_request(params))
        except Gone:
            return False
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            roles = _roles(cloud, params["instance_profile_name"])
        except Gone:
            return False
        return any(role["RoleName"] == params["role_name"] for role in roles)

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        cloud.call("iam:AddRoleToInstanceProfile", **_request(params))


def _roles(cloud: Cloud, profile: str) -> Sequence[Mapping[str, str]]:
    answer = cloud.call("iam:GetInstanceProfile", InstanceProfileName=profile)
    roles: Sequence[Mapping[str, str]] = answer["InstanceProfile"]["Roles"]
    return roles


def _request(params: Mapping[str, str]) -> dict[str, str]:
    return {
        "InstanceProfileName": params["instance_profile_name"],
        "RoleName": params["role_name"],
    }
