"""Take an administrator access policy of an EKS cluster from a principal."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from countermand.actions.gone import false_when_gone
from countermand.core.model import Finding, Principal
from countermand.ports import ActionInfo, Cloud, Plan


@dataclass(frozen=True, slots=True)
class DisassociateAccessPolicy:
    """Calls eks:DisassociateAccessPolicy; undo calls eks:AssociateAccessPolicy.

    https://docs.aws.amazon.com/eks/latest/APIReference/API_DisassociateAccessPolicy.html
    """

    info = ActionInfo(
        name="disassociate_access_policy",
        description=(
            "Disassociate the access policy of the cluster from the principal. Undo associates it "
            "again, with the same scope of namespaces."
        ),
        needs=("principal_arn", "access_policy_arn"),
        reads=("eks:ListAssociatedAccessPolicies",),
        writes=("eks:DisassociateAccessPolicy",),
        undo_calls=("eks:AssociateAccessPolicy",),
    )

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        params = {
            "cluster": finding.subject.name,
            # Both are parts of the request's URL, and CloudTrail keeps them encoded.
            "principal_arn": unquote(finding.evidence["principal_arn"]),
            "policy_arn": unquote(finding.evidence["access_policy_arn"]),
        }
        scope = _access_scope(cloud, params)
        return None if scope is None else Plan({**params, "access_scope": scope})

    @false_when_gone
    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        cloud.call("eks:DisassociateAccessPolicy", **_request(params))
        return True

    @false_when_gone
    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        return _access_scope(cloud, params) is not None

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        scope = json.loads(params["access_scope"])
        cloud.call("eks:AssociateAccessPolicy", **_request(params), accessScope=scope)


def _request(params: Mapping[str, str]) -> dict[str, str]:
    return {
        "clusterName": params["cluster"],
        "principalArn": params["principal_arn"],
        "policyArn": params["policy_arn"],
    }


def _access_scope(cloud: Cloud, params: Mapping[str, str]) -> str | None:
    """Return the scope of the policy's association as JSON, or None without an association."""
    found = cloud.items(
        "eks:ListAssociatedAccessPolicies",
        "associatedAccessPolicies",
        clusterName=params["cluster"],
        principalArn=params["principal_arn"],
    )
    scopes = [
        policy["accessScope"] for policy in found if policy["policyArn"] == params["policy_arn"]
    ]
    return json.dumps(scopes[0]) if scopes else None
