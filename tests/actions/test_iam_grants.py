"""Actions on inline policies, versions, groups, boundaries and deny policies, against moto's IAM:
plan, apply, verify, undo, verify.
"""

import json
from typing import Any

import pytest

from countermand.actions import ALL
from countermand.core.checks.policies import PROTECTED_DENY_ARNS
from countermand.core.errors import Benign, CannotRestore
from countermand.core.model import Subject, SubjectKind
from support.accounts import (
    ADMIN,
    DENY_ALL,
    FOREIGN,
    KINDS,
    OWN,
    READ,
    Account,
    document,
    trust,
)
from support.steps import ADMIN_ARN


@pytest.fixture
def account(dynamodb: Any) -> Account:
    return Account(dynamodb.meta.endpoint_url)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("previous", ["", READ])
def test_inline_policy_is_restored_and_undone(
    account: Account, kind: SubjectKind, previous: str
) -> None:
    """The action restores the previous document, and undo the changed one."""
    account.put_inline(kind, ADMIN)
    action, subject = f"restore_{kind}_inline_policy", Subject(kind, account.name)
    params = account.plan(action, subject, policy_name="inline", previous=previous)
    assert params is not None
    account.remediate_and_undo(action, params)
    ALL[action].apply(account.cloud, params)
    names = getattr(account.iam, f"list_{kind}_policies")(
        **{f"{kind.capitalize()}Name": account.name}
    )
    assert names["PolicyNames"] == (["inline"] if previous else [])
    ALL[action].undo(account.cloud, params)
    get = getattr(account.iam, f"get_{kind}_policy")
    answer = get(**{f"{kind.capitalize()}Name": account.name}, PolicyName="inline")
    assert answer["PolicyDocument"] == json.loads(ADMIN)


def test_inline_policy_within_boundary_is_benign(account: Account) -> None:
    """A policy that the permissions boundary holds back is benign."""
    account.put_inline(SubjectKind.ROLE, ADMIN)
    account.set_boundary(SubjectKind.ROLE, account.policy_arn)
    subject, seen = Subject(SubjectKind.ROLE, account.name), {"policy_name": "inline"}
    with pytest.raises(Benign, match="boundary of the role holds the policy back"):
        account.plan("restore_role_inline_policy", subject, **seen, previous="")
    account.set_boundary(SubjectKind.ROLE, f"{account.policy_arn}-of-no-policy")
    assert account.plan("restore_role_inline_policy", subject, **seen, previous="") is not None


@pytest.mark.parametrize("kind", KINDS)
def test_benign_inline_policy_is_left_alone(account: Account, kind: SubjectKind) -> None:
    """The action plans nothing when the policy gives no administrator permissions now."""
    account.put_inline(kind, READ)
    action, subject = f"restore_{kind}_inline_policy", Subject(kind, account.name)
    assert account.plan(action, subject, policy_name="inline", previous="") is None


def test_admin_inline_policy_is_never_restored(
    account: Account,
) -> None:
    """The action never restores a document that gives administrator permissions."""
    account.put_inline(SubjectKind.USER, ADMIN)
    subject = Subject(SubjectKind.USER, account.name)
    with pytest.raises(CannotRestore, match="previous policy gave"):
        account.plan(
            "restore_user_inline_policy", subject, policy_name="inline", previous=document("iam:*")
        )


def under(**condition: Any) -> str:
    """Return the administrator's document under a condition."""
    made = json.loads(ADMIN)
    made["Statement"][0]["Condition"] = condition
    return json.dumps(made)


MFA = under(Bool={"aws:MultiFactorAuthPresent": "true"})
FREE = under(StringLike={"aws:PrincipalArn": "*"})


@pytest.mark.parametrize("kind", KINDS)
def test_conditional_inline_policy_is_left_alone(account: Account, kind: SubjectKind) -> None:
    """An inline policy is restored only if its condition holds nobody back."""
    action, subject = f"restore_{kind}_inline_policy", Subject(kind, account.name)
    account.put_inline(kind, MFA)
    with pytest.raises(CannotRestore, match=r"is uncertain: .* under a condition"):
        account.plan(action, subject, policy_name="inline", previous="")
    account.put_inline(kind, FREE)
    assert account.plan(action, subject, policy_name="inline", previous="") is not None


