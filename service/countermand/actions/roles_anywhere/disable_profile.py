"""Disable a profile of IAM Roles Anywhere that gives a role with administrator rights."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from countermand.actions.iam import admin_role
from countermand.core.errors import Gone
from countermand.core.governance.guardrails import short_name
from countermand.core.model import Finding, Principal
from countermand.ports import Cloud, Plan


@dataclass(frozen=True, slots=True)
class DisableProfile:
    """rolesanywhere:DisableProfile, undone by rolesanywhere:EnableProfile.

    https://docs.aws.amazon.com/rolesanywhere/latest/APIReference/API_DisableProfile.html
    """

    name = "disable_profile"
    description = (
        "Disable the profile if one of its roles grants administrator rights now, under no "
        "condition; sessions that are open last. Undo enables it."
    )
    needs = ()
    read_permissions = (*admin_role.READS, "rolesanywhere:GetProfile")
    permissions = ("rolesanywhere:DisableProfile",)
    undo_permissions = ("rolesanywhere:EnableProfile",)

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        profile_id = short_name(finding.subject.name)
        profile = _profile(cloud, profile_id)
        if not profile["enabled"]:
            return None
        roles = admin_role.demand_admin(cloud, profile["roleArns"])
        return Plan({"profile_id": profile_id}, created=profile["createdAt"], role_arns=roles)

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            cloud.call("rolesanywhere:DisableProfile", profileId=params["profile_id"])
        except Gone:
            return False
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        """Whether the profile is enabled."""
        try:
            return bool(_profile(cloud, params["profile_id"])["enabled"])
        except Gone:
            return False

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        cloud.call("rolesanywhere:EnableProfile", profileId=params["profile_id"])


def _profile(cloud: Cloud, profile_id: str) -> Any:  # noqa: ANN401  as boto3
    return cloud.call("rolesanywhere:GetProfile", profileId=profile_id)["profile"]
