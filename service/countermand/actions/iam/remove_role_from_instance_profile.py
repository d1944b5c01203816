"""Remove an administrator role from an instance profile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from countermand.actions.gone import false_when_gone
from countermand.actions.iam import admin_role
from countermand.core.model import Finding, Principal
from countermand.ports import ActionInfo, Cloud, Plan


@dataclass(frozen=True, slots=True)
class RemoveRoleFromInstanceProfile:
    """Calls iam:RemoveRoleFromInstanceProfile; undo calls iam:AddRoleToInstanceProfile.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_RemoveRoleFromInstanceProfile.html
    """

    info = ActionInfo(
        name="remove_role_from_instance_profile",
        description=(
            "Remove the role from the instance profile if the role has unconditional administrator "
            "permissions now. Undo adds it again, which needs iam:PassRole for the role."
        ),
        needs=("role_name",),
        reads=(*admin_role.READS, "iam:GetInstanceProfile"),
        writes=("iam:RemoveRoleFromInstanceProfile",),
        undo_calls=("iam:AddRoleToInstanceProfile", "iam:PassRole"),
    )

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        name, asked = finding.subject.name, finding.evidence["role_name"].lower()
        # IAM ignores the case of a name, and CloudTrail shows the name as the caller wrote it.
        role = next((r for r in _roles(cloud, name) if r["RoleName"].lower() == asked), None)
        if role is None:
            return None
        params = {"instance_profile_name": name, "role_name": role["RoleName"]}
        return Plan(params, role_arns=admin_role.demand_admin(cloud, [role["Arn"]]))

    @false_when_gone
    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        cloud.call("iam:RemoveRoleFromInstanceProfile", **_request(params))
        return True

    @false_when_gone
    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        roles = _roles(cloud, params["instance_profile_name"])
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
