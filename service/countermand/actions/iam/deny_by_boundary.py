"""Deny a user or role everything by the permissions boundary AWSDenyAll."""

from collections.abc import Mapping
from dataclasses import dataclass

from countermand.actions.gone import false_when_gone
from countermand.actions.iam import boundary
from countermand.core.aspects import boundary_of
from countermand.core.model import Finding, Principal, SubjectKind
from countermand.core.policies.trust import evaluate_trust
from countermand.ports import ActionInfo, Cloud, Plan


@dataclass(frozen=True, slots=True)
class DenyByBoundary:
    """Calls iam:PutRolePermissionsBoundary or its equivalent; undo restores the previous boundary.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePermissionsBoundary.html
    """

    kind: SubjectKind

    @property
    def info(self) -> ActionInfo:
        is_role = self.kind is SubjectKind.ROLE
        only = " if it trusts principals outside of its account" if is_role else ""
        return ActionInfo(
            name=f"deny_{self.kind}_by_boundary",
            description=(
                f"Set AWSDenyAll as permissions boundary of the {self.kind}{only}. Undo restores "
                "the previous boundary, or removes the new boundary."
            ),
            reads=(f"iam:Get{self.kind.capitalize()}",),
            writes=boundary.writes(self.kind),
            undo_calls=boundary.undo_calls(self.kind),
        )

    def plan(self, cloud: Cloud, _finding: Finding, principal: Principal | None) -> Plan | None:
        if principal is None:
            return None
        entity = boundary.entity(cloud, self.kind, principal.name)
        _, partition, _, _, account_id, _ = principal.arn.split(":", 5)
        deny_all = f"arn:{partition}:iam::aws:policy/AWSDenyAll"
        if self.kind is SubjectKind.ROLE:
            trust = evaluate_trust(entity["AssumeRolePolicyDocument"], {account_id})
            if not trust.opening.is_risk:
                return None
        if boundary_of(entity) == deny_all:
            return None
        params = {
            f"{self.kind}_name": principal.name,
            "boundary_arn": deny_all,
            "previous_boundary_arn": boundary_of(entity),
        }
        return Plan(params)

    @false_when_gone
    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        self._set(cloud, params, params["boundary_arn"])
        return True

    @false_when_gone
    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        """Return whether the boundary is missing."""
        entity = boundary.entity(cloud, self.kind, params[f"{self.kind}_name"])
        return boundary_of(entity) != params["boundary_arn"]

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        self._set(cloud, params, params["previous_boundary_arn"])

    def _set(self, cloud: Cloud, params: Mapping[str, str], arn: str) -> None:
        boundary.set_boundary(cloud, self.kind, params[f"{self.kind}_name"], arn)
