"""Remove a user from a group that grants administrator rights."""

from collections.abc import Mapping
from dataclasses import dataclass

from countermand.core.checks import ADMIN_POLICY_ARNS
from countermand.core.errors import Gone
from countermand.core.model import Finding, Principal
from countermand.core.policydoc import Holder, judge_policies
from countermand.ports import Cloud


@dataclass(frozen=True, slots=True)
class RemoveUserFromGroup:
    """iam:RemoveUserFromGroup, undone by iam:AddUserToGroup.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_RemoveUserFromGroup.html
    """

    name = "remove_user_from_group"
    description = (
        "Remove the user from the group if the group grants administrator rights now; "
        "undo adds the user again."
    )
    needs = ("group_name",)
    read_permissions = (
        "iam:GetGroupPolicy",
        "iam:ListAttachedGroupPolicies",
        "iam:ListGroupPolicies",
        "iam:ListGroupsForUser",
    )
    permissions = ("iam:RemoveUserFromGroup",)
    undo_permissions = ("iam:AddUserToGroup",)

    def look(
        self, cloud: Cloud, finding: Finding, principal: Principal | None
    ) -> Mapping[str, str] | None:
        if principal is None:
            return None
        params = {"user_name": principal.name, "group_name": finding.evidence["group_name"]}
        group_arn = f"{principal.arn.partition(':user/')[0]}:group/{params['group_name']}"
        holder = Holder(principal.arn.split(":")[4], principal.arn, group_arns=(group_arn,))
        if self.present(cloud, params) and _grants_admin(cloud, params["group_name"], holder):
            return params
        return None

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            cloud.call("iam:RemoveUserFromGroup", **_request(params))
        except Gone:
            return False
        return True

    def present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            groups = cloud.items("iam:ListGroupsForUser", "Groups", UserName=params["user_name"])
        except Gone:
            return False
        return any(group["GroupName"] == params["group_name"] for group in groups)

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        cloud.call("iam:AddUserToGroup", **_request(params))


def _request(params: Mapping[str, str]) -> dict[str, str]:
    return {"UserName": params["user_name"], "GroupName": params["group_name"]}


def _grants_admin(cloud: Cloud, group: str, holder: Holder) -> bool:
    """By an administrator policy of AWS's, or an inline policy."""
    attached = cloud.items("iam:ListAttachedGroupPolicies", "AttachedPolicies", GroupName=group)
    if any(policy["PolicyArn"] in ADMIN_POLICY_ARNS for policy in attached):
        return True
    names = cloud.items("iam:ListGroupPolicies", "PolicyNames", GroupName=group)
    inline = {
        name: cloud.call("iam:GetGroupPolicy", GroupName=group, PolicyName=name)["PolicyDocument"]
        for name in names
    }
    return judge_policies(inline, holder).claim.is_risk
