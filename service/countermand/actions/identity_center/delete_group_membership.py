"""Take a user out of a group of Identity Center that makes administrators."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from countermand.actions.identity_center.permission_set import READS, evaluate_permission_set
from countermand.core.errors import Gone
from countermand.core.model import Finding, Principal
from countermand.core.policies.evaluate import Evaluation
from countermand.live.policies import demand_risk
from countermand.ports import Cloud, Plan


@dataclass(frozen=True, slots=True)
class DeleteGroupMembership:
    """identitystore:DeleteGroupMembership, undone by identitystore:CreateGroupMembership.

    Each membership has an id of its own, so it is known by its group and its member.
    https://docs.aws.amazon.com/singlesignon/latest/IdentityStoreAPIReference/API_DeleteGroupMembership.html
    """

    name = "delete_group_membership"
    description = (
        "Take the user out of the group if a permission set that the group has in this account "
        "grants administrator rights now, under no condition; sessions that are open last. Undo "
        "adds the user again."
    )
    needs = ("account_id", "member_id")
    read_permissions = (
        *READS,
        "identitystore:GetGroupMembershipId",
        "sso:ListAccountAssignmentsForPrincipal",
        "sso:ListInstances",
    )
    permissions = ("identitystore:DeleteGroupMembership",)
    undo_permissions = ("identitystore:CreateGroupMembership",)

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        group, account = finding.subject.name, finding.evidence["account_id"]
        named = finding.evidence.get("identity_store_id")
        for instance in cloud.items("sso:ListInstances", "Instances"):
            params = {
                "identity_store_id": instance["IdentityStoreId"],
                "group_id": group,
                "member_id": finding.evidence["member_id"],
            }
            if named not in (None, params["identity_store_id"]) or not self.is_present(
                cloud, params
            ):
                continue
            demand_risk("group", _judged(cloud, instance["InstanceArn"], group, account))
            return Plan(params)
        return None

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            cloud.call(
                "identitystore:DeleteGroupMembership",
                IdentityStoreId=params["identity_store_id"],
                MembershipId=_membership_id(cloud, params),
            )
        except Gone:
            return False
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            _membership_id(cloud, params)
        except Gone:
            return False
        return True

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        cloud.call("identitystore:CreateGroupMembership", **_request(params))


def _membership_id(cloud: Cloud, params: Mapping[str, str]) -> str:
    answer = cloud.call("identitystore:GetGroupMembershipId", **_request(params))
    return str(answer["MembershipId"])


def _request(params: Mapping[str, str]) -> dict[str, Any]:
    return {
        "IdentityStoreId": params["identity_store_id"],
        "GroupId": params["group_id"],
        "MemberId": {"UserId": params["member_id"]},
    }


def _judged(cloud: Cloud, instance_arn: str, group_id: str, account_id: str) -> list[Evaluation]:
    assignments = cloud.items(
        "sso:ListAccountAssignmentsForPrincipal",
        "AccountAssignments",
        InstanceArn=instance_arn,
        PrincipalType="GROUP",
        PrincipalId=group_id,
        Filter={"AccountId": account_id},
    )
    return [
        evaluate_permission_set(cloud, instance_arn, assignment["PermissionSetArn"], account_id)
        for assignment in assignments
    ]
