"""Take an instance profile with an administrator role from an instance."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from countermand.actions.gone import false_when_gone
from countermand.actions.iam import admin_role
from countermand.core.errors import CannotRestore, Gone
from countermand.core.model import Finding, Principal
from countermand.ports import ActionInfo, Cloud, Plan

_NAMED = ("profile_name", "profile_arn", "new_profile_name", "new_profile_arn")
"""The evidence that may name the profile: a call gives its name or its ARN."""
_ACTIVE = ("associating", "associated")


@dataclass(frozen=True, slots=True)
class DisassociateInstanceProfile:
    """Calls ec2:DisassociateIamInstanceProfile; undo calls ec2:AssociateIamInstanceProfile.

    An undo makes an association with a new ID, so instance and profile identify an association.
    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DisassociateIamInstanceProfile.html
    """

    info = ActionInfo(
        name="disassociate_instance_profile",
        description=(
            "Take the instance profile from the instance if its role has unconditional "
            "administrator permissions now. Credentials that the instance already has stay valid "
            "until they expire. Undo associates the profile again, which needs iam:PassRole for "
            "the role."
        ),
        reads=(
            *admin_role.READS,
            "ec2:DescribeIamInstanceProfileAssociations",
            "iam:GetInstanceProfile",
        ),
        writes=("ec2:DisassociateIamInstanceProfile",),
        undo_calls=("ec2:AssociateIamInstanceProfile", "iam:PassRole"),
    )

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        named = {_name(finding.evidence[key]) for key in _NAMED if key in finding.evidence}
        if not named:
            raise CannotRestore("the event does not name the instance profile")
        for found in _associations(cloud, finding.subject.name):
            arn = found["IamInstanceProfile"]["Arn"]
            # A profile that the event does not name came by a later call, with its own event.
            if _name(arn) in named:
                roles = admin_role.demand_admin(cloud, _role_arns(cloud, arn))
                params = {"instance_id": found["InstanceId"], "profile_arn": arn}
                return Plan(params, role_arns=roles)
        return None

    @false_when_gone
    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        found = _matching(cloud, params)
        for association in found:
            cloud.call(
                "ec2:DisassociateIamInstanceProfile", AssociationId=association["AssociationId"]
            )
        return bool(found)

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        return bool(_matching(cloud, params))

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        cloud.call(
            "ec2:AssociateIamInstanceProfile",
            InstanceId=params["instance_id"],
            IamInstanceProfile={"Arn": params["profile_arn"]},
        )


def _matching(cloud: Cloud, params: Mapping[str, str]) -> list[Any]:
    return [
        association
        for association in _associations(cloud, params["instance_id"])
        if association["IamInstanceProfile"]["Arn"] == params["profile_arn"]
    ]


def _associations(cloud: Cloud, name: str) -> list[Any]:
    """List the active associations of an instance, or the association with this ID."""
    which: dict[str, Any] = {"Filters": [{"Name": "instance-id", "Values": [name]}]}
    if name.startswith("iip-assoc-"):
        which = {"AssociationIds": [name]}
    try:
        found = cloud.items(
            "ec2:DescribeIamInstanceProfileAssociations", "IamInstanceProfileAssociations", **which
        )
    except Gone:
        return []
    return [association for association in found if association["State"] in _ACTIVE]


def _role_arns(cloud: Cloud, profile_arn: str) -> list[str]:
    answer = cloud.call("iam:GetInstanceProfile", InstanceProfileName=_name(profile_arn))
    return [role["Arn"] for role in answer["InstanceProfile"]["Roles"]]


def _name(profile: str) -> str:
    return profile.rpartition("/")[2]
