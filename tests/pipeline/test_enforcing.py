"""The whole pipeline in enforce mode on moto's AWS: what it must leave alone, and what it says."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from countermand.aws.iam import IamIdentities
from countermand.core.errors import Transient
from countermand.core.model import Mode, Record, SubjectKind, Undo
from countermand.operations.undo import undo
from support.accounts import ADMIN, READ, document
from support.world import World

LIMITS = document("s3:*")


def test_the_default_version_is_restored(world: World) -> None:
    world.snapshot()
    world.version(document("lambda:*"), default=False)
    record = world.handle("CreatePolicyVersion", policyDocument=ADMIN, **world.admin_version())
    assert (record.outcome, world.default_version()) == ("applied", "v1")


def test_the_first_version_needs_no_history(world: World) -> None:
    """Without history, the first version is known."""
    record = world.handle("CreatePolicyVersion", policyDocument=ADMIN, **world.admin_version())
    assert (record.outcome, world.default_version()) == ("applied", "v1")


def test_without_history_no_version_is_guessed(world: World) -> None:
    world.version(READ, default=False)
    record = world.handle("CreatePolicyVersion", policyDocument=ADMIN, **world.admin_version())
    assert "the previous default version is unknown" in record.decision.reason
    assert world.default_version() == "v3"


def test_a_later_default_needs_history(
    world: World,
) -> None:
    """Without history, a later default is unknown."""
    world.version(ADMIN, default=False)
    world.version(READ)
    request = {"policyArn": world.policy_arn, "versionId": "v2"}
    world.iam.set_default_policy_version(PolicyArn=world.policy_arn, VersionId="v2")
    record = world.handle("SetDefaultPolicyVersion", **request)
    assert "the previous default version is unknown" in record.decision.reason
    assert world.default_version() == "v2"


def test_a_version_in_place_is_restored_later(world: World) -> None:
    """A version left in place is restored later."""
    world.snapshot()
    request = {"policyArn": world.policy_arn, "setAsDefault": True}
    answer = {"policyVersion": {"versionId": world.version(LIMITS)}}
    world.receive("CreatePolicyVersion", policyDocument=LIMITS, answer=answer, **request)
    world.clock.sleep(2)
    record = world.handle("CreatePolicyVersion", policyDocument=ADMIN, **world.admin_version())
    assert (record.outcome, world.default_version()) == ("applied", "v2")


def undo_as(world: World, record: Record, by: str) -> None:
    remediator = world.pipeline.remediator
    undone = Undo(by, world.clock.now())
    undo(record.decision.id, world.ledger, IamIdentities(world.iam), remediator, undone)


@pytest.mark.parametrize(("by_the_same", "version"), [(True, "v2"), (False, "v1")])
def test_an_undo_holds_when_its_call_is_different(
    world: World, by_the_same: bool, version: str
) -> None:
    world.snapshot()
    record = world.handle("CreatePolicyVersion", policyDocument=ADMIN, **world.admin_version())
    assert world.default_version() == "v1"
    world.clock.sleep(60)
    undo_as(world, record, record.decision.event.actor.arn if by_the_same else "arn:alice")
    assert world.default_version() == "v2"
    world.handle("SetDefaultPolicyVersion", policyArn=world.policy_arn, versionId="v2")
    assert world.default_version() == version


METADATA = '<EntityDescriptor entityID="%s">' + "x" * 1000 + "</EntityDescriptor>"


def test_a_manual_fix_is_not_overruled(world: World) -> None:
    provider = world.iam.create_saml_provider(
        SAMLMetadataDocument=METADATA % "evil", Name=world.name
    )
    arn = {"SAMLProviderArn": provider["SAMLProviderArn"]}
    record = world.handle("UpdateSAMLProvider", sAMLProviderArn=arn["SAMLProviderArn"])
    assert "the previous saml metadata is unknown" in record.decision.reason
    world.clock.sleep(900)
    world.iam.update_saml_provider(**arn, SAMLMetadataDocument=METADATA % "mended")
    world.handle("UpdateSAMLProvider", sAMLProviderArn=arn["SAMLProviderArn"])
    assert "mended" in world.iam.get_saml_provider(**arn)["SAMLMetadataDocument"]


def boundary(world: World, text: str) -> str:
    name = f"{world.name}-{uuid.uuid4().hex[:6]}"
    return str(world.iam.create_policy(PolicyName=name, PolicyDocument=text)["Policy"]["Arn"])


def set_boundary(world: World, arn: str) -> Record:
    world.iam.put_role_permissions_boundary(RoleName=world.name, PermissionsBoundary=arn)
    return world.handle("PutRolePermissionsBoundary", roleName=world.name, permissionsBoundary=arn)


def test_a_tighter_boundary_stays_and_alerts(world: World) -> None:
    loose, strict = boundary(world, ADMIN), boundary(world, READ)
    world.iam.put_role_permissions_boundary(RoleName=world.name, PermissionsBoundary=loose)
    world.snapshot()
    record = set_boundary(world, strict)
    assert "no worse privileges" in record.decision.reason
    role = world.iam.get_role(RoleName=world.name)["Role"]
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == strict


def test_a_boundary_that_is_loosened_comes_back(world: World) -> None:
    strict, loose = boundary(world, READ), boundary(world, ADMIN)
    world.iam.put_role_permissions_boundary(RoleName=world.name, PermissionsBoundary=strict)
    world.snapshot()
    assert set_boundary(world, loose).outcome == "applied"
    role = world.iam.get_role(RoleName=world.name)["Role"]
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == strict


def test_a_value_replaced_early_is_unknown(world: World) -> None:
    """A value that was replaced before the snapshot is unknown."""
    loose = boundary(world, ADMIN)
    world.iam.put_role_permissions_boundary(RoleName=world.name, PermissionsBoundary=loose)
    record = set_boundary(world, loose)
    assert "the previous permissions boundary is unknown" in record.decision.reason
    assert record.outcome == "none"


def test_an_older_object_is_not_of_the_event(world: World) -> None:
    key = world.iam.create_access_key(UserName=world.name)["AccessKey"]["AccessKeyId"]
    world.clock.sleep(600)
    answer = {"accessKey": {"accessKeyId": key}}
    record = world.handle("CreateAccessKey", userName=world.name, answer=answer)
    assert "not by the call of the event" in record.decision.reason
    (shown,) = world.iam.list_access_keys(UserName=world.name)["AccessKeyMetadata"]
    assert shown["Status"] == "Active"


def test_a_break_glass_role_keeps_its_profile(world: World) -> None:
    """A break-glass role stays in its instance profile."""
    name = f"break-glass-{world.name}"
    world.iam.create_role(RoleName=name, AssumeRolePolicyDocument=READ)
    world.iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=ADMIN)
    world.iam.create_instance_profile(InstanceProfileName=name)
    world.iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    record = world.handle("AddRoleToInstanceProfile", instanceProfileName=name, roleName=name)
    assert "uses a break-glass role" in record.decision.reason
    assert world.iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Roles"]


def test_a_fixed_group_keeps_its_user(world: World) -> None:
    """A group that was fixed before the write keeps its user."""
    group = {"GroupName": world.name}
    world.iam.put_group_policy(**group, PolicyName="p", PolicyDocument=ADMIN)
    world.iam.add_user_to_group(**group, UserName=world.name)
    mended = {**group, "PolicyName": "p", "PolicyDocument": READ}
    mend = lambda: world.iam.put_group_policy(**mended)  # noqa: E731
    world.meddling.before("iam:ListGroupsForUser", 2, mend)
    with pytest.raises(Transient, match="re-evaluated"):
        world.handle("AddUserToGroup", userName=world.name, groupName=world.name)
    assert world.iam.list_groups_for_user(UserName=world.name)["Groups"]


def test_a_dry_run_saves_no_baseline(dynamodb: Any, tmp_path: Path) -> None:
    """A dry run saves no baseline of its target."""
    world = World(dynamodb.meta.endpoint_url, tmp_path, Mode.DRY_RUN)
    world.put_inline(SubjectKind.USER, READ)
    world.snapshot()
    for text in (ADMIN, document("iam:*")):
        world.put_inline(SubjectKind.USER, text)
        named = {"userName": world.name, "policyName": "inline"}
        record = world.handle("PutUserPolicy", policyDocument=text, **named)
        (outcome,) = record.outcomes
        assert record.outcome == "simulated"
        assert json.loads(outcome.step.call.params["previous_document"]) == json.loads(READ)
    world.ledger.close()
