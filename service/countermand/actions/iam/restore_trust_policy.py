"""Restore the trust policy of a role that was exposed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from countermand.actions.gone import false_when_gone
from countermand.core.errors import CannotRestore
from countermand.core.model import Finding, Principal
from countermand.core.policies.trust import evaluate_trust
from countermand.core.rules.schema import PREVIOUS
from countermand.ports import ActionInfo, Cloud, Plan


@dataclass(frozen=True, slots=True)
class RestoreTrustPolicy:
    """Calls iam:UpdateAssumeRolePolicy with the previous policy; undo restores the changed one.

    Sessions that were opened in between stay valid until they expire.
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAssumeRolePolicy.html
    """

    info = ActionInfo(
        name="restore_role_trust_policy",
        description=(
            "Restore the previous trust policy of the role, unless that exposed the role too. "
            "Sessions opened in between stay valid until they expire. Undo restores the changed "
            "policy. IAM cannot restrict the content of the policy, so grant the call for the "
            "roles in scope only."
        ),
        needs=(PREVIOUS,),
        reads=("iam:GetRole",),
        writes=("iam:UpdateAssumeRolePolicy",),
        undo_calls=("iam:UpdateAssumeRolePolicy",),
    )

    def plan(self, cloud: Cloud, finding: Finding, principal: Principal | None) -> Plan | None:
        if principal is None:
            return None
        document, previous = _document(cloud, principal.name), finding.evidence[PREVIOUS]
        account_id = principal.arn.split(":")[4]
        if not evaluate_trust(document, {account_id}).opening.is_risk:
            return None
        if evaluate_trust(previous, {account_id}).opening.is_risk:
            raise CannotRestore("the previous trust policy exposed the role too")
        params = {
            "role_name": principal.name,
            "policy_document": document,
            "previous_document": previous,
        }
        return Plan(params)

    @false_when_gone
    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        _put(cloud, params["role_name"], params["previous_document"])
        return True

    @false_when_gone
    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        return _document(cloud, params["role_name"]) == params["policy_document"]

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        _put(cloud, params["role_name"], params["policy_document"])


def _document(cloud: Cloud, role_name: str) -> str:
    role = cloud.call("iam:GetRole", RoleName=role_name)["Role"]
    return json.dumps(role["AssumeRolePolicyDocument"])


def _put(cloud: Cloud, role_name: str, document: str) -> None:
    cloud.call("iam:UpdateAssumeRolePolicy", RoleName=role_name, PolicyDocument=document)
