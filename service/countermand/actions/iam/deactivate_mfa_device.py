"""Take an MFA device from a user for whom somebody else enrolled it."""

from collections.abc import Mapping
from dataclasses import dataclass

from countermand.core.errors import CannotRestore, Gone
from countermand.core.model import Finding, Principal
from countermand.ports import Cloud, Plan


@dataclass(frozen=True, slots=True)
class DeactivateMfaDevice:
    """iam:DeactivateMFADevice. Nobody can undo it: to enrol a device takes two of its codes.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeactivateMFADevice.html
    """

    name = "deactivate_mfa_device"
    description = (
        "Take the MFA device from the user. Undo refuses, as to enrol it takes two codes of the "
        "device: its owner enrols it again."
    )
    needs = ("serial_number",)
    read_permissions = ("iam:ListMFADevices",)
    permissions = ("iam:DeactivateMFADevice",)
    undo_permissions = ()

    def plan(self, cloud: Cloud, finding: Finding, principal: Principal | None) -> Plan | None:
        if principal is None:
            return None
        params = {
            "user_name": principal.name,
            "serial_number": finding.evidence["serial_number"],
        }
        return Plan(params) if self.is_present(cloud, params) else None

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        request = {"UserName": params["user_name"], "SerialNumber": params["serial_number"]}
        try:
            cloud.call("iam:DeactivateMFADevice", **request)
        except Gone:
            return False
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            devices = cloud.items("iam:ListMFADevices", "MFADevices", UserName=params["user_name"])
        except Gone:
            return False
        return any(device["SerialNumber"] == params["serial_number"] for device in devices)

    def undo(self, _cloud: Cloud, params: Mapping[str, str]) -> None:
        raise CannotRestore(
            f"only two codes of {params['serial_number']} enrol it: let its owner do it again"
        )
