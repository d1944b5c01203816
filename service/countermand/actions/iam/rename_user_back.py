"""Give a user the name back that it had."""

from collections.abc import Mapping
from dataclasses import dataclass

from countermand.core.errors import CannotRestore, Gone
from countermand.core.model import Finding, Principal, SubjectKind
from countermand.core.rules.schema import PREVIOUS
from countermand.live.values import principal as read_principal
from countermand.ports import Cloud, Plan


@dataclass(frozen=True, slots=True)
class RenameUserBack:
    """iam:UpdateUser, undone by the same call.

    Both names must be in scope, for the call asks for the right on both.
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateUser.html
    """

    name = "rename_user_back"
    description = (
        "Give the user the name back that it had, unless its path was changed too; undo gives it "
        "the new one. Keys, passwords and policies stay with the user either way."
    )
    needs = (PREVIOUS,)
    read_permissions = ("iam:GetUser",)
    permissions = ("iam:UpdateUser",)
    undo_permissions = ("iam:UpdateUser",)

    def plan(self, cloud: Cloud, finding: Finding, principal: Principal | None) -> Plan | None:
        if principal is None:
            return None
        if "new_path" in finding.evidence:
            raise CannotRestore("nobody knows the path that the user had")
        if principal.name == finding.evidence[PREVIOUS]:
            return None
        params = {
            "user_name": principal.name,
            "user_id": principal.unique_id,
            "previous_name": finding.evidence[PREVIOUS],
        }
        return Plan(params) if self.is_present(cloud, params) else None

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            _rename(cloud, params["user_name"], params["previous_name"])
        except Gone:
            return False
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            shown = read_principal(cloud, SubjectKind.USER, params["user_name"])
        except Gone:
            return False
        return shown.unique_id == params["user_id"]

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        _rename(cloud, params["previous_name"], params["user_name"])


def _rename(cloud: Cloud, name: str, new_name: str) -> None:
    cloud.call("iam:UpdateUser", UserName=name, NewUserName=new_name)