def test_conditional_version_is_left_alone(account: Account) -> None:
    """A version is replaced only if its condition holds nobody back."""
    subject = Subject(SubjectKind.POLICY, account.policy_arn)
    seen = {"version_id": _version(account, MFA), "previous": "v1"}
    with pytest.raises(CannotRestore, match=r"is uncertain: .* under a condition"):
        account.plan("set_default_policy_version", subject, **seen)
    seen = {"version_id": _version(account, FREE), "previous": "v1"}
    assert account.plan("set_default_policy_version", subject, **seen) is not None


def test_conditional_policy_is_not_deleted(account: Account) -> None:
    """A new policy is deleted only if its condition holds nobody back."""
    arn = made_policy(account, MFA)
    with pytest.raises(CannotRestore, match=r"is uncertain: .* under a condition"):
        account.plan(DELETE, Subject(SubjectKind.POLICY, arn))


def test_freely_conditional_policy_is_deleted(account: Account) -> None:
    """A new policy is deleted if its condition holds nobody back."""
    arn = made_policy(account, FREE)
    assert account.plan(DELETE, Subject(SubjectKind.POLICY, arn)) is not None


def test_missing_inline_policy_needs_no_deletion(account: Account) -> None:
    """A policy that does not exist needs no action."""
    account.put_inline(SubjectKind.USER, ADMIN)
    action, subject = "restore_user_inline_policy", Subject(SubjectKind.USER, account.name)
    params = account.plan(action, subject, policy_name="inline", previous="")
    assert params is not None
    account.iam.delete_user_policy(UserName=account.name, PolicyName="inline")
    assert not ALL[action].is_present(account.cloud, params)
    assert not ALL[action].apply(account.cloud, params)


def _version(account: Account, text: str, *, default: bool = True) -> str:
    answer = account.iam.create_policy_version(
        PolicyArn=account.policy_arn, PolicyDocument=text, SetAsDefault=default
    )
    return str(answer["PolicyVersion"]["VersionId"])


def test_previous_version_is_default_again(account: Account) -> None:
    """The action makes the previous version the default, and undo the changed one."""
    version_id = _version(account, ADMIN)
    subject = Subject(SubjectKind.POLICY, account.policy_arn)
    seen = {"version_id": version_id, "set_as_default": "true"}
    params = account.plan("set_default_policy_version", subject, **seen)
    assert params is not None
    assert params["previous_version_id"] == "v1"
    account.remediate_and_undo("set_default_policy_version", params)


def test_prepared_version_is_never_chosen(account: Account) -> None:
    """The action never chooses a version that might never have been the default."""
    _version(account, document("s3:*"), default=False)
    version_id = _version(account, ADMIN)
    subject, seen = Subject(SubjectKind.POLICY, account.policy_arn), {"version_id": version_id}
    with pytest.raises(CannotRestore, match="previous default version is unknown"):
        account.plan("set_default_policy_version", subject, **seen)
    params = account.plan("set_default_policy_version", subject, **seen, previous="v1")
    assert params is not None
    assert params["previous_version_id"] == "v1"
    account.remediate_and_undo("set_default_policy_version", params)


def test_old_version_is_left_alone(account: Account) -> None:
    """The action plans nothing for a version that is not the default."""
    version_id = _version(account, ADMIN, default=False)
    subject = Subject(SubjectKind.POLICY, account.policy_arn)
    assert account.plan("set_default_policy_version", subject, version_id=version_id) is None


def test_benign_version_is_left_alone(account: Account) -> None:
    """A version without administrator permissions is benign."""
    version_id = _version(account, READ)
    subject = Subject(SubjectKind.POLICY, account.policy_arn)
    with pytest.raises(Benign, match="no path to administrator"):
        account.plan("set_default_policy_version", subject, version_id=version_id)


@pytest.mark.parametrize(
    ("previous", "why"),
    [
        ("v2", r"default version \(v2\) gives admin"),
        ("v3", "the default before the event too"),
        ("v9", r"default version \(v9\) is deleted"),
    ],
)
def test_bad_previous_version_is_never_restored(account: Account, previous: str, why: str) -> None:
    """The action refuses a previous version that is deleted or gives administrator permissions."""
    _version(account, ADMIN)
    seen = {"version_id": _version(account, document("iam:*")), "previous": previous}
    subject = Subject(SubjectKind.POLICY, account.policy_arn)
    with pytest.raises(CannotRestore, match=why):
        account.plan("set_default_policy_version", subject, **seen)


