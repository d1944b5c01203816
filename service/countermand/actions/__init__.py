"""The remediations, one module each. A new one is a file and a line here."""

from collections.abc import Mapping

from countermand.actions.deactivate_access_key import DeactivateAccessKey
from countermand.actions.deactivate_service_specific_credential import (
    DeactivateServiceSpecificCredential,
)
from countermand.actions.deactivate_signing_certificate import DeactivateSigningCertificate
from countermand.actions.deactivate_ssh_public_key import DeactivateSshPublicKey
from countermand.actions.delete_inline_policy import DeleteInlinePolicy
from countermand.actions.deny_role_by_boundary import DenyRoleByBoundary
from countermand.actions.detach_policy import DetachPolicy
from countermand.actions.reattach_deny_policy import ReattachDenyPolicy
from countermand.actions.remove_user_from_group import RemoveUserFromGroup
from countermand.actions.set_default_policy_version import SetDefaultPolicyVersion
from countermand.core.model import SubjectKind
from countermand.ports import Action

_ACTIONS: tuple[Action, ...] = (
    DeactivateAccessKey(),
    DeactivateServiceSpecificCredential(),
    DeactivateSigningCertificate(),
    DeactivateSshPublicKey(),
    DetachPolicy(SubjectKind.USER),
    DetachPolicy(SubjectKind.ROLE),
    DetachPolicy(SubjectKind.GROUP),
    DeleteInlinePolicy(SubjectKind.USER),
    DeleteInlinePolicy(SubjectKind.ROLE),
    DeleteInlinePolicy(SubjectKind.GROUP),
    SetDefaultPolicyVersion(),
    RemoveUserFromGroup(),
    DenyRoleByBoundary(),
    ReattachDenyPolicy(SubjectKind.USER),
    ReattachDenyPolicy(SubjectKind.ROLE),
)

ALL: Mapping[str, Action] = {action.name: action for action in _ACTIONS}
