"""Delete a new customer-managed policy that nobody uses yet."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from countermand.actions.gone import false_when_gone
from countermand.core.errors import CannotRestore
from countermand.core.model import Finding, Principal
from countermand.core.policies.evaluate import Holder, evaluate_policies
from countermand.live.policies import demand_risk
from countermand.ports import ActionInfo, Cloud, Plan


@dataclass(frozen=True, slots=True)
class DeleteUnattachedPolicy:
    """Calls iam:DeletePolicy; undo calls iam:CreatePolicy with the same document.

    The new policy has the same ARN, but another ID.
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeletePolicy.html
    """

    info = ActionInfo(
        name="delete_unattached_policy",
        description=(
            "Delete the policy if it gives administrator permissions, has a single version, and is "
            "attached to nothing. Undo creates it again with its document, path, and description, "
            "but without its tags and under another ID."
        ),
        reads=("iam:GetPolicy", "iam:GetPolicyVersion", "iam:ListPolicyVersions"),
        writes=("iam:DeletePolicy",),
        undo_calls=("iam:CreatePolicy",),
    )

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
        evaluation = evaluate_policies({policy["PolicyName"]: document}, holder)
        if not evaluation.privilege.is_risk:
            return None
        demand_risk("policy", [evaluation])
        if policy["AttachmentCount"] or policy.get("PermissionsBoundaryUsageCount"):
            raise CannotRestore("it is in use, and a policy in use cannot be deleted")
        if len(cloud.items("iam:ListPolicyVersions", "Versions", PolicyArn=arn)) > 1:
            raise CannotRestore("it has several versions, which would be lost")
        params = {
            "policy_arn": arn,
            "policy_id": policy["PolicyId"],
            "policy_name": policy["PolicyName"],
            "path": policy["Path"],
            "description": policy.get("Description", ""),
            "policy_document": json.dumps(document),
        }
        return Plan(params, created=policy["CreateDate"])

    @false_when_gone
    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        cloud.call("iam:DeletePolicy", PolicyArn=params["policy_arn"])
        return True

    @false_when_gone
    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        """Return whether the policy exists and is not a newer one with the same ARN."""
        policy = cloud.call("iam:GetPolicy", PolicyArn=params["policy_arn"])["Policy"]
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
