"""Take all rights from a user or role by the permissions boundary AWSDenyAll."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from countermand.core.aspects import boundary_of
from countermand.core.errors import Gone
from countermand.core.model import Finding, Principal, SubjectKind
from countermand.core.policies.trust import evaluate_trust
from countermand.ports import Cloud, Plan


@dataclass(frozen=True, slots=True)
class DenyByBoundary:
    """iam:PutRolePermissionsBoundary with AWSDenyAll; undone by the boundary before, or none.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePermissionsBoundary.html
    """

    kind: SubjectKind
    needs = ()

    @property
    def name(self) -> str:
        return f"deny_{self.kind}_by_boundary"

    @property
    def description(self) -> str:
        only = " if it trusts others than its account" if self.kind is SubjectKind.ROLE else ""
        return (
            f"Set AWSDenyAll as permissions boundary of the {self.kind}{only}; undo sets the "
            "boundary that was there, or removes it."
        )

    @property
    def read_permissions(self) -> tuple[str, ...]:
        return (f"iam:Get{self._entity}",)

    @property
    def permissions(self) -> tuple[str, ...]:
        return (f"iam:Put{self._entity}PermissionsBoundary",)

    @property
    def undo_permissions(self) -> tuple[str, ...]:
        return (
            f"iam:Delete{self._entity}PermissionsBoundary",
            f"iam:Put{self._entity}PermissionsBoundary",
        )

    def plan(self, cloud: Cloud, _finding: Finding, principal: Principal | None) -> Plan | None:
        if principal is None:
            return None
        entity = self._read(cloud, principal.name)
        _, partition, _, _, account_id, _ = principal.arn.split(":", 5)
        deny_all = f"arn:{partition}:iam::aws:policy/AWSDenyAll"
        if self.kind is SubjectKind.ROLE:
            trust = evaluate_trust(entity["AssumeRolePolicyDocument"], {account_id})
            if not trust.opening.is_risk:
                return None
        if boundary_of(entity) == deny_all:
            return None
        return Plan(
            {
                f"{self.kind}_name": principal.name,
                "boundary_arn": deny_all,
                "previous_boundary_arn": boundary_of(entity),
            }
        )

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            self._put(cloud, params, params["boundary_arn"])
        except Gone:
            return False
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            entity = self._read(cloud, params[f"{self.kind}_name"])
        except Gone:
            return False
        return boundary_of(entity) != params["boundary_arn"]

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        if params["previous_boundary_arn"]:
            self._put(cloud, params, params["previous_boundary_arn"])
        else:
            operation = f"iam:Delete{self._entity}PermissionsBoundary"
            cloud.call(operation, **{f"{self._entity}Name": params[f"{self.kind}_name"]})

    @property
    def _entity(self) -> str:
        return self.kind.capitalize()

    def _read(self, cloud: Cloud, name: str) -> Mapping[str, Any]:
        request = {f"{self._entity}Name": name}
        entity: Mapping[str, Any] = cloud.call(f"iam:Get{self._entity}", **request)[self._entity]
        return entity

    def _put(self, cloud: Cloud, params: Mapping[str, str], arn: str) -> None:
        name = {f"{self._entity}Name": params[f"{self.kind}_name"]}
        operation = f"iam:Put{self._entity}PermissionsBoundary"
        cloud.call(operation, **name, PermissionsBoundary=arn)
