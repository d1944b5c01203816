"""Evaluate the roles that a resource, such as a function, gives to anyone who uses it."""

from collections.abc import Iterable

from countermand.core.aspects import boundary_of
from countermand.core.errors import Gone
from countermand.core.model import SubjectKind
from countermand.core.policies.evaluate import Holder
from countermand.live.policies import demand_risk, evaluate_held, held_reads
from countermand.ports import Cloud

READS = ("iam:GetRole", *held_reads(SubjectKind.ROLE))


def demand_admin(cloud: Cloud, role_arns: Iterable[str]) -> tuple[str, ...]:
    """Return the ARNs if one of the roles gives a path to administrator permissions now.

    Raises `Benign` or `CannotRestore` otherwise.
    """
    arns, evaluations = tuple(role_arns), []
    for arn in arns:
        try:
            name = arn.rpartition("/")[2]
            boundary = boundary_of(cloud.call("iam:GetRole", RoleName=name)["Role"])
            holder = Holder.of(arn)
            evaluations.append(evaluate_held(cloud, SubjectKind.ROLE, name, holder, boundary))
        except Gone:
            continue
    demand_risk("role", evaluations)
    return arns
