"""Trust anchors and profiles of IAM Roles Anywhere. No emulator implements them: so against
botocore's model of the service, and IAM's part against moto.
"""

import uuid
from typing import Any

import pytest

from countermand.actions import ALL
from countermand.core.errors import Benign
from support.fakes import NOW
from support.steps import MotoClients, Script, make_admin, plan, remediate_and_undo

ANCHOR = "3f0d2b9a-0000-4000-8000-000000000001"
ANCHOR_ARN = f"arn:aws:rolesanywhere:us-east-1:123456789012:trust-anchor/{ANCHOR}"
PROFILE = "3f0d2b9a-0000-4000-8000-000000000002"
PROFILE_ARN = f"arn:aws:rolesanywhere:us-east-1:123456789012:profile/{PROFILE}"


def anchor(script: Script, method: str, *, enabled: bool) -> None:
    answer = {"trustAnchor": {"trustAnchorId": ANCHOR, "enabled": enabled, "createdAt": NOW}}
    script.expect(method, {"trustAnchorId": ANCHOR}, answer)


def profile(script: Script, method: str, *roles: str, enabled: bool) -> None:
    arns = [f"arn:aws:iam::123456789012:role/ci/{role}" for role in roles]
    shown = {"profileId": PROFILE, "enabled": enabled, "roleArns": arns, "createdAt": NOW}
    answer = {"profile": shown}
    script.expect(method, {"profileId": PROFILE}, answer)


@pytest.fixture
def moto(dynamodb: Any) -> MotoClients:
    return MotoClients(dynamodb.meta.endpoint_url)


@pytest.fixture
def role(moto: MotoClients) -> str:
    name = f"iam-test-{uuid.uuid4().hex[:12]}"
    moto.get("iam").create_role(RoleName=name, AssumeRolePolicyDocument="{}", Path="/ci/")
    return name


def test_trust_anchor_is_disabled_and_undone() -> None:
    script = Script("rolesanywhere")
    anchor(script, "get_trust_anchor", enabled=True)
    anchor(script, "get_trust_anchor", enabled=True)
    anchor(script, "disable_trust_anchor", enabled=False)
    anchor(script, "get_trust_anchor", enabled=False)
    anchor(script, "enable_trust_anchor", enabled=True)
    anchor(script, "get_trust_anchor", enabled=True)
    params = plan(script.cloud(), "disable_trust_anchor", ANCHOR_ARN)
    remediate_and_undo(script.cloud(), "disable_trust_anchor", params)
    script.ended()


def test_a_disabled_trust_anchor_is_left_alone() -> None:
    script = Script("rolesanywhere")
    anchor(script, "get_trust_anchor", enabled=False)
    assert plan(script.cloud(), "disable_trust_anchor", ANCHOR_ARN) is None


def test_missing_trust_anchor_needs_nothing() -> None:
    script, params = Script("rolesanywhere"), {"trust_anchor_id": ANCHOR}
    script.refuse("disable_trust_anchor", "ResourceNotFoundException")
    script.refuse("get_trust_anchor", "ResourceNotFoundException")
    assert not ALL["disable_trust_anchor"].apply(script.cloud(), params)
    assert not ALL["disable_trust_anchor"].is_present(script.cloud(), params)


@pytest.mark.parametrize("how", ["attached", "inline"])
def test_admin_profile_is_disabled_and_undone(moto: MotoClients, role: str, how: str) -> None:
    """Undo enables the Roles Anywhere profile again."""
    make_admin(moto, role, how)
    script = Script("rolesanywhere")
    profile(script, "get_profile", "gone", role, enabled=True)
    profile(script, "get_profile", "gone", role, enabled=True)
    profile(script, "disable_profile", "gone", role, enabled=False)
    profile(script, "get_profile", "gone", role, enabled=False)
    profile(script, "enable_profile", "gone", role, enabled=True)
    profile(script, "get_profile", "gone", role, enabled=True)
    params = plan(script.cloud(moto), "disable_profile", PROFILE_ARN)
    remediate_and_undo(script.cloud(moto), "disable_profile", params)
    script.ended()


def test_benign_profile_is_left_alone(moto: MotoClients, role: str) -> None:
    """A profile without administrator roles is benign."""
    script = Script("rolesanywhere")
    profile(script, "get_profile", role, enabled=True)
    with pytest.raises(Benign, match="role gives no path"):
        plan(script.cloud(moto), "disable_profile", PROFILE_ARN)


def test_a_disabled_profile_is_left_alone(moto: MotoClients, role: str) -> None:
    make_admin(moto, role, "attached")
    script = Script("rolesanywhere")
    profile(script, "get_profile", role, enabled=False)
    assert plan(script.cloud(moto), "disable_profile", PROFILE_ARN) is None
