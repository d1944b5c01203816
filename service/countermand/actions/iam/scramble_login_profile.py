"""Replace the console password of a user by a random one."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from countermand.actions.gone import false_when_gone
from countermand.core.errors import CannotRestore
from countermand.core.model import Finding, Principal
from countermand.ports import ActionInfo, Cloud, Plan

_EVERY_KIND = "aA1!"
"""One character of each kind that an account password policy can require.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_passwords_account-policy.html"""
_RANDOM_BYTES = 48


@dataclass(frozen=True, slots=True)
class ScrambleLoginProfile:
    """Calls iam:UpdateLoginProfile with a random password that must be changed at sign-in.

    `apply` makes the password and keeps it nowhere. There is no undo: IAM never returns a password.
    Only the mark "must be changed" shows that IAM took a password, so `plan` does not depend on it.
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateLoginProfile.html
    """

    info = ActionInfo(
        name="scramble_login_profile",
        description=(
            "Replace the console password by a random one that is kept nowhere. There is no undo, "
            "because IAM never returns a password: an administrator sets the exception tag on the "
            "user, then a new password. The call could grant access: anyone who may make it can "
            "sign in as any user in scope."
        ),
        reads=("iam:GetLoginProfile",),
        writes=("iam:UpdateLoginProfile",),
    )

    def plan(self, cloud: Cloud, _finding: Finding, principal: Principal | None) -> Plan | None:
        if principal is None:
            return None
        cloud.call("iam:GetLoginProfile", UserName=principal.name)
        return Plan({"user_name": principal.name})

    @false_when_gone
    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        cloud.call(
            "iam:UpdateLoginProfile",
            UserName=params["user_name"],
            Password=secrets.token_urlsafe(_RANDOM_BYTES) + _EVERY_KIND,
            PasswordResetRequired=True,
        )
        return True

    @false_when_gone
    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        answer = cloud.call("iam:GetLoginProfile", UserName=params["user_name"])
        return not answer["LoginProfile"].get("PasswordResetRequired", False)

    def undo(self, _cloud: Cloud, params: Mapping[str, str]) -> None:
        raise CannotRestore(
            f"the old password of {params['user_name']} is unknown: set the exception tag, then a "
            "new password"
        )
