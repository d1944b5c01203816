"""Restore the previous name of a user."""

from collections.abc import Mapping
from dataclasses import dataclass

from countermand.actions.gone import false_when_gone
from countermand.core.errors import CannotRestore
from countermand.core.model import Finding, Principal, SubjectKind
from countermand.core.rules.schema import PREVIOUS
from countermand.live.values import principal as read_principal
from countermand.ports import ActionInfo, Cloud, Plan


@dataclass(frozen=True, slots=True)
class RenameUserBack:
    """Calls iam:UpdateUser; undo makes the same call.

    IAM checks the permission for both names, so both must be in scope.
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateUser.html
    """

    info = ActionInfo(
        name="rename_user_back",
        description=(
            "Restore the previous name of the user, unless the path changed too. Undo sets the new "
            "name again. The user keeps keys, passwords, and policies either way."
        ),
        needs=(PREVIOUS,),
        reads=("iam:GetUser",),
        writes=("iam:UpdateUser",),
        undo_calls=("iam:UpdateUser",),
    )

    def plan(self, cloud: Cloud, finding: Finding, principal: Principal | None) -> Plan | None:
        if principal is None:
            return None
        if "new_path" in finding.evidence:
            raise CannotRestore("the previous path of the user is unknown")
        if principal.name == finding.evidence[PREVIOUS]:
            return None
        params = {
            "user_name": principal.name,
            "user_id": principal.unique_id,
            "previous_name": finding.evidence[PREVIOUS],
        }
        return Plan(params) if self.is_present(cloud, params) else None

    @false_when_gone
    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        _rename(cloud, params["user_name"], params["previous_name"])
        return True

    @false_when_gone
    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        shown = read_principal(cloud, SubjectKind.USER, params["user_name"])
        return shown.unique_id == params["user_id"]

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        _rename(cloud, params["previous_name"], params["user_name"])


def _rename(cloud: Cloud, name: str, new_name: str) -> None:
    cloud.call("iam:UpdateUser", UserName=name, NewUserName=new_name)
