"""Disable a trust anchor of IAM Roles Anywhere."""

from collections.abc import Mapping
from dataclasses import dataclass

from countermand.core.errors import Gone
from countermand.core.model import Finding, Principal
from countermand.ports import Cloud


@dataclass(frozen=True, slots=True)
class DisableTrustAnchor:
    """rolesanywhere:DisableTrustAnchor, undone by rolesanywhere:EnableTrustAnchor.

    https://docs.aws.amazon.com/rolesanywhere/latest/APIReference/API_DisableTrustAnchor.html
    """

    name = "disable_trust_anchor"
    description = (
        "Disable the trust anchor, so that its certificates open no more sessions; those that are "
        "open last. Undo enables it."
    )
    needs = ()
    read_permissions = ("rolesanywhere:GetTrustAnchor",)
    permissions = ("rolesanywhere:DisableTrustAnchor",)
    undo_permissions = ("rolesanywhere:EnableTrustAnchor",)

    def look(
        self, cloud: Cloud, finding: Finding, _principal: Principal | None
    ) -> Mapping[str, str] | None:
        if finding.subject is None:
            return None
        params = {"trust_anchor_id": finding.subject.name.rpartition("/")[2]}
        return params if self.present(cloud, params) else None

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            cloud.call("rolesanywhere:DisableTrustAnchor", trustAnchorId=params["trust_anchor_id"])
        except Gone:
            return False
        return True

    def present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        """Whether the trust anchor is enabled."""
        anchor_id = params["trust_anchor_id"]
        try:
            answer = cloud.call("rolesanywhere:GetTrustAnchor", trustAnchorId=anchor_id)
        except Gone:
            return False
        return bool(answer["trustAnchor"]["enabled"])

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        cloud.call("rolesanywhere:EnableTrustAnchor", trustAnchorId=params["trust_anchor_id"])
