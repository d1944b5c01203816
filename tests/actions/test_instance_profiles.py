"""Roles in instance profiles, and profiles on instances, against moto's IAM and EC2."""

import uuid
from typing import Any

import pytest

from countermand.actions import ALL
from countermand.core.errors import Benign, CannotRestore, Gone
from countermand.ports import Plan
from support.accounts import document
from support.steps import (
    MOTO_ACCOUNT,
    MotoClients,
    Script,
    full_plan,
    make_admin,
    plan,
    remediate_and_undo,
)

ACTION = "remove_role_from_instance_profile"
DISASSOCIATE = "disassociate_instance_profile"
IMAGE = "ami-12c6146b"
"""One of moto's images: to list them all takes seconds."""


@pytest.fixture
def clients(dynamodb: Any) -> MotoClients:
    return MotoClients(dynamodb.meta.endpoint_url)


@pytest.fixture
def name(clients: MotoClients) -> str:
    """Of a role, and of the instance profile that it is in."""
    iam, name = clients.get("iam"), f"iam-test-{uuid.uuid4().hex[:12]}"
    iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")
    iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    return name


@pytest.mark.parametrize("how", ["attached", "inline"])
def test_admin_role_is_removed_and_undone(clients: MotoClients, name: str, how: str) -> None:
    """Undo adds the role to the instance profile again."""
    make_admin(clients, name, how)
    params = plan(clients.cloud(), ACTION, name, role_name=name)
    remediate_and_undo(clients.cloud(), ACTION, params)


def test_benign_role_stays_in_profile(clients: MotoClients, name: str) -> None:
    """A role without administrator permissions is benign."""
    with pytest.raises(Benign, match="role gives no path"):
        plan(clients.cloud(), ACTION, name, role_name=name)


def test_role_name_ignores_case(clients: MotoClients, name: str) -> None:
    """IAM and the action ignore the case of a role name."""
    make_admin(clients, name)
    params = {"instance_profile_name": name, "role_name": name}
    role_arn = f"arn:aws:iam::{MOTO_ACCOUNT}:role/{name}"
    found = full_plan(clients.cloud(), ACTION, name, role_name=name.upper())
    assert found == Plan(params, role_arns=(role_arn,))


