"""Set a signing certificate of a user inactive."""

from collections.abc import Mapping
from dataclasses import dataclass

from countermand.core.errors import Gone
from countermand.core.model import Finding, Principal
from countermand.ports import Cloud


@dataclass(frozen=True, slots=True)
class DeactivateSigningCertificate:
    """iam:UpdateSigningCertificate, undone by the same call.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateSigningCertificate.html
    """

    name = "deactivate_signing_certificate"
    description = (
        "Set the X.509 signing certificate inactive; undo sets it active. The call could also set "
        "one of the user active: IAM cannot restrict it by status."
    )
    needs = ("certificate_id",)
    read_permissions = ("iam:ListSigningCertificates",)
    permissions = ("iam:UpdateSigningCertificate",)
    undo_permissions = ("iam:UpdateSigningCertificate",)

    def look(
        self, cloud: Cloud, finding: Finding, principal: Principal | None
    ) -> Mapping[str, str] | None:
        if principal is None:
            return None
        params = {"user_name": principal.name, "certificate_id": finding.evidence["certificate_id"]}
        return params if self.present(cloud, params) else None

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            _set(cloud, params, "Inactive")
        except Gone:
            return False
        return True

    def present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            certificates = cloud.items(
                "iam:ListSigningCertificates", "Certificates", UserName=params["user_name"]
            )
        except Gone:
            return False
        return any(
            certificate["CertificateId"] == params["certificate_id"]
            and certificate["Status"] == "Active"
            for certificate in certificates
        )

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        _set(cloud, params, "Active")


def _set(cloud: Cloud, params: Mapping[str, str], status: str) -> None:
    cloud.call(
        "iam:UpdateSigningCertificate",
        UserName=params["user_name"],
        CertificateId=params["certificate_id"],
        Status=status,
    )
