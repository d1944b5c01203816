"""Evaluate what a permission set of Identity Center gives in an account."""

from countermand.core.policies.escalations import Privilege
from countermand.core.policies.evaluate import Evaluation, Holder, evaluate_policies
from countermand.live.policies import PERMISSIONS, managed_policies
from countermand.ports import Cloud

READS = (
    "sso:GetInlinePolicyForPermissionSet",
    "sso:ListCustomerManagedPolicyReferencesInPermissionSet",
    "sso:ListManagedPoliciesInPermissionSet",
    *PERMISSIONS,
)


def evaluate_permission_set(
    cloud: Cloud, instance_arn: str, set_arn: str, account_id: str
) -> Evaluation:
    """Evaluate the AWS managed policies and the inline policy of a permission set.

    Identity Center shows only the names of customer-managed policies. A set that has some is
    therefore never benign.
    """
    which = {"InstanceArn": instance_arn, "PermissionSetArn": set_arn}
    attached = cloud.items(
        "sso:ListManagedPoliciesInPermissionSet", "AttachedManagedPolicies", **which
    )
    managed = managed_policies(cloud)
    documents = {policy["Arn"]: managed.document(policy["Arn"]) for policy in attached}
    if inline := cloud.call("sso:GetInlinePolicyForPermissionSet", **which).get("InlinePolicy"):
        documents["inline policy"] = inline
    evaluation = evaluate_policies(documents, Holder(account_id))
    operation = "sso:ListCustomerManagedPolicyReferencesInPermissionSet"
    named = cloud.items(operation, "CustomerManagedPolicyReferences", **which)
    if evaluation.privilege.is_risk or not named:
        return evaluation
    why = f"it has policies that only the account shows, such as {named[0]['Name']}"
    return Evaluation(Privilege.UNREADABLE, why)