def test_single_version_has_no_previous(account: Account) -> None:
    """The action refuses a policy that has a single version."""
    policy = account.iam.create_policy(PolicyName=f"{account.name}-admin", PolicyDocument=ADMIN)
    subject = Subject(SubjectKind.POLICY, policy["Policy"]["Arn"])
    with pytest.raises(CannotRestore, match="previous default version is unknown"):
        account.plan("set_default_policy_version", subject, version_id="v1")


@pytest.mark.parametrize("how", ["attached", "inline"])
def test_user_leaves_admin_group_and_returns(account: Account, how: str) -> None:
    """Undo adds the user to the administrator group again."""
    if how == "attached":
        account.iam.attach_group_policy(GroupName=account.name, PolicyArn=ADMIN_ARN)
    else:
        account.put_inline(SubjectKind.GROUP, ADMIN)
    account.iam.add_user_to_group(GroupName=account.name, UserName=account.name)
    subject = Subject(SubjectKind.USER, account.name)
    params = account.plan("remove_user_from_group", subject, group_name=account.name)
    account.remediate_and_undo("remove_user_from_group", params)


def test_user_leaves_group_with_customer_admin(
    account: Account,
) -> None:
    """A customer-managed policy of the group counts like AdministratorAccess."""
    policy = account.iam.create_policy(PolicyName=f"{account.name}-x", PolicyDocument=ADMIN)
    account.iam.attach_group_policy(GroupName=account.name, PolicyArn=policy["Policy"]["Arn"])
    account.iam.add_user_to_group(GroupName=account.name, UserName=account.name)
    subject = Subject(SubjectKind.USER, account.name)
    params = account.plan("remove_user_from_group", subject, group_name=account.name)
    account.remediate_and_undo("remove_user_from_group", params)


def test_user_leaves_group_that_edits_its_policy(account: Account) -> None:
    """Permission to change a policy is an escalation path only if the policy is attached."""
    account.put_inline(SubjectKind.GROUP, document("iam:CreatePolicyVersion", account.policy_arn))
    account.iam.add_user_to_group(GroupName=account.name, UserName=account.name)
    subject = Subject(SubjectKind.USER, account.name)
    with pytest.raises(Benign, match="no path to administrator"):
        account.plan("remove_user_from_group", subject, group_name=account.name)
    account.iam.attach_group_policy(GroupName=account.name, PolicyArn=account.policy_arn)
    assert account.plan("remove_user_from_group", subject, group_name=account.name) is not None


def test_user_stays_in_group_with_deny(
    account: Account,
) -> None:
    """A Deny in one policy of the group limits the other policies."""
    account.iam.attach_group_policy(GroupName=account.name, PolicyArn=ADMIN_ARN)
    account.put_inline(SubjectKind.GROUP, ADMIN.replace("Allow", "Deny"))
    account.iam.add_user_to_group(GroupName=account.name, UserName=account.name)
    subject = Subject(SubjectKind.USER, account.name)
    with pytest.raises(Benign, match="no path to administrator"):
        account.plan("remove_user_from_group", subject, group_name=account.name)


def test_group_name_ignores_case(account: Account) -> None:
    """IAM and the action ignore the case of a group name."""
    account.put_inline(SubjectKind.GROUP, ADMIN)
    account.iam.add_user_to_group(GroupName=account.name, UserName=account.name)
    subject = Subject(SubjectKind.USER, account.name)
    params = account.plan("remove_user_from_group", subject, group_name=account.name.upper())
    assert params is not None
    assert params["group_name"] == account.name


def test_conditional_group_is_left_in_place(account: Account) -> None:
    """The action refuses a group whose permissions depend on a condition."""
    conditional = json.loads(ADMIN)
    conditional["Statement"][0]["Condition"] = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    account.put_inline(SubjectKind.GROUP, json.dumps(conditional))
    account.iam.add_user_to_group(GroupName=account.name, UserName=account.name)
    subject = Subject(SubjectKind.USER, account.name)
    with pytest.raises(CannotRestore, match="under a condition"):
        account.plan("remove_user_from_group", subject, group_name=account.name)


def test_user_stays_in_benign_group(account: Account) -> None:
    """A group without administrator permissions is benign."""
    account.put_inline(SubjectKind.GROUP, READ)
    account.iam.add_user_to_group(GroupName=account.name, UserName=account.name)
    subject = Subject(SubjectKind.USER, account.name)
    with pytest.raises(Benign, match="no path to administrator"):
        account.plan("remove_user_from_group", subject, group_name=account.name)


