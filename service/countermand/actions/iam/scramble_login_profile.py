"""Replace the console password of a user by one that nobody knows."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from countermand.core.errors import CannotRestore, Gone
from countermand.core.model import Finding, Principal
from countermand.ports import Cloud, Plan

_EVERY_KIND = "aA1!"
"""Of characters that an account password policy may ask for.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_passwords_account-policy.html"""
_RANDOM_BYTES = 48


@dataclass(frozen=True, slots=True)
class ScrambleLoginProfile:
    """iam:UpdateLoginProfile with a random password, to be changed at the next sign-in.

    The password is made in `apply` and kept nowhere. Nobody can undo it: IAM never tells the old
    one. Whether IAM took it shows only in the mark "to be changed", so it is always tried.
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateLoginProfile.html
    """

    name = "scramble_login_profile"
    description = (
        "Replace the console password by a random one that is kept nowhere. Undo refuses, as "
        "nobody knows the old one: an administrator sets a new one, after giving the user the "
        "exception tag. The call could grant: whoever may make it can sign in as any user in "
        "scope."
    )
    needs = ()
    read_permissions = ("iam:GetLoginProfile",)
    permissions = ("iam:UpdateLoginProfile",)
    undo_permissions = ()

    def plan(self, cloud: Cloud, _finding: Finding, principal: Principal | None) -> Plan | None:
        if principal is None:
            return None
        cloud.call("iam:GetLoginProfile", UserName=principal.name)
        return Plan({"user_name": principal.name})

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            cloud.call(
                "iam:UpdateLoginProfile",
                UserName=params["user_name"],
                Password=secrets.token_urlsafe(_RANDOM_BYTES) + _EVERY_KIND,
                PasswordResetRequired=True,
            )
        except Gone:
            return False
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            answer = cloud.call("iam:GetLoginProfile", UserName=params["user_name"])
        except Gone:
            return False
        return not answer["LoginProfile"].get("PasswordResetRequired", False)

    def undo(self, _cloud: Cloud, params: Mapping[str, str]) -> None:
        raise CannotRestore(
            f"nobody knows the old password of {params['user_name']}: set the exception tag, then "
            "a new password by hand"
        )
