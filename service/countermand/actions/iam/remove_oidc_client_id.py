"""Remove a client ID from an OIDC identity provider."""

from collections.abc import Mapping
from dataclasses import dataclass

from countermand.actions.gone import false_when_gone
from countermand.core.model import Finding, Principal
from countermand.ports import ActionInfo, Cloud, Plan


@dataclass(frozen=True, slots=True)
class RemoveOidcClientId:
    """Calls iam:RemoveClientIDFromOpenIDConnectProvider; undo adds the client ID again.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_RemoveClientIDFromOpenIDConnectProvider.html
    """

    info = ActionInfo(
        name="remove_oidc_client_id",
        description="Remove the client ID (audience) from the OIDC provider. Undo adds it again.",
        needs=("client_id",),
        reads=("iam:GetOpenIDConnectProvider",),
        writes=("iam:RemoveClientIDFromOpenIDConnectProvider",),
        undo_calls=("iam:AddClientIDToOpenIDConnectProvider",),
    )

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        client_id = finding.evidence["client_id"]
        params = {"provider_arn": finding.subject.name, "client_id": client_id}
        return Plan(params) if self.is_present(cloud, params) else None

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        # IAM also accepts the removal of a client ID that is not there.
        if not self.is_present(cloud, params):
            return False
        cloud.call("iam:RemoveClientIDFromOpenIDConnectProvider", **_request(params))
        return True

    @false_when_gone
    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        arn = params["provider_arn"]
        provider = cloud.call("iam:GetOpenIDConnectProvider", OpenIDConnectProviderArn=arn)
        return params["client_id"] in provider.get("ClientIDList", ())

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        cloud.call("iam:AddClientIDToOpenIDConnectProvider", **_request(params))


def _request(params: Mapping[str, str]) -> dict[str, str]:
    return {"OpenIDConnectProviderArn": params["provider_arn"], "ClientID": params["client_id"]}