def test_role_within_boundary_stays_in_profile(clients: MotoClients, name: str) -> None:
    """A role that its permissions boundary holds back is benign."""
    make_admin(clients, name)
    iam = clients.get("iam")
    limits = iam.create_policy(PolicyName=name, PolicyDocument=document("s3:*"))["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=limits)
    with pytest.raises(Benign, match="role gives no path"):
        plan(clients.cloud(), ACTION, name, role_name=name)


def test_customer_policy_of_role_counts(clients: MotoClients, name: str) -> None:
    """A customer-managed policy of the role counts like an AWS managed one."""
    iam, text = clients.get("iam"), document("*")
    arn = iam.create_policy(PolicyName=name, PolicyDocument=text)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    assert plan(clients.cloud(), ACTION, name, role_name=name) is not None


def test_removed_role_is_left_alone(clients: MotoClients, name: str) -> None:
    """The action plans nothing when the role is no longer in the profile."""
    make_admin(clients, name)
    which = {"InstanceProfileName": name, "RoleName": name}
    clients.get("iam").remove_role_from_instance_profile(**which)
    assert plan(clients.cloud(), ACTION, name, role_name=name) is None
    script, params = Script("iam"), {"instance_profile_name": name, "role_name": name}
    script.refuse("remove_role_from_instance_profile", "NoSuchEntity")
    assert not ALL[ACTION].apply(script.cloud(), params)


def test_a_profile_that_is_gone_has_no_role(clients: MotoClients) -> None:
    with pytest.raises(Gone):
        plan(clients.cloud(), ACTION, "no-such-profile", role_name="any")


@pytest.fixture
def instance(clients: MotoClients, name: str) -> str:
    """An instance that has the profile."""
    ec2 = clients.get("ec2")
    made = ec2.run_instances(ImageId=IMAGE, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    ec2.associate_iam_instance_profile(InstanceId=made, IamInstanceProfile={"Name": name})
    return str(made)


def association(clients: MotoClients, instance: str) -> str:
    which = [{"Name": "instance-id", "Values": [instance]}]
    answer = clients.get("ec2").describe_iam_instance_profile_associations(Filters=which)
    return str(answer["IamInstanceProfileAssociations"][0]["AssociationId"])


@pytest.mark.parametrize("how", ["attached", "inline"])
def test_admin_profile_is_removed_and_undone(
    clients: MotoClients, name: str, instance: str, how: str
) -> None:
    """Undo associates the instance profile again."""
    make_admin(clients, name, how)
    params = plan(clients.cloud(), DISASSOCIATE, instance, profile_name=name)
    remediate_and_undo(clients.cloud(), DISASSOCIATE, params)


def test_association_leads_to_instance(clients: MotoClients, name: str, instance: str) -> None:
    """The ID of an association is enough to find the instance."""
    make_admin(clients, name)
    arn = f"arn:aws:iam::123456789012:instance-profile/{name}"
    found = association(clients, instance)
    params = {"instance_id": instance, "profile_arn": arn}
    role_arn = f"arn:aws:iam::{MOTO_ACCOUNT}:role/{name}"
    assert full_plan(clients.cloud(), DISASSOCIATE, found, new_profile_arn=arn) == Plan(
        params, role_arns=(role_arn,)
    )


def test_benign_profile_stays_on_instance(clients: MotoClients, name: str, instance: str) -> None:
    """An instance profile without administrator permissions is benign."""
    with pytest.raises(Benign, match="role gives no path"):
        plan(clients.cloud(), DISASSOCIATE, instance, profile_name=name)


def test_removed_profile_is_left_alone(clients: MotoClients, name: str, instance: str) -> None:
    """The action plans nothing when the profile is no longer associated."""
    make_admin(clients, name)
    params = plan(clients.cloud(), DISASSOCIATE, instance, profile_name=name)
    assert params is not None
    gone = association(clients, instance)
    clients.get("ec2").disassociate_iam_instance_profile(AssociationId=gone)
    assert plan(clients.cloud(), DISASSOCIATE, instance, profile_name=name) is None
    assert plan(clients.cloud(), DISASSOCIATE, gone, profile_name=name) is None
    assert not ALL[DISASSOCIATE].apply(clients.cloud(), params)


def test_later_profile_is_left_alone(clients: MotoClients, name: str, instance: str) -> None:
    """The action leaves a profile that the event does not name."""
    make_admin(clients, name)
    params = plan(clients.cloud(), DISASSOCIATE, instance, profile_name=name)
    assert params is not None
    other = f"{name}-other"
    clients.get("iam").create_instance_profile(InstanceProfileName=other)
    clients.get("iam").add_role_to_instance_profile(InstanceProfileName=other, RoleName=name)
    clients.get("ec2").replace_iam_instance_profile_association(
        AssociationId=association(clients, instance), IamInstanceProfile={"Name": other}
    )
    assert plan(clients.cloud(), DISASSOCIATE, instance, profile_name=name) is None
    assert not ALL[DISASSOCIATE].is_present(clients.cloud(), params)
    assert not ALL[DISASSOCIATE].apply(clients.cloud(), params)


@pytest.mark.parametrize("code", ["InvalidAssociationID.NotFound", "InvalidInstanceID.NotFound"])
def test_an_instance_that_is_gone_has_no_profile(code: str) -> None:
    script, params = Script("ec2"), {"instance_id": "i-0", "profile_arn": "arn:p/x"}
    script.refuse("describe_iam_instance_profile_associations", code)
    assert not ALL[DISASSOCIATE].is_present(script.cloud(), params)


def test_event_without_profile_is_refused(clients: MotoClients, instance: str) -> None:
    """The action refuses an event that does not name a profile."""
    with pytest.raises(CannotRestore, match="does not name the instance profile"):
        plan(clients.cloud(), DISASSOCIATE, instance)
