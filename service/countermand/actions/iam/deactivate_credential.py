"""Set a long-term credential of a user inactive: a key, a certificate, a service's password."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from countermand.actions.gone import false_when_gone
from countermand.core.model import Finding, Principal
from countermand.ports import ActionInfo, Cloud, Plan


@dataclass(frozen=True, slots=True)
class DeactivateCredential:
    """Calls iam:UpdateAccessKey or its equivalent; undo makes the same call.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccessKey.html
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateSSHPublicKey.html
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateSigningCertificate.html
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateServiceSpecificCredential.html
    """

    name: str
    description: str
    entity: str
    """As in the names of the calls: `AccessKey` of `iam:UpdateAccessKey`."""
    listed: str
    """The key of the credentials in the answer of iam:List...: `AccessKeyMetadata`."""
    evidence: str
    """The name of the credential's ID in rules and parameters: `access_key_id`."""
    dated: str
    """The key of the creation time in the answer of iam:List..."""

    @property
    def info(self) -> ActionInfo:
        return ActionInfo(
            name=self.name,
            description=self.description,
            needs=(self.evidence,),
            reads=(f"iam:List{self.entity}s",),
            writes=(f"iam:Update{self.entity}",),
            undo_calls=(f"iam:Update{self.entity}",),
        )

    def plan(self, cloud: Cloud, finding: Finding, principal: Principal | None) -> Plan | None:
        if principal is None:
            return None
        params = {
            "user_name": principal.name,
            self.evidence: finding.evidence[self.evidence],
        }
        found = self._active(cloud, params)
        return None if found is None else Plan(params, created=found[self.dated])

    @false_when_gone
    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        self._set(cloud, params, "Inactive")
        return True

    @false_when_gone
    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        return self._active(cloud, params) is not None

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        self._set(cloud, params, "Active")

    @property
    def _id(self) -> str:
        return f"{self.entity.removeprefix('Signing')}Id"

    def _active(self, cloud: Cloud, params: Mapping[str, str]) -> Any:  # noqa: ANN401  as boto3
        """Return the credential, or None if it does not exist or is inactive."""
        wanted = (params[self.evidence], "Active")
        found = cloud.items(f"iam:List{self.entity}s", self.listed, UserName=params["user_name"])
        return next((each for each in found if (each[self._id], each["Status"]) == wanted), None)

    def _set(self, cloud: Cloud, params: Mapping[str, str], status: str) -> None:
        request = {"UserName": params["user_name"], self._id: params[self.evidence]}
        cloud.call(f"iam:Update{self.entity}", **request, Status=status)


DEACTIVATE_ACCESS_KEY = DeactivateCredential(
    name="deactivate_access_key",
    description=(
        "Set the access key of the event inactive. Undo sets it active. The call could also set a "
        "key of the user active, because IAM cannot restrict it by status."
    ),
    entity="AccessKey",
    listed="AccessKeyMetadata",
    evidence="access_key_id",
    dated="CreateDate",
)
DEACTIVATE_SERVICE_SPECIFIC_CREDENTIAL = DeactivateCredential(
    name="deactivate_service_specific_credential",
    description=(
        "Set the service-specific credential (Bedrock, CodeCommit, Keyspaces) inactive. Undo sets "
        "it active. The call could also set a credential of the user active, because IAM cannot "
        "restrict it by status."
    ),
    entity="ServiceSpecificCredential",
    listed="ServiceSpecificCredentials",
    evidence="credential_id",
    dated="CreateDate",
)
DEACTIVATE_SIGNING_CERTIFICATE = DeactivateCredential(
    name="deactivate_signing_certificate",
    description=(
        "Set the X.509 signing certificate inactive. Undo sets it active. The call could also set "
        "a certificate of the user active, because IAM cannot restrict it by status."
    ),
    entity="SigningCertificate",
    listed="Certificates",
    evidence="certificate_id",
    dated="UploadDate",
)
DEACTIVATE_SSH_PUBLIC_KEY = DeactivateCredential(
    name="deactivate_ssh_public_key",
    description=(
        "Set the SSH key for CodeCommit inactive. Undo sets it active. The call could also set a "
        "key of the user active, because IAM cannot restrict it by status."
    ),
    entity="SSHPublicKey",
    listed="SSHPublicKeys",
    evidence="ssh_public_key_id",
    dated="UploadDate",
)