@pytest.mark.parametrize("before", ["", ADMIN_ARN])
def test_exposed_role_is_denied_and_undone(account: Account, before: str) -> None:
    """AWSDenyAll becomes the boundary, and undo restores the previous one."""
    account.iam.update_assume_role_policy(RoleName=account.name, PolicyDocument=FOREIGN)
    if before:
        account.iam.put_role_permissions_boundary(RoleName=account.name, PermissionsBoundary=before)
    subject = Subject(SubjectKind.ROLE, account.name)
    params = account.plan("deny_role_by_boundary", subject)
    account.remediate_and_undo("deny_role_by_boundary", params)
    role = account.iam.get_role(RoleName=account.name)["Role"]
    assert role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", "") == before


def test_role_of_own_account_is_left_alone(account: Account) -> None:
    """The action plans nothing for a role that trusts only its account."""
    assert account.plan("deny_role_by_boundary", Subject(SubjectKind.ROLE, account.name)) is None


def test_trust_policy_is_restored_and_undone(account: Account) -> None:
    """The action restores the previous trust policy, and undo the changed one."""
    account.iam.update_assume_role_policy(RoleName=account.name, PolicyDocument=FOREIGN)
    subject = Subject(SubjectKind.ROLE, account.name)
    params = account.plan("restore_role_trust_policy", subject, previous=OWN)
    account.remediate_and_undo("restore_role_trust_policy", params)


def test_exposed_trust_policy_is_never_restored(account: Account) -> None:
    """The action refuses a previous trust policy that exposed the role too."""
    account.iam.update_assume_role_policy(RoleName=account.name, PolicyDocument=FOREIGN)
    subject = Subject(SubjectKind.ROLE, account.name)
    with pytest.raises(CannotRestore, match="exposed the role too"):
        account.plan("restore_role_trust_policy", subject, previous=trust({"AWS": "*"}))


def test_closed_trust_policy_is_left_alone(account: Account) -> None:
    """The action plans nothing when the trust policy exposes nothing now."""
    subject = Subject(SubjectKind.ROLE, account.name)
    assert account.plan("restore_role_trust_policy", subject, previous=OWN) is None


@pytest.mark.parametrize("now", ["", ADMIN_ARN])
def test_boundary_is_restored_and_undone(account: Account, now: str) -> None:
    """The action restores the previous boundary, and undo the changed one."""
    account.set_boundary(SubjectKind.ROLE, now)
    subject, action = Subject(SubjectKind.ROLE, account.name), "restore_role_permissions_boundary"
    account.remediate_and_undo(action, account.plan(action, subject, previous=account.policy_arn))
    role = account.iam.get_role(RoleName=account.name)["Role"]
    assert role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", "") == now


@pytest.mark.parametrize(
    ("previous", "why"),
    [("", "only removed access"), (ADMIN_ARN, "AWS managed policy/AdministratorAccess")],
)
def test_forbidden_boundary_is_not_restored(account: Account, previous: str, why: str) -> None:
    """The reason says why a boundary cannot be restored."""
    account.set_boundary(SubjectKind.ROLE, DENY_ALL)
    subject = Subject(SubjectKind.ROLE, account.name)
    with pytest.raises(CannotRestore, match=why):
        account.plan("restore_role_permissions_boundary", subject, previous=previous)


def test_tighter_boundary_is_left_in_place(account: Account) -> None:
    """A change that allows no worse privileges is left in place."""
    more = account.iam.create_policy(
        PolicyName=f"{account.name}-s3", PolicyDocument=document("s3:*")
    )
    before, subject = more["Policy"]["Arn"], Subject(SubjectKind.ROLE, account.name)
    account.set_boundary(SubjectKind.ROLE, account.policy_arn)
    with pytest.raises(CannotRestore, match="no worse privileges"):
        account.plan("restore_role_permissions_boundary", subject, previous=before)


def test_deleted_boundary_cannot_be_restored(account: Account) -> None:
    """The action refuses a boundary whose policy was deleted."""
    subject = Subject(SubjectKind.ROLE, account.name)
    with pytest.raises(CannotRestore, match="is deleted"):
        account.plan(
            "restore_role_permissions_boundary", subject, previous=f"{account.policy_arn}-gone"
        )


def test_restored_boundary_is_left_alone(account: Account) -> None:
    """The action plans nothing when the previous boundary is set."""
    account.set_boundary(SubjectKind.ROLE, account.policy_arn)
    subject = Subject(SubjectKind.ROLE, account.name)
    action = "restore_role_permissions_boundary"
    assert account.plan(action, subject, previous=account.policy_arn) is None


