"""Delete the console password of a user."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from countermand.core.errors import CannotRestore, Gone
from countermand.core.model import Finding, Principal
from countermand.ports import Cloud, Plan


@dataclass(frozen=True, slots=True)
class DeleteLoginProfile:
    """iam:DeleteLoginProfile. Nobody can undo it: IAM never tells a password.

    For some seconds after the profile was made IAM answers EntityTemporarilyUnmodifiable, which is
    `Transient`: the step fails, and is taken again when the message comes back.
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteLoginProfile.html
    """

    name = "delete_login_profile"
    description = (
        "Delete the console password of the user. Undo refuses, as nobody knows the password: an "
        "administrator sets a new one, after giving the user the exception tag."
    )
    needs = ()
    read_permissions = ("iam:GetLoginProfile",)
    permissions = ("iam:DeleteLoginProfile",)
    undo_permissions = ()

    def plan(self, cloud: Cloud, _finding: Finding, principal: Principal | None) -> Plan | None:
        if principal is None:
            return None
        created = _created(cloud, principal.name)
        params = {"user_name": principal.name, "created": created.isoformat()}
        return Plan(params, created=created)

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        if not self.is_present(cloud, params):
            return False
        try:
            cloud.call("iam:DeleteLoginProfile", UserName=params["user_name"])
        except Gone:
            return False
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        """Whether it is still that profile, not one that was made since."""
        try:
            return _created(cloud, params["user_name"]).isoformat() == params["created"]
        except Gone:
            return False

    def undo(self, _cloud: Cloud, params: Mapping[str, str]) -> None:
        raise CannotRestore(
            f"nobody knows the password of {params['user_name']}: set the exception tag, then a "
            "new password by hand"
        )


def _created(cloud: Cloud, user_name: str) -> datetime:
    profile = cloud.call("iam:GetLoginProfile", UserName=user_name)["LoginProfile"]
    created: datetime = profile["CreateDate"]
    return created
