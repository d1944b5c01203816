"""Detach an administrator policy from a permission set of Identity Center."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from countermand.core.checks.policies import ADMIN_POLICY_ARNS
from countermand.core.errors import Denied, Gone, Permanent, Transient
from countermand.core.model import Finding, Principal
from countermand.ports import Cloud, Plan

_POLLS = 15
_POLL_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class DetachPermissionSetPolicy:
    """sso:DetachManagedPolicyFromPermissionSet, undone by sso:AttachManagedPolicyToPermissionSet;
    each takes effect in the accounts by sso:ProvisionPermissionSet.

    https://docs.aws.amazon.com/singlesignon/latest/APIReference/API_DetachManagedPolicyFromPermissionSet.html
    """

    sleep: Callable[[float], None] = time.sleep
    name = "detach_permission_set_policy"
    description = (
        "Detach AWS's administrator policy from the permission set and provision the set anew, "
        "with all else that was changed in it and not provisioned; undo attaches and provisions."
    )
    needs = ("instance_arn", "policy_arn")
    read_permissions = (
        "sso:DescribePermissionSetProvisioningStatus",
        "sso:ListManagedPoliciesInPermissionSet",
    )
    permissions = ("sso:DetachManagedPolicyFromPermissionSet", "sso:ProvisionPermissionSet")
    undo_permissions = ("sso:AttachManagedPolicyToPermissionSet", "sso:ProvisionPermissionSet")

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None or finding.evidence["policy_arn"] not in ADMIN_POLICY_ARNS:
            return None
        params = {
            "permission_set_arn": finding.subject.name,
            **{name: finding.evidence[name] for name in self.needs},
        }
        return Plan(params) if self.is_present(cloud, params) else None

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        arn, changed = params["policy_arn"], True
        try:
            cloud.call(
                "sso:DetachManagedPolicyFromPermissionSet",
                **_set(params),
                ManagedPolicyArn=arn,
            )
        except Gone:
            # Perhaps by an attempt of ours that was cut off before it provisioned.
            changed = False
        try:
            self._provision(cloud, params)
        except Gone:
            return False
        except (Denied, Permanent) as error:
            # The half that was done is to be undone, so this is no refusal.
            raise Transient(f"detached, but not provisioned: {error}") from error
        return changed

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            attached = cloud.items(
                "sso:ListManagedPoliciesInPermissionSet", "AttachedManagedPolicies", **_set(params)
            )
        except Gone:
            return False
        return any(policy["Arn"] == params["policy_arn"] for policy in attached)

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        arn = params["policy_arn"]
        cloud.call("sso:AttachManagedPolicyToPermissionSet", **_set(params), ManagedPolicyArn=arn)
        self._provision(cloud, params)

    def _provision(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        """In all accounts that have the set. Waits for the end, at most half a minute."""
        answer = cloud.call(
            "sso:ProvisionPermissionSet", **_set(params), TargetType="ALL_PROVISIONED_ACCOUNTS"
        )
        status = answer["PermissionSetProvisioningStatus"]
        for _ in range(_POLLS):
            if status["Status"] != "IN_PROGRESS":
                break
            self.sleep(_POLL_SECONDS)
            status = cloud.call(
                "sso:DescribePermissionSetProvisioningStatus",
                InstanceArn=params["instance_arn"],
                ProvisionPermissionSetRequestId=status["RequestId"],
            )["PermissionSetProvisioningStatus"]
        if status["Status"] == "FAILED":
            raise Permanent(f"Identity Center failed: {status.get('FailureReason', 'no reason')}")


def _set(params: Mapping[str, str]) -> dict[str, str]:
    return {
        "InstanceArn": params["instance_arn"],
        "PermissionSetArn": params["permission_set_arn"],
    }