@pytest.mark.parametrize("kind", [SubjectKind.USER, SubjectKind.ROLE])
def test_deny_policy_is_attached_again(account: Account, kind: SubjectKind) -> None:
    """The action attaches the deny policy, and undo detaches it."""
    action = f"reattach_{kind}_deny_policy"
    params = account.plan(action, Subject(kind, account.name), policy_arn=DENY_ALL)
    account.remediate_and_undo(action, params)


@pytest.mark.parametrize("kind", [SubjectKind.USER, SubjectKind.ROLE])
def test_only_deny_policies_are_attached(account: Account, kind: SubjectKind) -> None:
    """The action attaches no policy but the protected deny policies."""
    action = f"reattach_{kind}_deny_policy"
    assert ADMIN_ARN not in PROTECTED_DENY_ARNS
    assert account.plan(action, Subject(kind, account.name), policy_arn=ADMIN_ARN) is None


# --- policies that grant and are attached to nobody

DELETE = "delete_unattached_policy"


def made_policy(account: Account, text: str) -> str:
    answer = account.iam.create_policy(
        PolicyName=f"{account.name}-made", PolicyDocument=text, Description="for a test"
    )
    return str(answer["Policy"]["Arn"])


def test_unattached_policy_is_deleted_and_undone(account: Account) -> None:
    """Undo creates the policy again under another ID."""
    arn = made_policy(account, ADMIN)
    planned = account.full_plan(DELETE, Subject(SubjectKind.POLICY, arn))
    assert planned is not None
    assert planned.created == account.iam.get_policy(PolicyArn=arn)["Policy"]["CreateDate"]
    params, action = planned.params, ALL[DELETE]
    assert action.is_present(account.cloud, params)
    assert action.apply(account.cloud, params)
    assert not action.is_present(account.cloud, params)
    assert not action.apply(account.cloud, params)
    action.undo(account.cloud, params)
    again = account.iam.get_policy(PolicyArn=arn)["Policy"]
    assert (again["Description"], again["DefaultVersionId"]) == ("for a test", "v1")
    version = account.iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]
    assert version["Document"] == json.loads(ADMIN)
    assert not action.is_present(account.cloud, params)  # another policy now


def test_benign_policy_is_left_alone(account: Account) -> None:
    """The action plans nothing for a policy without administrator permissions."""
    arn = made_policy(account, READ)
    assert account.plan(DELETE, Subject(SubjectKind.POLICY, arn)) is None


@pytest.mark.parametrize(("why", "text"), [("in use", "in use"), ("several", "several versions")])
def test_policy_in_use_is_not_deleted(account: Account, why: str, text: str) -> None:
    """The action refuses a policy that is in use or has several versions."""
    arn = made_policy(account, ADMIN)
    if why == "in use":
        account.iam.attach_user_policy(UserName=account.name, PolicyArn=arn)
    else:
        account.iam.create_policy_version(PolicyArn=arn, PolicyDocument=READ)
    with pytest.raises(CannotRestore, match=text):
        account.plan(DELETE, Subject(SubjectKind.POLICY, arn))


def test_unnamed_policy_is_left_in_place(account: Account) -> None:
    """The action refuses a finding that does not say the ARN of the policy."""
    with pytest.raises(CannotRestore, match="does not say its ARN"):
        account.plan(DELETE, Subject(SubjectKind.POLICY, "some-name"))


# --- MFA devices


def test_mfa_device_is_deactivated_without_undo(
    account: Account,
) -> None:
    """Only the owner of an MFA device can enroll it again."""
    serial = account.iam.create_virtual_mfa_device(VirtualMFADeviceName=account.name)[
        "VirtualMFADevice"
    ]["SerialNumber"]
    codes = {"AuthenticationCode1": "123456", "AuthenticationCode2": "654321"}
    account.iam.enable_mfa_device(UserName=account.name, SerialNumber=serial, **codes)
    subject, action = Subject(SubjectKind.USER, account.name), ALL["deactivate_mfa_device"]
    params = account.plan(action.info.name, subject, serial_number=serial)
    assert params is not None
    assert action.is_present(account.cloud, params)
    assert action.apply(account.cloud, params)
    assert not action.is_present(account.cloud, params)
    assert account.plan(action.info.name, subject, serial_number=serial) is None
    with pytest.raises(CannotRestore, match="two codes"):
        action.undo(account.cloud, params)
