"""Delete an OIDC identity provider."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from countermand.core.errors import Gone
from countermand.core.model import Finding, Principal
from countermand.ports import Cloud, Plan

_KEPT = ("ClientIDList", "ThumbprintList", "Tags")


@dataclass(frozen=True, slots=True)
class DeleteOidcProvider:
    """iam:DeleteOpenIDConnectProvider, undone by iam:CreateOpenIDConnectProvider as read before.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteOpenIDConnectProvider.html
    """

    name = "delete_oidc_provider"
    description = (
        "Delete the OIDC provider, so that roles trust it no longer; undo creates it again with "
        "its URL, client ids, thumbprints and tags."
    )
    needs = ()
    read_permissions = ("iam:GetOpenIDConnectProvider",)
    permissions = ("iam:DeleteOpenIDConnectProvider",)
    undo_permissions = ("iam:CreateOpenIDConnectProvider", "iam:TagOpenIDConnectProvider")

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        arn = finding.subject.name
        provider = cloud.call("iam:GetOpenIDConnectProvider", OpenIDConnectProviderArn=arn)
        # IAM takes the URL with its scheme and gives it back without.
        request = {"Url": f"https://{provider['Url'].removeprefix('https://')}"}
        request |= {key: provider[key] for key in _KEPT if provider.get(key)}
        return Plan(
            {"provider_arn": arn, "request": json.dumps(request)}, created=provider["CreateDate"]
        )

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        # To delete what is not there is no error to IAM.
        if not self.is_present(cloud, params):
            return False
        arn = params["provider_arn"]
        cloud.call("iam:DeleteOpenIDConnectProvider", OpenIDConnectProviderArn=arn)
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            cloud.call(
                "iam:GetOpenIDConnectProvider", OpenIDConnectProviderArn=params["provider_arn"]
            )
        except Gone:
            return False
        return True

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        cloud.call("iam:CreateOpenIDConnectProvider", **json.loads(params["request"]))
