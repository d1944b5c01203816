"""Remove a user from a group with administrator permissions."""

from collections.abc import Mapping
from dataclasses import dataclass

from countermand.actions.gone import false_when_gone
from countermand.core.model import Finding, Principal, SubjectKind
from countermand.core.policies.evaluate import Holder
from countermand.live.policies import demand_risk, evaluate_held, held_reads
from countermand.ports import ActionInfo, Cloud, Plan


@dataclass(frozen=True, slots=True)
class RemoveUserFromGroup:
    """Calls iam:RemoveUserFromGroup; undo calls iam:AddUserToGroup.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_RemoveUserFromGroup.html
    """

    info = ActionInfo(
        name="remove_user_from_group",
        description=(
            "Remove the user from the group if the attached and inline policies of the group "
            "together give unconditional administrator permissions now. Undo adds the user again."
        ),
        needs=("group_name",),
        reads=(*held_reads(SubjectKind.GROUP), "iam:ListGroupsForUser"),
        writes=("iam:RemoveUserFromGroup",),
        undo_calls=("iam:AddUserToGroup",),
    )

    def plan(self, cloud: Cloud, finding: Finding, principal: Principal | None) -> Plan | None:
        if principal is None:
            return None
        # IAM ignores the case of a name, and CloudTrail shows the name as the caller wrote it.
        asked, groups = finding.evidence["group_name"].lower(), _groups(cloud, principal.name)
        group = next((name for name in groups if name.lower() == asked), None)
        if group is None:
            return None
        group_arn = f"{principal.arn.partition(':user/')[0]}:group/{group}"
        holder = Holder(principal.arn.split(":")[4], principal.arn, group_arns=(group_arn,))
        evaluation = evaluate_held(cloud, SubjectKind.GROUP, group, holder, principal.boundary_arn)
        demand_risk("group", [evaluation])
        return Plan({"user_name": principal.name, "group_name": group})

    @false_when_gone
    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        cloud.call("iam:RemoveUserFromGroup", **_request(params))
        return True

    @false_when_gone
    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        return params["group_name"] in _groups(cloud, params["user_name"])

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        cloud.call("iam:AddUserToGroup", **_request(params))


def _groups(cloud: Cloud, user: str) -> list[str]:
    groups = cloud.items("iam:ListGroupsForUser", "Groups", UserName=user)
    return [str(group["GroupName"]) for group in groups]


def _request(params: Mapping[str, str]) -> dict[str, str]:
    return {"UserName": params["user_name"], "GroupName": params["group_name"]}
