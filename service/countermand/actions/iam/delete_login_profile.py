"""Delete the console password of a user."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from countermand.actions.gone import false_when_gone
from countermand.core.errors import CannotRestore
from countermand.core.model import Finding, Principal
from countermand.ports import ActionInfo, Cloud, Plan


@dataclass(frozen=True, slots=True)
class DeleteLoginProfile:
    """Calls iam:DeleteLoginProfile. There is no undo: IAM never returns a password.

    For some seconds after the creation of a profile, IAM answers EntityTemporarilyUnmodifiable.
    That is `Transient`: the step fails, and is tried again when the message returns.
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteLoginProfile.html
    """

    info = ActionInfo(
        name="delete_login_profile",
        description=(
            "Delete the console password of the user. There is no undo, because IAM never returns "
            "a password: an administrator sets the exception tag on the user, then a new password."
        ),
        reads=("iam:GetLoginProfile",),
        writes=("iam:DeleteLoginProfile",),
    )

    def plan(self, cloud: Cloud, _finding: Finding, principal: Principal | None) -> Plan | None:
        if principal is None:
            return None
        created = _created(cloud, principal.name)
        params = {"user_name": principal.name, "created": created.isoformat()}
        return Plan(params, created=created)

    @false_when_gone
    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        if not self.is_present(cloud, params):
            return False
        cloud.call("iam:DeleteLoginProfile", UserName=params["user_name"])
        return True

    @false_when_gone
    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        """Return whether the profile exists and is not a newer one."""
        return _created(cloud, params["user_name"]).isoformat() == params["created"]

    def undo(self, _cloud: Cloud, params: Mapping[str, str]) -> None:
        raise CannotRestore(
            f"the password of {params['user_name']} is unknown: set the exception tag, then a new "
            "password"
        )


def _created(cloud: Cloud, user_name: str) -> datetime:
    profile = cloud.call("iam:GetLoginProfile", UserName=user_name)["LoginProfile"]
    created: datetime = profile["CreateDate"]
    return created
