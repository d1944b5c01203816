"""Disable a Roles Anywhere profile that has an administrator role."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from countermand.actions.gone import false_when_gone
from countermand.actions.iam import admin_role
from countermand.core.governance.guardrails import short_name
from countermand.core.model import Finding, Principal
from countermand.ports import ActionInfo, Cloud, Plan


@dataclass(frozen=True, slots=True)
class DisableProfile:
    """Calls rolesanywhere:DisableProfile; undo calls rolesanywhere:EnableProfile.

    https://docs.aws.amazon.com/rolesanywhere/latest/APIReference/API_DisableProfile.html
    """

    info = ActionInfo(
        name="disable_profile",
        description=(
            "Disable the profile if one of its roles has unconditional administrator permissions "
            "now. Open sessions stay valid until they expire. Undo enables the profile."
        ),
        reads=(*admin_role.READS, "rolesanywhere:GetProfile"),
        writes=("rolesanywhere:DisableProfile",),
        undo_calls=("rolesanywhere:EnableProfile",),
    )

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        profile_id = short_name(finding.subject.name)
        profile = _profile(cloud, profile_id)
        if not profile["enabled"]:
            return None
        roles = admin_role.demand_admin(cloud, profile["roleArns"])
        return Plan({"profile_id": profile_id}, created=profile["createdAt"], role_arns=roles)

    @false_when_gone
    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        cloud.call("rolesanywhere:DisableProfile", profileId=params["profile_id"])
        return True

    @false_when_gone
    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        """Return whether the profile is enabled."""
        return bool(_profile(cloud, params["profile_id"])["enabled"])

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        cloud.call("rolesanywhere:EnableProfile", profileId=params["profile_id"])


def _profile(cloud: Cloud, profile_id: str) -> Any:  # noqa: ANN401  as boto3
    return cloud.call("rolesanywhere:GetProfile", profileId=profile_id)["profile"]
