"""Permission sets of Identity Center and who has them: against moto, and where it has no state of
its own that changes with time, against botocore's model of the service.
"""

import json
import uuid
from collections.abc import Mapping
from typing import Any

import pytest

from countermand.actions import ALL
from countermand.actions.identity_center.delete_account_assignment import DeleteAccountAssignment
from countermand.actions.identity_center.detach_permission_set_policy import (
    DetachPermissionSetPolicy,
)
from countermand.core.errors import Benign, CannotRestore, Denied, Permanent, Transient
from support.steps import ADMIN_ARN, MOTO_ACCOUNT, MotoClients, Script, plan, remediate_and_undo

INSTANCE = "arn:aws:sso:::instance/ssoins-1111222233334444"
SET = "arn:aws:sso:::permissionSet/ssoins-1111222233334444/ps-5555666677778888"
WHO = {"principal_type": "USER", "principal_id": "34887428-4081-7042-c3c6-000000000000"}
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
REQUEST = {
    "InstanceArn": INSTANCE,
    "TargetId": MOTO_ACCOUNT,
    "TargetType": "AWS_ACCOUNT",
    "PermissionSetArn": SET,
    "PrincipalType": "USER",
    "PrincipalId": WHO["principal_id"],
}
PARAMS = {
    "permission_set_arn": SET,
    "instance_arn": INSTANCE,
    "target_id": MOTO_ACCOUNT,
    **WHO,
}
WHICH = {"InstanceArn": INSTANCE, "PermissionSetArn": SET}
POLICY = {"permission_set_arn": SET, "instance_arn": INSTANCE, "policy_arn": ADMIN_ARN}


