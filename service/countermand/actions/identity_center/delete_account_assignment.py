"""Delete the assignment of an administrator permission set of Identity Center."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from countermand.actions.gone import false_when_gone
from countermand.actions.identity_center.permission_set import READS, evaluate_permission_set
from countermand.actions.identity_center.provisioning import wait_for_end
from countermand.core.errors import Gone
from countermand.core.model import Finding, Principal
from countermand.live.policies import demand_risk
from countermand.ports import ActionInfo, Cloud, Plan


@dataclass(frozen=True, slots=True)
class DeleteAccountAssignment:
    """Calls sso:DeleteAccountAssignment; undo calls sso:CreateAccountAssignment.

    Identity Center answers both before they are done, so the action waits for the end.
    https://docs.aws.amazon.com/singlesignon/latest/APIReference/API_DeleteAccountAssignment.html
    """

    sleep: Callable[[float], None] = time.sleep
    info = ActionInfo(
        name="delete_account_assignment",
        description=(
            "Delete the assignment if the permission set has unconditional administrator "
            "permissions now. Open sessions stay valid until they expire. Undo creates the "
            "assignment again."
        ),
        needs=("instance_arn", "target_id", "principal_type", "principal_id"),
        reads=(
            *READS,
            "sso:DescribeAccountAssignmentDeletionStatus",
            "sso:ListAccountAssignments",
        ),
        writes=("sso:DeleteAccountAssignment",),
        undo_calls=(
            "sso:CreateAccountAssignment",
            "sso:DescribeAccountAssignmentCreationStatus",
        ),
    )

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        params = {
            "permission_set_arn": finding.subject.name,
            **{name: finding.evidence[name] for name in self.info.needs},
        }
        if not self.is_present(cloud, params):
            return None
        evaluation = evaluate_permission_set(
            cloud, params["instance_arn"], params["permission_set_arn"], params["target_id"]
        )
        demand_risk("permission set", [evaluation])
        return Plan(params)

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            answer = cloud.call("sso:DeleteAccountAssignment", **_request(params))
        except Gone:
            return False
        # Outside of the `try`: a request that is gone says nothing about the assignment.
        wait_for_end(
            answer["AccountAssignmentDeletionStatus"],
            lambda request_id: cloud.call(
                "sso:DescribeAccountAssignmentDeletionStatus",
                InstanceArn=params["instance_arn"],
                AccountAssignmentDeletionRequestId=request_id,
            )["AccountAssignmentDeletionStatus"],
            self.sleep,
        )
        return True

    @false_when_gone
    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        assignments = cloud.items(
            "sso:ListAccountAssignments",
            "AccountAssignments",
            InstanceArn=params["instance_arn"],
            AccountId=params["target_id"],
            PermissionSetArn=params["permission_set_arn"],
        )
        wanted = params["principal_type"], params["principal_id"]
        return any((a["PrincipalType"], a["PrincipalId"]) == wanted for a in assignments)

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        answer = cloud.call("sso:CreateAccountAssignment", **_request(params))
        wait_for_end(
            answer["AccountAssignmentCreationStatus"],
            lambda request_id: cloud.call(
                "sso:DescribeAccountAssignmentCreationStatus",
                InstanceArn=params["instance_arn"],
                AccountAssignmentCreationRequestId=request_id,
            )["AccountAssignmentCreationStatus"],
            self.sleep,
        )


def _request(params: Mapping[str, str]) -> dict[str, str]:
    return {
        "InstanceArn": params["instance_arn"],
        "TargetId": params["target_id"],
        "TargetType": "AWS_ACCOUNT",
        "PermissionSetArn": params["permission_set_arn"],
        "PrincipalType": params["principal_type"],
        "PrincipalId": params["principal_id"],
    }
