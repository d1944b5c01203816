"""Delete a SAML identity provider."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from countermand.core.errors import CannotRestore, Gone
from countermand.core.model import Finding, Principal
from countermand.ports import Cloud, Plan

_LARGEST_DOCUMENT = 100_000
"""Characters. IAM takes ten million, the ledger does not."""


@dataclass(frozen=True, slots=True)
class DeleteSamlProvider:
    """iam:DeleteSAMLProvider, undone by iam:CreateSAMLProvider with the metadata read before.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteSAMLProvider.html
    """

    name = "delete_saml_provider"
    description = (
        "Delete the SAML provider, so that roles trust it no longer; undo creates it again with "
        "its name, metadata and tags. Private keys for encrypted assertions do not come back."
    )
    needs = ()
    read_permissions = ("iam:GetSAMLProvider",)
    permissions = ("iam:DeleteSAMLProvider",)
    undo_permissions = ("iam:CreateSAMLProvider", "iam:TagSAMLProvider")

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        arn = finding.subject.name
        provider = cloud.call("iam:GetSAMLProvider", SAMLProviderArn=arn)
        document = provider["SAMLMetadataDocument"]
        if len(document) > _LARGEST_DOCUMENT:
            raise CannotRestore(f"its metadata has {len(document)} characters, too many to keep")
        return Plan(
            {
                "provider_arn": arn,
                "metadata_document": document,
                "tags": json.dumps(provider.get("Tags", [])),
            },
            created=provider["CreateDate"],
        )

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            cloud.call("iam:DeleteSAMLProvider", SAMLProviderArn=params["provider_arn"])
        except Gone:
            return False
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            cloud.call("iam:GetSAMLProvider", SAMLProviderArn=params["provider_arn"])
        except Gone:
            return False
        return True

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        cloud.call(
            "iam:CreateSAMLProvider",
            Name=params["provider_arn"].rpartition("/")[2],
            SAMLMetadataDocument=params["metadata_document"],
            Tags=json.loads(params["tags"]),
        )
