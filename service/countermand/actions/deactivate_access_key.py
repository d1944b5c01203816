"""Set an access key of a user inactive."""

from collections.abc import Mapping
from dataclasses import dataclass

from countermand.core.errors import Gone
from countermand.core.model import Finding, Principal
from countermand.ports import Cloud


@dataclass(frozen=True, slots=True)
class DeactivateAccessKey:
    """iam:UpdateAccessKey, undone by the same call.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccessKey.html
    """

    name = "deactivate_access_key"
    description = (
        "Set the access key of the event inactive; undo sets it active. The call could also set a "
        "key of the user active: IAM cannot restrict it by status."
    )
    needs = ("access_key_id",)
    read_permissions = ("iam:ListAccessKeys",)
    permissions = ("iam:UpdateAccessKey",)
    undo_permissions = ("iam:UpdateAccessKey",)

    def look(
        self, cloud: Cloud, finding: Finding, principal: Principal | None
    ) -> Mapping[str, str] | None:
        if principal is None:
            return None
        params = {"user_name": principal.name, "access_key_id": finding.evidence["access_key_id"]}
        return params if self.present(cloud, params) else None

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            _set(cloud, params, "Inactive")
        except Gone:
            return False
        return True

    def present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            keys = cloud.items(
                "iam:ListAccessKeys", "AccessKeyMetadata", UserName=params["user_name"]
            )
        except Gone:
            return False
        return any(
            key["AccessKeyId"] == params["access_key_id"] and key["Status"] == "Active"
            for key in keys
        )

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        _set(cloud, params, "Active")


def _set(cloud: Cloud, params: Mapping[str, str], status: str) -> None:
    cloud.call(
        "iam:UpdateAccessKey",
        UserName=params["user_name"],
        AccessKeyId=params["access_key_id"],
        Status=status,
    )
