"""Remove a client id from an OIDC identity provider."""

from collections.abc import Mapping
from dataclasses import dataclass

from countermand.core.errors import Gone
from countermand.core.model import Finding, Principal
from countermand.ports import Cloud, Plan


@dataclass(frozen=True, slots=True)
class RemoveOidcClientId:
    """iam:RemoveClientIDFromOpenIDConnectProvider, undone by its opposite.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_RemoveClientIDFromOpenIDConnectProvider.html
    """

    name = "remove_oidc_client_id"
    description = "Remove the client id (audience) from the OIDC provider; undo adds it again."
    needs = ("client_id",)
    read_permissions = ("iam:GetOpenIDConnectProvider",)
    permissions = ("iam:RemoveClientIDFromOpenIDConnectProvider",)
    undo_permissions = ("iam:AddClientIDToOpenIDConnectProvider",)

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        client_id = finding.evidence["client_id"]
        params = {"provider_arn": finding.subject.name, "client_id": client_id}
        return Plan(params) if self.is_present(cloud, params) else None

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        # To remove an id that is not there is no error to IAM.
        if not self.is_present(cloud, params):
            return False
        cloud.call("iam:RemoveClientIDFromOpenIDConnectProvider", **_request(params))
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        arn = params["provider_arn"]
        try:
            provider = cloud.call("iam:GetOpenIDConnectProvider", OpenIDConnectProviderArn=arn)
        except Gone:
            return False
        return params["client_id"] in provider.get("ClientIDList", ())

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        cloud.call("iam:AddClientIDToOpenIDConnectProvider", **_request(params))


def _request(params: Mapping[str, str]) -> dict[str, str]:
    return {"OpenIDConnectProviderArn": params["provider_arn"], "ClientID": params["client_id"]}
