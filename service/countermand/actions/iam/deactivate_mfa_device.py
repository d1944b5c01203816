"""Take an MFA device from a user if someone else enrolled it."""

from collections.abc import Mapping
from dataclasses import dataclass

from countermand.actions.gone import false_when_gone
from countermand.core.errors import CannotRestore
from countermand.core.model import Finding, Principal
from countermand.ports import ActionInfo, Cloud, Plan


@dataclass(frozen=True, slots=True)
class DeactivateMfaDevice:
    """Calls iam:DeactivateMFADevice. There is no undo: enrolling a device takes two of its codes.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeactivateMFADevice.html
    """

    info = ActionInfo(
        name="deactivate_mfa_device",
        description=(
            "Take the MFA device from the user. There is no undo, because enrolling a device takes "
            "two of its codes: its owner enrolls it again."
        ),
        needs=("serial_number",),
        reads=("iam:ListMFADevices",),
        writes=("iam:DeactivateMFADevice",),
    )

    def plan(self, cloud: Cloud, finding: Finding, principal: Principal | None) -> Plan | None:
        if principal is None:
            return None
        params = {
            "user_name": principal.name,
            "serial_number": finding.evidence["serial_number"],
        }
        return Plan(params) if self.is_present(cloud, params) else None

    @false_when_gone
    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        request = {"UserName": params["user_name"], "SerialNumber": params["serial_number"]}
        cloud.call("iam:DeactivateMFADevice", **request)
        return True

    @false_when_gone
    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        devices = cloud.items("iam:ListMFADevices", "MFADevices", UserName=params["user_name"])
        return any(device["SerialNumber"] == params["serial_number"] for device in devices)

    def undo(self, _cloud: Cloud, params: Mapping[str, str]) -> None:
        raise CannotRestore(
            f"{params['serial_number']}: enrolling takes two codes of the device. Ask its owner to "
            "enroll it again."
        )
