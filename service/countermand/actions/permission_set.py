"""Whether a permission set of Identity Center makes administrators: for actions on who has it."""

from countermand.core.checks import ADMIN_POLICY_ARNS
from countermand.core.policydoc import Holder, judge_policies
from countermand.ports import Cloud

READS = ("sso:GetInlinePolicyForPermissionSet", "sso:ListManagedPoliciesInPermissionSet")


def grants_admin(cloud: Cloud, instance_arn: str, set_arn: str, account_id: str) -> bool:
    """By an administrator policy of AWS's, or the inline policy."""
    which = {"InstanceArn": instance_arn, "PermissionSetArn": set_arn}
    attached = cloud.items(
        "sso:ListManagedPoliciesInPermissionSet", "AttachedManagedPolicies", **which
    )
    if any(policy["Arn"] in ADMIN_POLICY_ARNS for policy in attached):
        return True
    inline = cloud.call("sso:GetInlinePolicyForPermissionSet", **which).get("InlinePolicy")
    return bool(inline) and judge_policies({"": inline}, Holder(account_id)).claim.is_risk
