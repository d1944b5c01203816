"""Remove a user from an administrator group of Identity Center."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from countermand.actions.gone import false_when_gone
from countermand.actions.identity_center.permission_set import READS, evaluate_permission_set
from countermand.core.model import Finding, Principal
from countermand.core.policies.evaluate import Evaluation
from countermand.live.policies import demand_risk
from countermand.ports import ActionInfo, Cloud, Plan


@dataclass(frozen=True, slots=True)
class DeleteGroupMembership:
    """Calls identitystore:DeleteGroupMembership; undo calls identitystore:CreateGroupMembership.

    An undo makes a membership with a new ID, so group and member identify a membership.
    https://docs.aws.amazon.com/singlesignon/latest/IdentityStoreAPIReference/API_DeleteGroupMembership.html
    """

    info = ActionInfo(
        name="delete_group_membership",
        description=(
            "Remove the user from the group if a permission set of the group in this account has "
            "unconditional administrator permissions now. Open sessions stay valid until they "
            "expire. Undo adds the user again."
        ),
        needs=("account_id", "member_id"),
        reads=(
            *READS,
            "identitystore:GetGroupMembershipId",
            "sso:ListAccountAssignmentsForPrincipal",
            "sso:ListInstances",
        ),
        writes=("identitystore:DeleteGroupMembership",),
        undo_calls=("identitystore:CreateGroupMembership",),
    )

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        group, account = finding.subject.name, finding.evidence["account_id"]
        named = finding.evidence.get("identity_store_id")
        for instance in cloud.items("sso:ListInstances", "Instances"):
            store = instance["IdentityStoreId"]
            params = {
                "identity_store_id": store,
                "group_id": group,
                "member_id": finding.evidence["member_id"],
            }
            # Some events do not name the identity store: then each is tried.
            if named in (None, store) and self.is_present(cloud, params):
                demand_risk("group", _evaluations(cloud, instance["InstanceArn"], group, account))
                return Plan(params)
        return None

    @false_when_gone
    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        cloud.call(
            "identitystore:DeleteGroupMembership",
            IdentityStoreId=params["identity_store_id"],
            MembershipId=_membership_id(cloud, params),
        )
        return True

    @false_when_gone
    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        return bool(_membership_id(cloud, params))

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


def _evaluations(
    cloud: Cloud, instance_arn: str, group_id: str, account_id: str
) -> list[Evaluation]:
    """Evaluate each permission set that the group has in the account."""
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
