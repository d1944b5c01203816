"""Restore the previous permissions boundary of a user or role."""

from collections.abc import Mapping
from dataclasses import dataclass

from countermand.actions.gone import false_when_gone
from countermand.actions.iam import boundary
from countermand.core.aspects import boundary_of
from countermand.core.errors import CannotRestore, Gone
from countermand.core.model import Finding, Principal, SubjectKind
from countermand.core.policies.escalations import Privilege
from countermand.core.policies.evaluate import Holder, evaluate_policies
from countermand.core.rules.schema import PREVIOUS
from countermand.live.policies import PERMISSIONS, managed_policies
from countermand.ports import ActionInfo, Cloud, Plan


@dataclass(frozen=True, slots=True)
class RestorePermissionsBoundary:
    """Calls iam:PutUserPermissionsBoundary or its equivalent with the previous boundary.

    Undo sets the boundary of the change again, or removes the boundary if the change removed it.
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutUserPermissionsBoundary.html
    """

    kind: SubjectKind

    @property
    def info(self) -> ActionInfo:
        return ActionInfo(
            name=f"restore_{self.kind}_permissions_boundary",
            description=(
                f"Restore the previous permissions boundary of the {self.kind} if that is "
                "customer-managed or AWSDenyAll, and the new boundary allows worse privileges. "
                "Undo sets the new boundary again, or removes the boundary."
            ),
            needs=(PREVIOUS,),
            reads=(f"iam:Get{self.kind.capitalize()}", *PERMISSIONS),
            writes=boundary.writes(self.kind),
            undo_calls=boundary.undo_calls(self.kind),
        )

    def plan(self, cloud: Cloud, finding: Finding, principal: Principal | None) -> Plan | None:
        if principal is None:
            return None
        current, previous = self._read(cloud, principal.name), finding.evidence[PREVIOUS]
        if current == previous:
            return None
        if not previous:
            raise CannotRestore("there was no boundary before, so the change only removed access")
        _, _, _, _, owner, policy = previous.split(":", 5)
        if owner == "aws" and policy != "policy/AWSDenyAll":
            raise CannotRestore(f"its boundary was the AWS managed {policy}, which is not allowed")
        if (why := _no_loosening(cloud, previous, current, principal)) is not None:
            raise CannotRestore(why)
        params = {
            f"{self.kind}_name": principal.name,
            "boundary_arn": current,
            PREVIOUS: previous,
        }
        return Plan(params)

    # Not `false_when_gone`: IAM also says that the policy of the boundary does not exist.
    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        self._set(cloud, params, params[PREVIOUS])
        return True

    @false_when_gone
    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        return self._read(cloud, params[f"{self.kind}_name"]) == params["boundary_arn"]

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        self._set(cloud, params, params["boundary_arn"])

    def _read(self, cloud: Cloud, name: str) -> str:
        """Return the ARN of the boundary, or '' without one."""
        return boundary_of(boundary.entity(cloud, self.kind, name))

    def _set(self, cloud: Cloud, params: Mapping[str, str], arn: str) -> None:
        boundary.set_boundary(cloud, self.kind, params[f"{self.kind}_name"], arn)


def _no_loosening(cloud: Cloud, before: str, after: str, principal: Principal) -> str | None:
    """Return why the previous boundary must not return, or None if it may.

    It returns only if the new boundary allows worse privileges. A change that removes access is no
    attack, and of two boundaries with the same privilege either might allow more.
    """
    try:
        old, new = (_allowed(cloud, arn, principal) for arn in (before, after))
    except Gone as error:
        return f"the policy of the previous or of the current boundary is deleted ({error})"
    if new < old:
        return None
    return "the new boundary allows no worse privileges than the previous one: compare the two"


def _allowed(cloud: Cloud, arn: str, principal: Principal) -> int:
    """Return the rank of the privilege that a boundary allows: 0 is the worst, -1 no boundary."""
    if not arn:
        return -1
    document = managed_policies(cloud).document(arn)
    privilege = evaluate_policies({"": document}, Holder.of(principal.arn)).privilege
    return list(Privilege).index(privilege)
