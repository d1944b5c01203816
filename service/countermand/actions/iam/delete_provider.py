"""Delete an OIDC or SAML identity provider."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from countermand.actions.gone import false_when_gone
from countermand.core.errors import CannotRestore
from countermand.core.model import Finding, Principal
from countermand.ports import ActionInfo, Cloud, Plan

_OIDC_FIELDS = ("ClientIDList", "ThumbprintList", "Tags")
_LARGEST_METADATA = 100_000
"""In characters. IAM accepts ten million, but the ledger does not."""


@dataclass(frozen=True, slots=True)
class DeleteProvider:
    """Calls iam:DeleteSAMLProvider or its OIDC equivalent; undo creates the provider again.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteOpenIDConnectProvider.html
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteSAMLProvider.html
    """

    info: ActionInfo
    entity: str
    """As in the names of the calls: `SAMLProvider` of `iam:DeleteSAMLProvider`."""
    keep: Callable[[Mapping[str, Any]], dict[str, str]]
    """Returns what an undo needs of a provider, as parameters."""
    creation: Callable[[Mapping[str, str]], dict[str, Any]]
    """Returns the request that creates a provider from the parameters."""

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        params = {"provider_arn": finding.subject.name}
        provider = self._read(cloud, params)
        return Plan({**params, **self.keep(provider)}, created=provider["CreateDate"])

    @false_when_gone
    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        # IAM also accepts the deletion of an OIDC provider that does not exist.
        self._read(cloud, params)
        cloud.call(f"iam:Delete{self.entity}", **self._which(params))
        return True

    @false_when_gone
    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        self._read(cloud, params)
        return True

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        cloud.call(f"iam:Create{self.entity}", **self.creation(params))

    def _read(self, cloud: Cloud, params: Mapping[str, str]) -> Mapping[str, Any]:
        provider: Mapping[str, Any] = cloud.call(f"iam:Get{self.entity}", **self._which(params))
        return provider

    def _which(self, params: Mapping[str, str]) -> dict[str, str]:
        return {f"{self.entity}Arn": params["provider_arn"]}


def _keep_oidc(provider: Mapping[str, Any]) -> dict[str, str]:
    # IAM takes the URL with its scheme, but returns it without.
    request = {"Url": f"https://{provider['Url'].removeprefix('https://')}"}
    request |= {key: provider[key] for key in _OIDC_FIELDS if provider.get(key)}
    return {"request": json.dumps(request)}


def _oidc_creation(params: Mapping[str, str]) -> dict[str, Any]:
    request: dict[str, Any] = json.loads(params["request"])
    return request


def _keep_saml(provider: Mapping[str, Any]) -> dict[str, str]:
    metadata = provider["SAMLMetadataDocument"]
    if len(metadata) > _LARGEST_METADATA:
        raise CannotRestore(f"its metadata has {len(metadata)} characters, too many to keep")
    return {"metadata_document": metadata, "tags": json.dumps(provider.get("Tags", []))}


def _saml_creation(params: Mapping[str, str]) -> dict[str, Any]:
    return {
        "Name": params["provider_arn"].rpartition("/")[2],
        "SAMLMetadataDocument": params["metadata_document"],
        "Tags": json.loads(params["tags"]),
    }


DELETE_OIDC_PROVIDER = DeleteProvider(
    info=ActionInfo(
        name="delete_oidc_provider",
        description=(
            "Delete the OIDC provider, so that roles trust it no longer. Undo creates it again "
            "with its URL, client IDs, thumbprints, and tags."
        ),
        reads=("iam:GetOpenIDConnectProvider",),
        writes=("iam:DeleteOpenIDConnectProvider",),
        undo_calls=("iam:CreateOpenIDConnectProvider", "iam:TagOpenIDConnectProvider"),
    ),
    entity="OpenIDConnectProvider",
    keep=_keep_oidc,
    creation=_oidc_creation,
)
DELETE_SAML_PROVIDER = DeleteProvider(
    info=ActionInfo(
        name="delete_saml_provider",
        description=(
            "Delete the SAML provider, so that roles trust it no longer. Undo creates it again "
            "with its name, metadata, and tags, but without private keys for encrypted assertions."
        ),
        reads=("iam:GetSAMLProvider",),
        writes=("iam:DeleteSAMLProvider",),
        undo_calls=("iam:CreateSAMLProvider", "iam:TagSAMLProvider"),
    ),
    entity="SAMLProvider",
    keep=_keep_saml,
    creation=_saml_creation,
)
