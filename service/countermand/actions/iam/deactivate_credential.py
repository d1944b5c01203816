"""Set a long-lived credential of a user inactive: a key, a certificate, a service's password."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from countermand.core.errors import Gone
from countermand.core.model import Finding, Principal
from countermand.ports import Cloud, Plan


@dataclass(frozen=True, slots=True)
class DeactivateCredential:
    """iam:UpdateAccessKey and its like, undone by the same call.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccessKey.html
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateSSHPublicKey.html
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateSigningCertificate.html
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateServiceSpecificCredential.html
    """

    name: str
    description: str
    entity: str
    """As in the names of its calls: `AccessKey` of `iam:UpdateAccessKey`."""
    listed: str
    """Where iam:List... puts them: `AccessKeyMetadata`."""
    evidence: str
    """Name of its id in rules and parameters: `access_key_id`."""
    dated: str
    """Where iam:List... says when it was made."""

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.evidence,)

    @property
    def read_permissions(self) -> tuple[str, ...]:
        return (f"iam:List{self.entity}s",)

    @property
    def permissions(self) -> tuple[str, ...]:
        return (f"iam:Update{self.entity}",)

    @property
    def undo_permissions(self) -> tuple[str, ...]:
        return self.permissions

    def plan(self, cloud: Cloud, finding: Finding, principal: Principal | None) -> Plan | None:
        if principal is None:
            return None
        params = {
            "user_name": principal.name,
            self.evidence: finding.evidence[self.evidence],
        }
        found = self._active(cloud, params)
        return None if found is None else Plan(params, created=found[self.dated])

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            self._set(cloud, params, "Inactive")
        except Gone:
            return False
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            return self._active(cloud, params) is not None
        except Gone:
            return False

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        self._set(cloud, params, "Active")

    @property
    def _id(self) -> str:
        return f"{self.entity.removeprefix('Signing')}Id"

    def _active(self, cloud: Cloud, params: Mapping[str, str]) -> Any:  # noqa: ANN401  as boto3
        """None when there is no such one, or it is inactive."""
        wanted = (params[self.evidence], "Active")
        found = cloud.items(f"iam:List{self.entity}s", self.listed, UserName=params["user_name"])
        return next((each for each in found if (each[self._id], each["Status"]) == wanted), None)

    def _set(self, cloud: Cloud, params: Mapping[str, str], status: str) -> None:
        request = {"UserName": params["user_name"], self._id: params[self.evidence]}
        cloud.call(f"iam:Update{self.entity}", **request, Status=status)


DEACTIVATE_ACCESS_KEY = DeactivateCredential(
    name="deactivate_access_key",
    description=(
        "Set the access key of the event inactive; undo sets it active. The call could also set a "
        "key of the user active: IAM cannot restrict it by status."
    ),
    entity="AccessKey",
    listed="AccessKeyMetadata",
    evidence="access_key_id",
    dated="CreateDate",
)
DEACTIVATE_SERVICE_SPECIFIC_CREDENTIAL = DeactivateCredential(
    name="deactivate_service_specific_credential",
    description=(
        "Set the service-specific credential (Bedrock, CodeCommit, Keyspaces) inactive; undo sets "
        "it active. The call could also set one active: IAM cannot restrict it by status."
    ),
    entity="ServiceSpecificCredential",
    listed="ServiceSpecificCredentials",
    evidence="credential_id",
    dated="CreateDate",
)
DEACTIVATE_SIGNING_CERTIFICATE = DeactivateCredential(
    name="deactivate_signing_certificate",
    description=(
        "Set the X.509 signing certificate inactive; undo sets it active. The call could also set "
        "one of the user active: IAM cannot restrict it by status."
    ),
    entity="SigningCertificate",
    listed="Certificates",
    evidence="certificate_id",
    dated="UploadDate",
)
DEACTIVATE_SSH_PUBLIC_KEY = DeactivateCredential(
    name="deactivate_ssh_public_key",
    description=(
        "Set the SSH key for CodeCommit inactive; undo sets it active. The call could also set a "
        "key of the user active: IAM cannot restrict it by status."
    ),
    entity="SSHPublicKey",
    listed="SSHPublicKeys",
    evidence="ssh_public_key_id",
    dated="UploadDate",
)
