"""Remove a role with administrator rights from an instance profile."""

from collections.abc import Mapping
from dataclasses import dataclass

from countermand.actions import admin_role
from countermand.core.errors import Gone
from countermand.core.model import Finding, Principal
from countermand.ports import Cloud


@dataclass(frozen=True, slots=True)
class RemoveRoleFromInstanceProfile:
    """iam:RemoveRoleFromInstanceProfile, undone by iam:AddRoleToInstanceProfile.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_RemoveRoleFromInstanceProfile.html
    """

    name = "remove_role_from_instance_profile"
    description = (
        "Remove the role from the instance profile if it grants administrator rights now; undo "
        "adds it again, which needs iam:PassRole for it."
    )
    needs = ("role_name",)
    read_permissions = (*admin_role.READS, "iam:GetInstanceProfile")
    permissions = ("iam:RemoveRoleFromInstanceProfile",)
    undo_permissions = ("iam:AddRoleToInstanceProfile", "iam:PassRole")

    def look(
        self, cloud: Cloud, finding: Finding, _principal: Principal | None
    ) -> Mapping[str, str] | None:
        if finding.subject is None:
            return None
        params = {
            "instance_profile_name": finding.subject.name,
            "role_name": finding.evidence["role_name"],
        }
        if not self.present(cloud, params) or not admin_role.grants_admin(
            cloud, params["role_name"]
        ):
            return None
        return params

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            cloud.call("iam:RemoveRoleFromInstanceProfile", **_request(params))
        except Gone:
            return False
        return True

    def present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        name = params["instance_profile_name"]
        try:
            answer = cloud.call("iam:GetInstanceProfile", InstanceProfileName=name)
        except Gone:
            return False
        roles = answer["InstanceProfile"]["Roles"]
        return any(role["RoleName"] == params["role_name"] for role in roles)

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        cloud.call("iam:AddRoleToInstanceProfile", **_request(params))


def _request(params: Mapping[str, str]) -> dict[str, str]:
    return {
        "InstanceProfileName": params["instance_profile_name"],
        "RoleName": params["role_name"],
    }
