"""Take an administrator's permission set of Identity Center from a user or group."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from countermand.actions.identity_center.permission_set import READS, evaluate_permission_set
from countermand.core.errors import Gone, Permanent
from countermand.core.model import Finding, Principal
from countermand.live.policies import demand_risk
from countermand.ports import Cloud, Plan

_POLLS = 15
_POLL_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class DeleteAccountAssignment:
    """sso:DeleteAccountAssignment, undone by sso:CreateAccountAssignment; both end some seconds
    after their answer, which is waited for.

    https://docs.aws.amazon.com/singlesignon/latest/APIReference/API_DeleteAccountAssignment.html
    """

    sleep: Callable[[float], None] = time.sleep
    name = "delete_account_assignment"
    description = (
        "Delete the assignment if the permission set grants administrator rights now, under no "
        "condition; sessions that are open last. Undo creates it again."
    )
    needs = ("instance_arn", "target_id", "principal_type", "principal_id")
    read_permissions = (
        *READS,
        "sso:DescribeAccountAssignmentDeletionStatus",
        "sso:ListAccountAssignments",
    )
    permissions = ("sso:DeleteAccountAssignment",)
    undo_permissions = (
        "sso:CreateAccountAssignment",
        "sso:DescribeAccountAssignmentCreationStatus",
    )

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        params = {
            "permission_set_arn": finding.subject.name,
            **{name: finding.evidence[name] for name in self.needs},
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
        self._wait(
            lambda status: cloud.call(
                "sso:DescribeAccountAssignmentDeletionStatus",
                InstanceArn=params["instance_arn"],
                AccountAssignmentDeletionRequestId=status["RequestId"],
            )["AccountAssignmentDeletionStatus"],
            answer["AccountAssignmentDeletionStatus"],
        )
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            assignments = cloud.items(
                "sso:ListAccountAssignments",
                "AccountAssignments",
                InstanceArn=params["instance_arn"],
                AccountId=params["target_id"],
                PermissionSetArn=params["permission_set_arn"],
            )
        except Gone:
            return False
        wanted = params["principal_type"], params["principal_id"]
        return any((a["PrincipalType"], a["PrincipalId"]) == wanted for a in assignments)

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        answer = cloud.call("sso:CreateAccountAssignment", **_request(params))
        self._wait(
            lambda status: cloud.call(
                "sso:DescribeAccountAssignmentCreationStatus",
                InstanceArn=params["instance_arn"],
                AccountAssignmentCreationRequestId=status["RequestId"],
            )["AccountAssignmentCreationStatus"],
            answer["AccountAssignmentCreationStatus"],
        )

    def _wait(self, ask: Callable[[Any], Any], status: Any) -> None:  # noqa: ANN401  as boto3
        """Until it ended, or half a minute: what is still running then is seen by `is_present`."""
        for _ in range(_POLLS):
            if status["Status"] != "IN_PROGRESS":
                break
            self.sleep(_POLL_SECONDS)
            status = ask(status)
        if status["Status"] == "FAILED":
            raise Permanent(f"Identity Center failed: {status.get('FailureReason', 'no reason')}")


def _request(params: Mapping[str, str]) -> dict[str, str]:
    return {
        "InstanceArn": params["instance_arn"],
        "TargetId": params["target_id"],
        "TargetType": "AWS_ACCOUNT",
        "PermissionSetArn": params["permission_set_arn"],
        "PrincipalType": params["principal_type"],
        "PrincipalId": params["principal_id"],
    }
