"""Put back the trust policy of a role that was opened to others."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from countermand.core.errors import CannotRestore, Gone
from countermand.core.model import Finding, Principal
from countermand.core.policies.trust import evaluate_trust
from countermand.core.rules.schema import PREVIOUS
from countermand.ports import Cloud, Plan


@dataclass(frozen=True, slots=True)
class RestoreTrustPolicy:
    """iam:UpdateAssumeRolePolicy with the policy before; undone by the one that was taken back.

    Sessions that were opened meanwhile live on until they end.
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAssumeRolePolicy.html
    """

    name = "restore_role_trust_policy"
    description = (
        "Put back the trust policy that the role had before, unless that trusted others too; undo "
        "puts the open one back. Sessions opened meanwhile live on. IAM cannot limit what the call "
        "puts: grant it for the roles in scope only."
    )
    needs = (PREVIOUS,)
    read_permissions = ("iam:GetRole",)
    permissions = ("iam:UpdateAssumeRolePolicy",)
    undo_permissions = ("iam:UpdateAssumeRolePolicy",)

    def plan(self, cloud: Cloud, finding: Finding, principal: Principal | None) -> Plan | None:
        if principal is None:
            return None
        document, previous = _document(cloud, principal.name), finding.evidence[PREVIOUS]
        account_id = principal.arn.split(":")[4]
        if not evaluate_trust(document, {account_id}).opening.is_risk:
            return None
        if evaluate_trust(previous, {account_id}).opening.is_risk:
            raise CannotRestore("the trust policy before it was open too")
        return Plan(
            {
                "role_name": principal.name,
                "policy_document": document,
                "previous_document": previous,
            }
        )

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            _put(cloud, params["role_name"], params["previous_document"])
        except Gone:
            return False
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            return _document(cloud, params["role_name"]) == params["policy_document"]
        except Gone:
            return False

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        _put(cloud, params["role_name"], params["policy_document"])


def _document(cloud: Cloud, role_name: str) -> str:
    role = cloud.call("iam:GetRole", RoleName=role_name)["Role"]
    return json.dumps(role["AssumeRolePolicyDocument"])


def _put(cloud: Cloud, role_name: str, document: str) -> None:
    cloud.call("iam:UpdateAssumeRolePolicy", RoleName=role_name, PolicyDocument=document)
