"""Delete a customer-managed policy that was created and is attached to nobody yet."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from countermand.core.errors import CannotRestore, Gone
from countermand.core.model import Finding, Principal
from countermand.core.policies.evaluate import Holder, evaluate_policies
from countermand.ports import Cloud, Plan


@dataclass(frozen=True, slots=True)
class DeleteUnattachedPolicy:
    """iam:DeletePolicy, undone by iam:CreatePolicy with the document, path and description it had.

    The new policy has the ARN of the old one, and another id.
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeletePolicy.html
    """

    name = "delete_unattached_policy"
    description = (
        "Delete the policy if it gives administrator rights, is attached to nobody and has one "
        "version; undo creates it again, without its tags and under another id."
    )
    needs = ()
    read_permissions = ("iam:GetPolicy", "iam:GetPolicyVersion", "iam:ListPolicyVersions")
    permissions = ("iam:DeletePolicy",)
    undo_permissions = ("iam:CreatePolicy",)

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        arn = finding.subject.name
        if not arn.startswith("arn:"):
            raise CannotRestore("the event does not say its ARN")
        policy = cloud.call("iam:GetPolicy", PolicyArn=arn)["Policy"]
        version = policy["DefaultVersionId"]
        answer = cloud.call("iam:GetPolicyVersion", PolicyArn=arn, VersionId=version)
        document = answer["PolicyVersion"]["Document"]
        holder = Holder(arn.split(":")[4], policy_arns=(arn,))
        if not evaluate_policies({policy["PolicyName"]: document}, holder).privilege.is_risk:
            return None
        if policy["AttachmentCount"] or policy.get("PermissionsBoundaryUsageCount"):
            raise CannotRestore("it is in use, and a policy in use cannot be deleted")
        if len(cloud.items("iam:ListPolicyVersions", "Versions", PolicyArn=arn)) > 1:
            raise CannotRestore("it has several versions, which would be lost")
        return Plan(
            {
                "policy_arn": arn,
                "policy_id": policy["PolicyId"],
                "policy_name": policy["PolicyName"],
                "path": policy["Path"],
                "description": policy.get("Description", ""),
                "policy_document": json.dumps(document),
            },
            created=policy["CreateDate"],
        )

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            cloud.call("iam:DeletePolicy", PolicyArn=params["policy_arn"])
        except Gone:
            return False
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        """Whether it is still that policy, not one that was made since."""
        try:
            policy = cloud.call("iam:GetPolicy", PolicyArn=params["policy_arn"])["Policy"]
        except Gone:
            return False
        return bool(policy["PolicyId"] == params["policy_id"])

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        described = {"Description": params["description"]} if params["description"] else {}
        cloud.call(
            "iam:CreatePolicy",
            PolicyName=params["policy_name"],
            Path=params["path"],
            PolicyDocument=params["policy_document"],
            **described,
        )
