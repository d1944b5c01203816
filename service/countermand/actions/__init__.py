"""The actions that revert changes. A new action is a file, and a line in `_ACTIONS`."""

from collections.abc import Mapping

from countermand.actions.cloudtrail.restore_event_selectors import RestoreEventSelectors
from countermand.actions.cloudtrail.start_logging import StartLogging
from countermand.actions.ec2.disassociate_instance_profile import DisassociateInstanceProfile
from countermand.actions.eks.disassociate_access_policy import DisassociateAccessPolicy
from countermand.actions.eventbridge.enable_event_rule import EnableEventRule
from countermand.actions.iam.deactivate_credential import (
    DEACTIVATE_ACCESS_KEY,
    DEACTIVATE_SERVICE_SPECIFIC_CREDENTIAL,
    DEACTIVATE_SIGNING_CERTIFICATE,
    DEACTIVATE_SSH_PUBLIC_KEY,
)
from countermand.actions.iam.deactivate_mfa_device import DeactivateMfaDevice
from countermand.actions.iam.delete_login_profile import DeleteLoginProfile
from countermand.actions.iam.delete_provider import DELETE_OIDC_PROVIDER, DELETE_SAML_PROVIDER
from countermand.actions.iam.delete_unattached_policy import DeleteUnattachedPolicy
from countermand.actions.iam.deny_by_boundary import DenyByBoundary
from countermand.actions.iam.deny_without_mfa import DenyWithoutMfa
from countermand.actions.iam.detach_policy import DetachPolicy
from countermand.actions.iam.reattach_deny_policy import ReattachDenyPolicy
from countermand.actions.iam.remove_oidc_client_id import RemoveOidcClientId
from countermand.actions.iam.remove_role_from_instance_profile import RemoveRoleFromInstanceProfile
from countermand.actions.iam.remove_user_from_group import RemoveUserFromGroup
from countermand.actions.iam.rename_user_back import RenameUserBack
from countermand.actions.iam.restore_inline_policy import RestoreInlinePolicy
from countermand.actions.iam.restore_permissions_boundary import RestorePermissionsBoundary
from countermand.actions.iam.restore_setting import (
    RESTORE_OIDC_THUMBPRINTS,
    RESTORE_PASSWORD_POLICY,
    RESTORE_SAML_METADATA,
    RESTORE_TRAIL,
)
from countermand.actions.iam.restore_trust_policy import RestoreTrustPolicy
from countermand.actions.iam.revoke_sessions import RevokeSessions
from countermand.actions.iam.scramble_login_profile import ScrambleLoginProfile
from countermand.actions.iam.set_default_policy_version import SetDefaultPolicyVersion
from countermand.actions.iam.untag_principal import UntagPrincipal
from countermand.actions.identity_center.delete_account_assignment import DeleteAccountAssignment
from countermand.actions.identity_center.delete_group_membership import DeleteGroupMembership
from countermand.actions.identity_center.detach_permission_set_policy import (
    DetachPermissionSetPolicy,
)
from countermand.actions.lambda_.delete_function_url import DeleteFunctionUrl
from countermand.actions.lambda_.limit_function_concurrency import LimitFunctionConcurrency
from countermand.actions.lambda_.remove_function_permission import RemoveFunctionPermission
from countermand.actions.roles_anywhere.disable_profile import DisableProfile
from countermand.actions.roles_anywhere.disable_trust_anchor import DisableTrustAnchor
from countermand.core.model import SubjectKind
from countermand.ports import Action

_ACTIONS: tuple[Action, ...] = (
    DEACTIVATE_ACCESS_KEY,
    DEACTIVATE_SERVICE_SPECIFIC_CREDENTIAL,
    DEACTIVATE_SIGNING_CERTIFICATE,
    DEACTIVATE_SSH_PUBLIC_KEY,
    DeleteLoginProfile(),
    DenyWithoutMfa(),
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
    RevokeSessions(SubjectKind.USER),
    RevokeSessions(SubjectKind.ROLE),
    ScrambleLoginProfile(),
    UntagPrincipal(SubjectKind.USER),
    UntagPrincipal(SubjectKind.ROLE),
    DeactivateMfaDevice(),
    DeleteAccountAssignment(),
    DeleteFunctionUrl(),
    DeleteGroupMembership(),
    DeleteUnattachedPolicy(),
    DELETE_OIDC_PROVIDER,
    DELETE_SAML_PROVIDER,
    DetachPermissionSetPolicy(),
    DisableProfile(),
    DisableTrustAnchor(),
    DisassociateAccessPolicy(),
    DisassociateInstanceProfile(),
    EnableEventRule(),
    LimitFunctionConcurrency(),
    RemoveFunctionPermission(),
    RemoveOidcClientId(),
    RemoveRoleFromInstanceProfile(),
    RenameUserBack(),
    RestoreEventSelectors(),
    RESTORE_OIDC_THUMBPRINTS,
    RESTORE_PASSWORD_POLICY,
    RESTORE_SAML_METADATA,
    RESTORE_TRAIL,
    StartLogging(),
)

ALL: Mapping[str, Action] = {action.info.name: action for action in _ACTIONS}

_NEVER_A_FINDING = frozenset(
    {
        "cloudtrail:PutEventSelectors",
        "iam:AttachRolePolicy",
        "iam:AttachUserPolicy",
        "iam:PutGroupPolicy",
        "iam:PutRolePolicy",
        "iam:PutUserPolicy",
        "iam:UpdateAccessKey",
        "iam:UpdateAssumeRolePolicy",
    }
)
"""Our calls deny, attach what denies, set inactive, record everything, or restore what no rule
matches. A rule matches the opposite of each, so a finding about one means that someone else has the
credentials."""

OWN_CALLS = frozenset(call for action in _ACTIONS for call in action.info.writes) - _NEVER_A_FINDING
"""The calls of the worker role that need no alert when a rule matches one. Any other call means
that someone else has its credentials."""
