"""The remediations, one module each. A new one is a file and a line here."""

from collections.abc import Mapping

from countermand.actions.deny_by_boundary import DenyByBoundary
from countermand.actions.detach_policy import DetachPolicy
from countermand.actions.reattach_deny_policy import ReattachDenyPolicy
from countermand.actions.remove_user_from_group import RemoveUserFromGroup
from countermand.actions.restore_inline_policy import RestoreInlinePolicy
from countermand.actions.restore_permissions_boundary import RestorePermissionsBoundary
from countermand.actions.restore_trust_policy import RestoreTrustPolicy
from countermand.actions.set_default_policy_version import SetDefaultPolicyVersion
from countermand.core.model import SubjectKind
from countermand.ports import Action

_ACTIONS: tuple[Action, ...] = (
    DetachPolicy(SubjectKind.USER),
    DetachPolicy(SubjectKind.ROLE),
    DetachPolicy(SubjectKind.GROUP),
    RestoreInlinePolicy(SubjectKind.USER),
    RestoreInlinePolicy(SubjectKind.ROLE),
    RestoreInlinePolicy(SubjectKind.GROUP),
    RestorePermissionsBoundary(SubjectKind.USER),
    RestorePermissionsBoundary(SubjectKind.ROLE),
    RestoreTrustPolicy(),
    SetDefaultPolicyVersion(),
    RemoveUserFromGroup(),
    DenyByBoundary(SubjectKind.USER),
    DenyByBoundary(SubjectKind.ROLE),
    ReattachDenyPolicy(SubjectKind.USER),
    ReattachDenyPolicy(SubjectKind.ROLE),
)

ALL: Mapping[str, Action] = {action.name: action for action in _ACTIONS}
