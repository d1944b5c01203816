"""Set a service-specific credential of a user inactive, such as a Bedrock API key."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from countermand.core.errors import Gone
from countermand.core.model import Finding, Principal
from countermand.ports import Cloud


@dataclass(frozen=True, slots=True)
class DeactivateServiceSpecificCredential:
    """iam:UpdateServiceSpecificCredential, undone by the same call.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateServiceSpecificCredential.html
    """

    name = "deactivate_service_specific_credential"
    description = (
        "Set the service-specific credential (Bedrock, CodeCommit, Keyspaces) inactive; undo sets "
        "it active. The call could also set one active: IAM cannot restrict it by status."
    )
    needs = ("credential_id",)
    read_permissions = ("iam:ListServiceSpecificCredentials",)
    permissions = ("iam:UpdateServiceSpecificCredential",)
    undo_permissions = ("iam:UpdateServiceSpecificCredential",)

    def look(
        self, cloud: Cloud, finding: Finding, principal: Principal | None
    ) -> Mapping[str, str] | None:
        if principal is None:
            return None
        params = {"user_name": principal.name, "credential_id": finding.evidence["credential_id"]}
        return params if self.present(cloud, params) else None

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            _set(cloud, params, "Inactive")
        except Gone:
            return False
        return True

    def present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            return any(
                found["ServiceSpecificCredentialId"] == params["credential_id"]
                and found["Status"] == "Active"
                for found in _credentials(cloud, params["user_name"])
            )
        except Gone:
            return False

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        _set(cloud, params, "Active")


def _credentials(cloud: Cloud, user_name: str) -> Iterator[Any]:
    """Page by page: botocore has no paginator for this call."""
    marker: dict[str, str] = {}
    while True:
        answer = cloud.call("iam:ListServiceSpecificCredentials", UserName=user_name, **marker)
        yield from answer["ServiceSpecificCredentials"]
        if not answer.get("IsTruncated"):
            return
        marker = {"Marker": answer["Marker"]}


def _set(cloud: Cloud, params: Mapping[str, str], status: str) -> None:
    cloud.call(
        "iam:UpdateServiceSpecificCredential",
        UserName=params["user_name"],
        ServiceSpecificCredentialId=params["credential_id"],
        Status=status,
    )
