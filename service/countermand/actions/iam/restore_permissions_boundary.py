"""Put back the permissions boundary of a user or role."""

from collections.abc import Mapping
from dataclasses import dataclass

from countermand.core.aspects import boundary_of
from countermand.core.errors import CannotRestore, Gone
from countermand.core.model import Finding, Principal, SubjectKind
from countermand.core.policies.escalations import Privilege
from countermand.core.policies.evaluate import Holder, evaluate_policies
from countermand.core.rules.schema import PREVIOUS
from countermand.live.policies import PERMISSIONS, managed_policies
from countermand.ports import Cloud, Plan


@dataclass(frozen=True, slots=True)
class RestorePermissionsBoundary:
    """iam:PutUserPermissionsBoundary with the boundary before; undone by the one that was taken
    back, or by removing it.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutUserPermissionsBoundary.html
    """

    kind: SubjectKind
    needs = (PREVIOUS,)

    @property
    def name(self) -> str:
        return f"restore_{self.kind}_permissions_boundary"

    @property
    def description(self) -> str:
        return (
            f"Put back the permissions boundary that the {self.kind} had before, if that is a "
            "policy of the account's own or AWSDenyAll, and the new one lets worse rights through; "
            "undo sets the new one again, or none."
        )

    @property
    def read_permissions(self) -> tuple[str, ...]:
        return (f"iam:Get{self._entity}", *PERMISSIONS)

    @property
    def permissions(self) -> tuple[str, ...]:
        return (f"iam:Put{self._entity}PermissionsBoundary",)

    @property
    def undo_permissions(self) -> tuple[str, ...]:
        return (
            f"iam:Delete{self._entity}PermissionsBoundary",
            f"iam:Put{self._entity}PermissionsBoundary",
        )

    def plan(self, cloud: Cloud, finding: Finding, principal: Principal | None) -> Plan | None:
        if principal is None:
            return None
        boundary, previous = self._boundary(cloud, principal.name), finding.evidence[PREVIOUS]
        if boundary == previous:
            return None
        if not previous:
            raise CannotRestore("there was no boundary before, so that rights were only taken away")
        _, _, _, _, owner, policy = previous.split(":", 5)
        if owner == "aws" and policy != "policy/AWSDenyAll":
            raise CannotRestore(f"its boundary was AWS's {policy}, which may not be put back")
        if (why := _no_loosening(cloud, previous, boundary, principal)) is not None:
            raise CannotRestore(why)
        return Plan(
            {f"{self.kind}_name": principal.name, "boundary_arn": boundary, PREVIOUS: previous}
        )

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        self._put(cloud, params, params[PREVIOUS])
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            return self._boundary(cloud, params[f"{self.kind}_name"]) == params["boundary_arn"]
        except Gone:
            return False

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        if params["boundary_arn"]:
            self._put(cloud, params, params["boundary_arn"])
        else:
            operation = f"iam:Delete{self._entity}PermissionsBoundary"
            cloud.call(operation, **{f"{self._entity}Name": params[f"{self.kind}_name"]})

    @property
    def _entity(self) -> str:
        return self.kind.capitalize()

    def _boundary(self, cloud: Cloud, name: str) -> str:
        """Its ARN, or ''."""
        request = {f"{self._entity}Name": name}
        entity = cloud.call(f"iam:Get{self._entity}", **request)[self._entity]
        return boundary_of(entity)

    def _put(self, cloud: Cloud, params: Mapping[str, str], arn: str) -> None:
        request = {
            f"{self._entity}Name": params[f"{self.kind}_name"],
            "PermissionsBoundary": arn,
        }
        cloud.call(f"iam:Put{self._entity}PermissionsBoundary", **request)


def _no_loosening(cloud: Cloud, before: str, after: str, principal: Principal) -> str | None:
    """Why the one before is not to come back: it does only if the new one lets worse through, as
    to take rights away is no attack, and of two that let the same through nobody can tell which
    allows more.
    """
    try:
        old, new = (_lets_through(cloud, arn, principal) for arn in (before, after))
    except Gone as error:
        return f"the policy of its boundary, before or now, is deleted ({error})"
    if new < old:
        return None
    return "the new boundary lets no worse rights through than the one before: compare the two"


def _lets_through(cloud: Cloud, boundary: str, principal: Principal) -> int:
    """Place among the claims, of which the worst is 0; without a boundary, worse than that."""
    if not boundary:
        return -1
    document = managed_policies(cloud).document(boundary)
    privilege = evaluate_policies({"": document}, Holder.of(principal.arn)).privilege
    return list(Privilege).index(privilege)
