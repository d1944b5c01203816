"""Disable a trust anchor of IAM Roles Anywhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from countermand.actions.gone import false_when_gone
from countermand.core.governance.guardrails import short_name
from countermand.core.model import Finding, Principal
from countermand.ports import ActionInfo, Cloud, Plan


@dataclass(frozen=True, slots=True)
class DisableTrustAnchor:
    """Calls rolesanywhere:DisableTrustAnchor; undo calls rolesanywhere:EnableTrustAnchor.

    https://docs.aws.amazon.com/rolesanywhere/latest/APIReference/API_DisableTrustAnchor.html
    """

    info = ActionInfo(
        name="disable_trust_anchor",
        description=(
            "Disable the trust anchor, so that its certificates open no more sessions. Open "
            "sessions stay valid until they expire. Undo enables the trust anchor."
        ),
        reads=("rolesanywhere:GetTrustAnchor",),
        writes=("rolesanywhere:DisableTrustAnchor",),
        undo_calls=("rolesanywhere:EnableTrustAnchor",),
    )

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        anchor_id = short_name(finding.subject.name)
        anchor = _anchor(cloud, anchor_id)
        if not anchor["enabled"]:
            return None
        return Plan({"trust_anchor_id": anchor_id}, created=anchor["createdAt"])

    @false_when_gone
    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        cloud.call("rolesanywhere:DisableTrustAnchor", trustAnchorId=params["trust_anchor_id"])
        return True

    @false_when_gone
    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        """Return whether the trust anchor is enabled."""
        return bool(_anchor(cloud, params["trust_anchor_id"])["enabled"])

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        cloud.call("rolesanywhere:EnableTrustAnchor", trustAnchorId=params["trust_anchor_id"])


def _anchor(cloud: Cloud, anchor_id: str) -> Any:  # noqa: ANN401  as boto3
    return cloud.call("rolesanywhere:GetTrustAnchor", trustAnchorId=anchor_id)["trustAnchor"]
