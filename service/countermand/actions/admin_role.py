"""Whether a role is an administrator: for actions on what carries a role, such as a function."""

from countermand.core.checks import ADMIN_POLICY_ARNS
from countermand.core.errors import Gone
from countermand.core.policydoc import Holder, judge_policies
from countermand.ports import Cloud

READS = ("iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies")


def grants_admin(cloud: Cloud, role_arn: str) -> bool:
    """By an administrator policy of AWS's, or its inline policies; takes a name too."""
    role = role_arn.rpartition("/")[2]
    try:
        attached = cloud.items("iam:ListAttachedRolePolicies", "AttachedPolicies", RoleName=role)
        if any(policy["PolicyArn"] in ADMIN_POLICY_ARNS for policy in attached):
            return True
        names = cloud.items("iam:ListRolePolicies", "PolicyNames", RoleName=role)
        inline = {name: _document(cloud, role, name) for name in names}
    except Gone:
        return False
    holder = Holder.of(role_arn) if role_arn.startswith("arn:") else Holder("")
    return judge_policies(inline, holder).claim.is_risk


def _document(cloud: Cloud, role: str, name: str) -> object:
    return cloud.call("iam:GetRolePolicy", RoleName=role, PolicyName=name)["PolicyDocument"]
