"""Take an instance profile whose role is an administrator from an instance."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from countermand.actions.iam import admin_role
from countermand.core.errors import CannotRestore, Gone
from countermand.core.model import Finding, Principal
from countermand.ports import Cloud, Plan

_NAMED = ("profile_name", "profile_arn", "new_profile_name", "new_profile_arn")
"""The evidence that may name the profile: a call gives its name or its ARN."""
_THERE = ("associating", "associated")


@dataclass(frozen=True, slots=True)
class DisassociateInstanceProfile:
    """ec2:DisassociateIamInstanceProfile, undone by ec2:AssociateIamInstanceProfile.

    Each association has an id of its own, so it is known by its instance and its profile.
    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DisassociateIamInstanceProfile.html
    """

    name = "disassociate_instance_profile"
    description = (
        "Take the instance profile from the instance if its role grants administrator rights now, "
        "under no condition; credentials that the instance has last. Undo associates it again, "
        "which needs iam:PassRole for the role."
    )
    needs = ()
    read_permissions = (
        *admin_role.READS,
        "ec2:DescribeIamInstanceProfileAssociations",
        "iam:GetInstanceProfile",
    )
    permissions = ("ec2:DisassociateIamInstanceProfile",)
    undo_permissions = ("ec2:AssociateIamInstanceProfile", "iam:PassRole")

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        named = {_name(finding.evidence[key]) for key in _NAMED if key in finding.evidence}
        if not named:
            raise CannotRestore("the event does not say which instance profile it is")
        for found in _associations(cloud, finding.subject.name):
            arn = found["IamInstanceProfile"]["Arn"]
            # Another one that is there now came by a call of its own.
            if _name(arn) in named:
                roles = admin_role.demand_admin(cloud, _role_arns(cloud, arn))
                return Plan(
                    {"instance_id": found["InstanceId"], "profile_arn": arn}, role_arns=roles
                )
        return None

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        found = _of(cloud, params)
        if not found:
            return False
        try:
            for association in found:
                cloud.call(
                    "ec2:DisassociateIamInstanceProfile", AssociationId=association["AssociationId"]
                )
        except Gone:
            return False
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        return bool(_of(cloud, params))

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        cloud.call(
            "ec2:AssociateIamInstanceProfile",
            InstanceId=params["instance_id"],
            IamInstanceProfile={"Arn": params["profile_arn"]},
        )


def _of(cloud: Cloud, params: Mapping[str, str]) -> list[Any]:
    return [
        association
        for association in _associations(cloud, params["instance_id"])
        if association["IamInstanceProfile"]["Arn"] == params["profile_arn"]
    ]


def _associations(cloud: Cloud, name: str) -> list[Any]:
    """Of an instance, or the one with this id, as they are now."""
    which: dict[str, Any] = {"Filters": [{"Name": "instance-id", "Values": [name]}]}
    if name.startswith("iip-assoc-"):
        which = {"AssociationIds": [name]}
    try:
        found = cloud.items(
            "ec2:DescribeIamInstanceProfileAssociations", "IamInstanceProfileAssociations", **which
        )
    except Gone:
        return []
    return [association for association in found if association["State"] in _THERE]


def _role_arns(cloud: Cloud, profile_arn: str) -> list[str]:
    answer = cloud.call("iam:GetInstanceProfile", InstanceProfileName=_name(profile_arn))
    return [role["Arn"] for role in answer["InstanceProfile"]["Roles"]]


def _name(profile: str) -> str:
    return profile.rpartition("/")[2]
