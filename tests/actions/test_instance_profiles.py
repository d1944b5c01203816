"""Roles in instance profiles, against moto's IAM."""

import uuid
from typing import Any

import pytest

from countermand.actions import ALL
from steps import MotoClients, Script, look, make_admin, take_back_and_undo

ACTION = "remove_role_from_instance_profile"


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
def test_an_administrator_is_taken_out_of_the_profile_and_put_back(
    clients: MotoClients, name: str, how: str
) -> None:
    make_admin(clients, name, how)
    params = look(clients.cloud(), ACTION, name, role_name=name)
    take_back_and_undo(clients.cloud(), ACTION, params)


def test_a_harmless_role_stays_in_the_profile(clients: MotoClients, name: str) -> None:
    assert look(clients.cloud(), ACTION, name, role_name=name) is None


def test_a_role_that_left_the_profile_since_is_left_alone(clients: MotoClients, name: str) -> None:
    make_admin(clients, name)
    which = {"InstanceProfileName": name, "RoleName": name}
    clients.get("iam").remove_role_from_instance_profile(**which)
    assert look(clients.cloud(), ACTION, name, role_name=name) is None
    script, params = Script("iam"), {"instance_profile_name": name, "role_name": name}
    script.refuse("remove_role_from_instance_profile", "NoSuchEntity")
    assert not ALL[ACTION].apply(script.cloud(), params)


def test_a_profile_that_is_gone_has_no_role(clients: MotoClients) -> None:
    assert look(clients.cloud(), ACTION, "no-such-profile", role_name="any") is None