class Waits:
    """A clock that only counts."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self, seconds: float) -> None:
        self.seconds += seconds


class Center:
    """Identity Center with a permission set that a user has."""

    def __init__(self, clients: MotoClients) -> None:
        self.client, self.cloud = clients.get("sso-admin"), clients.cloud()
        self.instance = self.client.list_instances()["Instances"][0]["InstanceArn"]
        made = self.client.create_permission_set(
            Name=f"t-{uuid.uuid4().hex[:12]}", InstanceArn=self.instance
        )
        self.set = made["PermissionSet"]["PermissionSetArn"]
        self.which = {"InstanceArn": self.instance, "PermissionSetArn": self.set}
        self.client.create_account_assignment(**REQUEST | self.which)

    def evidence(self) -> dict[str, str]:
        return {"instance_arn": self.instance, "target_id": MOTO_ACCOUNT, **WHO}

    def attach(self, policy_arn: str) -> None:
        self.client.attach_managed_policy_to_permission_set(
            **self.which, ManagedPolicyArn=policy_arn
        )


@pytest.fixture
def center(dynamodb: Any) -> Center:
    return Center(MotoClients(dynamodb.meta.endpoint_url))


@pytest.mark.parametrize("how", ["attached", "inline"])
def test_admin_assignment_is_deleted_and_undone(center: Center, how: str) -> None:
    """Undo creates the assignment of the administrator permission set again."""
    if how == "attached":
        center.attach(ADMIN_ARN)
    else:
        statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        center.client.put_inline_policy_to_permission_set(**center.which, InlinePolicy=document)
    action = DeleteAccountAssignment(Waits())
    params = plan(center.cloud, action, center.set, **center.evidence())
    remediate_and_undo(center.cloud, action, params)


def test_benign_assignment_is_left_alone(center: Center) -> None:
    """A permission set without administrator permissions is benign."""
    center.attach(READ_ONLY)
    with pytest.raises(Benign, match="permission set gives no path"):
        plan(center.cloud, DeleteAccountAssignment(), center.set, **center.evidence())


def test_set_with_unreadable_policies_is_kept(center: Center) -> None:
    """The action refuses a set with customer-managed policies, which it cannot read."""
    center.attach(READ_ONLY)
    policy = {"Name": "team-admin", "Path": "/"}
    center.client.attach_customer_managed_policy_reference_to_permission_set(
        **center.which, CustomerManagedPolicyReference=policy
    )
    with pytest.raises(CannotRestore, match="only the account shows, such as team-admin"):
        plan(center.cloud, DeleteAccountAssignment(), center.set, **center.evidence())


def test_deleted_assignment_is_left_alone(center: Center) -> None:
    """The action plans nothing when the assignment is gone."""
    center.attach(ADMIN_ARN)
    center.client.delete_account_assignment(**REQUEST | center.which)
    assert plan(center.cloud, DeleteAccountAssignment(), center.set, **center.evidence()) is None


def deletion(status: str, **more: str) -> Mapping[str, Any]:
    return {"AccountAssignmentDeletionStatus": {"Status": status, "RequestId": "r" * 36, **more}}


def asked(script: Script, status: str, **more: str) -> None:
    request = {"InstanceArn": INSTANCE, "AccountAssignmentDeletionRequestId": "r" * 36}
    answer = deletion(status, **more)
    script.expect("describe_account_assignment_deletion_status", request, answer)


def test_deletion_is_awaited() -> None:
    """The action polls until Identity Center has deleted the assignment."""
    script, waits = Script("sso-admin"), Waits()
    script.expect("delete_account_assignment", REQUEST, deletion("IN_PROGRESS"))
    for status in ("IN_PROGRESS", "IN_PROGRESS", "SUCCEEDED"):
        asked(script, status)
    assert DeleteAccountAssignment(waits).apply(script.cloud(), PARAMS)
    script.ended()
    assert waits.seconds == 6.0


def test_failed_deletion_is_permanent() -> None:
    """The action raises the reason that Identity Center gives for a failure."""
    script = Script("sso-admin")
    script.expect("delete_account_assignment", REQUEST, deletion("IN_PROGRESS"))
    asked(script, "FAILED", FailureReason="the account is closed")
    with pytest.raises(Permanent, match="the account is closed"):
        DeleteAccountAssignment(Waits()).apply(script.cloud(), PARAMS)


def test_endless_deletion_is_left_running() -> None:
    """The action stops polling after half a minute."""
    script, waits = Script("sso-admin"), Waits()
    script.expect("delete_account_assignment", REQUEST, deletion("IN_PROGRESS"))
    for _ in range(15):
        asked(script, "IN_PROGRESS")
    assert DeleteAccountAssignment(waits).apply(script.cloud(), PARAMS)
    assert waits.seconds == 30.0


def test_a_set_that_is_gone_is_assigned_to_nobody() -> None:
    script, action = Script("sso-admin"), DeleteAccountAssignment(Waits())
    script.refuse("delete_account_assignment", "ResourceNotFoundException")
    script.refuse("list_account_assignments", "ResourceNotFoundException")
    assert not action.apply(script.cloud(), PARAMS)
    assert not action.is_present(script.cloud(), PARAMS)


def provisioning(status: str, **more: str) -> Mapping[str, Any]:
    return {"PermissionSetProvisioningStatus": {"Status": status, "RequestId": "r" * 36, **more}}


def provisioned(script: Script, *statuses: str) -> None:
    request = {**WHICH, "TargetType": "ALL_PROVISIONED_ACCOUNTS"}
    script.expect("provision_permission_set", request, provisioning("IN_PROGRESS"))
    for status in statuses:
        script.expect(
            "describe_permission_set_provisioning_status",
            {"InstanceArn": INSTANCE, "ProvisionPermissionSetRequestId": "r" * 36},
            provisioning(status, FailureReason="no reason given"),
        )


def listed(script: Script, *arns: str) -> None:
    answer = {"AttachedManagedPolicies": [{"Name": "x", "Arn": arn} for arn in arns]}
    script.expect("list_managed_policies_in_permission_set", WHICH, answer)


def test_set_policy_is_detached_and_undone() -> None:
    """The action and its undo both provision the permission set."""
    script, action = Script("sso-admin"), DetachPermissionSetPolicy(Waits())
    change = {**WHICH, "ManagedPolicyArn": ADMIN_ARN}
    listed(script, READ_ONLY, ADMIN_ARN)
    listed(script, READ_ONLY, ADMIN_ARN)
    script.expect("detach_managed_policy_from_permission_set", change, {})
    provisioned(script, "SUCCEEDED")
    listed(script, READ_ONLY)
    script.expect("attach_managed_policy_to_permission_set", change, {})
    provisioned(script, "IN_PROGRESS", "SUCCEEDED")
    listed(script, READ_ONLY, ADMIN_ARN)
    evidence = {"instance_arn": INSTANCE, "policy_arn": ADMIN_ARN}
    params = plan(script.cloud(), action, SET, **evidence)
    remediate_and_undo(script.cloud(), action, params)
    script.ended()


def test_second_attempt_provisions() -> None:
    """A second attempt provisions a set whose policy the first attempt detached."""
    script = Script("sso-admin")
    script.refuse("detach_managed_policy_from_permission_set", "ResourceNotFoundException")
    provisioned(script, "SUCCEEDED")
    assert not DetachPermissionSetPolicy(Waits()).apply(script.cloud(), POLICY)
    script.ended()


def test_a_set_that_is_gone_has_no_policy() -> None:
    script, action = Script("sso-admin"), DetachPermissionSetPolicy(Waits())
    script.refuse("detach_managed_policy_from_permission_set", "ResourceNotFoundException")
    script.refuse("provision_permission_set", "ResourceNotFoundException")
    script.refuse("list_managed_policies_in_permission_set", "ResourceNotFoundException")
    assert not action.apply(script.cloud(), POLICY)
    assert not action.is_present(script.cloud(), POLICY)


def test_failed_provisioning_can_be_undone() -> None:
    """A failure after the detachment is no refusal."""
    script = Script("sso-admin")
    change = {**WHICH, "ManagedPolicyArn": ADMIN_ARN}
    script.expect("detach_managed_policy_from_permission_set", change, {})
    provisioned(script, "FAILED")
    script.expect("detach_managed_policy_from_permission_set", change, {})
    script.refuse("provision_permission_set", "AccessDeniedException")
    for why in ("no reason given", "AccessDeniedException"):
        with pytest.raises(Transient, match=f"detached, but not provisioned: .*{why}") as error:
            DetachPermissionSetPolicy(Waits()).apply(script.cloud(), POLICY)
        assert not isinstance(error.value, Denied)


def test_only_admin_policies_are_detached() -> None:
    """The action detaches no policy but the AWS administrator policies."""
    script = Script("sso-admin")
    evidence = {"instance_arn": INSTANCE, "policy_arn": READ_ONLY}
    assert plan(script.cloud(), DetachPermissionSetPolicy(), SET, **evidence) is None


JOIN = "delete_group_membership"


class Joined(Center):
    """A user who joined a group that has the permission set."""

    def __init__(self, clients: MotoClients) -> None:
        super().__init__(clients)
        self.people = clients.get("identitystore")
        self.store = self.client.list_instances()["Instances"][0]["IdentityStoreId"]
        name = f"t-{uuid.uuid4().hex[:12]}"
        self.user = self.people.create_user(
            IdentityStoreId=self.store,
            UserName=name,
            DisplayName=name,
            Name={"GivenName": "A", "FamilyName": "B"},
        )["UserId"]
        self.group = self.people.create_group(IdentityStoreId=self.store, DisplayName=name)[
            "GroupId"
        ]
        self.membership = self.people.create_group_membership(
            IdentityStoreId=self.store, GroupId=self.group, MemberId={"UserId": self.user}
        )["MembershipId"]

    def assign(self, account_id: str = MOTO_ACCOUNT) -> None:
        who = {"PrincipalType": "GROUP", "PrincipalId": self.group, "TargetId": account_id}
        self.client.create_account_assignment(**REQUEST | self.which | who)

    def plan(self, **evidence: str) -> Mapping[str, str] | None:
        return plan(self.cloud, JOIN, self.group, account_id=MOTO_ACCOUNT, **evidence)


@pytest.fixture
def joined(dynamodb: Any) -> Joined:
    return Joined(MotoClients(dynamodb.meta.endpoint_url))


def test_admin_member_is_removed_and_undone(joined: Joined) -> None:
    """Undo adds the user to the group of Identity Center again."""
    joined.attach(ADMIN_ARN)
    joined.assign()
    params = joined.plan(member_id=joined.user, identity_store_id=joined.store)
    remediate_and_undo(joined.cloud, JOIN, params)


def test_identity_store_is_read_if_unnamed(joined: Joined) -> None:
    """The action finds the identity store that the event does not name."""
    joined.attach(ADMIN_ARN)
    joined.assign()
    params = joined.plan(member_id=joined.user)
    assert params is not None
    assert params["identity_store_id"] == joined.store


def test_member_of_benign_group_stays(joined: Joined) -> None:
    """A group without administrator permissions is benign."""
    joined.attach(READ_ONLY)
    joined.assign()
    with pytest.raises(Benign, match="group gives no path"):
        joined.plan(member_id=joined.user)


def test_group_without_assignment_is_benign(joined: Joined) -> None:
    """Assignments in other accounts do not count."""
    joined.attach(ADMIN_ARN)
    joined.assign("999999999999")
    with pytest.raises(Benign, match="group gives no path"):
        joined.plan(member_id=joined.user)


def test_group_of_other_store_is_left_alone(joined: Joined) -> None:
    """The action plans nothing for an identity store of another instance."""
    joined.attach(ADMIN_ARN)
    joined.assign()
    assert joined.plan(member_id=joined.user, identity_store_id="d-0000000000") is None


def test_a_member_who_left_since_is_left_alone(joined: Joined) -> None:
    joined.attach(ADMIN_ARN)
    joined.assign()
    params = joined.plan(member_id=joined.user)
    assert params is not None
    joined.people.delete_group_membership(
        IdentityStoreId=joined.store, MembershipId=joined.membership
    )
    assert joined.plan(member_id=joined.user) is None
    assert not ALL[JOIN].apply(joined.cloud, params)
