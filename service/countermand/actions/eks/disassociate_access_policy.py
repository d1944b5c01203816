"""Take an administrator's access policy of an EKS cluster from a principal."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from countermand.core.errors import Gone
from countermand.core.model import Finding, Principal
from countermand.ports import Cloud, Plan


@dataclass(frozen=True, slots=True)
class DisassociateAccessPolicy:
    """eks:DisassociateAccessPolicy, undone by eks:AssociateAccessPolicy with the scope of before.

    https://docs.aws.amazon.com/eks/latest/APIReference/API_DisassociateAccessPolicy.html
    """

    name = "disassociate_access_policy"
    description = (
        "Take the access policy of the cluster from the principal; undo gives it back with the "
        "same scope of namespaces."
    )
    needs = ("principal_arn", "access_policy_arn")
    read_permissions = ("eks:ListAssociatedAccessPolicies",)
    permissions = ("eks:DisassociateAccessPolicy",)
    undo_permissions = ("eks:AssociateAccessPolicy",)

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        params = {
            "cluster": finding.subject.name,
            # It is a part of the request's URL, and CloudTrail keeps it encoded.
            "principal_arn": unquote(finding.evidence["principal_arn"]),
            "policy_arn": unquote(finding.evidence["access_policy_arn"]),
        }
        scope = _access_scope(cloud, params)
        return None if scope is None else Plan({**params, "access_scope": scope})

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            cloud.call("eks:DisassociateAccessPolicy", **_request(params))
        except Gone:
            return False
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            return _access_scope(cloud, params) is not None
        except Gone:
            return False

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
    """Of the policy's association, as JSON; None: there is none."""
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
