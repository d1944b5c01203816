"""Detach an administrator policy from a permission set of Identity Center."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from countermand.actions.gone import false_when_gone
from countermand.actions.identity_center.provisioning import wait_for_end
from countermand.core.checks.policies import ADMIN_POLICY_ARNS
from countermand.core.errors import Denied, Gone, Permanent, Transient
from countermand.core.model import Finding, Principal
from countermand.ports import ActionInfo, Cloud, Plan


@dataclass(frozen=True, slots=True)
class DetachPermissionSetPolicy:
    """Calls sso:DetachManagedPolicyFromPermissionSet, then sso:ProvisionPermissionSet.

    Undo calls sso:AttachManagedPolicyToPermissionSet, then sso:ProvisionPermissionSet. The accounts
    see a change of a permission set only after it is provisioned.
    https://docs.aws.amazon.com/singlesignon/latest/APIReference/API_DetachManagedPolicyFromPermissionSet.html
    """

    sleep: Callable[[float], None] = time.sleep
    info = ActionInfo(
        name="detach_permission_set_policy",
        description=(
            "Detach the AWS managed administrator policy from the permission set, and provision "
            "the set. This also provisions other changes of the set that were pending. Undo "
            "attaches the policy and provisions the set."
        ),
        needs=("instance_arn", "policy_arn"),
        reads=(
            "sso:DescribePermissionSetProvisioningStatus",
            "sso:ListManagedPoliciesInPermissionSet",
        ),
        writes=("sso:DetachManagedPolicyFromPermissionSet", "sso:ProvisionPermissionSet"),
        undo_calls=("sso:AttachManagedPolicyToPermissionSet", "sso:ProvisionPermissionSet"),
    )

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None or finding.evidence["policy_arn"] not in ADMIN_POLICY_ARNS:
            return None
        params = {
            "permission_set_arn": finding.subject.name,
            **{name: finding.evidence[name] for name in self.info.needs},
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
            # An earlier attempt may have detached it and ended before it provisioned the set.
            changed = False
        try:
            self._provision(cloud, params)
        except Gone:
            return False
        except (Denied, Permanent) as error:
            # A refusal would mean that nothing was written, but the policy is detached.
            raise Transient(f"detached, but not provisioned: {error}") from error
        return changed

    @false_when_gone
    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        attached = cloud.items(
            "sso:ListManagedPoliciesInPermissionSet", "AttachedManagedPolicies", **_set(params)
        )
        return any(policy["Arn"] == params["policy_arn"] for policy in attached)

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        arn = params["policy_arn"]
        cloud.call("sso:AttachManagedPolicyToPermissionSet", **_set(params), ManagedPolicyArn=arn)
        self._provision(cloud, params)

    def _provision(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        """Provision the set in all accounts that have it, and wait for the end."""
        answer = cloud.call(
            "sso:ProvisionPermissionSet", **_set(params), TargetType="ALL_PROVISIONED_ACCOUNTS"
        )
        wait_for_end(
            answer["PermissionSetProvisioningStatus"],
            lambda request_id: cloud.call(
                "sso:DescribePermissionSetProvisioningStatus",
                InstanceArn=params["instance_arn"],
                ProvisionPermissionSetRequestId=request_id,
            )["PermissionSetProvisioningStatus"],
            self.sleep,
        )


def _set(params: Mapping[str, str]) -> dict[str, str]:
    return {
        "InstanceArn": params["instance_arn"],
        "PermissionSetArn": params["permission_set_arn"],
    }
