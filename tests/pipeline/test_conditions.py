"""One certainty everywhere: what a condition limits is never reverted, what it does not limit is.

| the policy gives administrator permissions | verdict    | changed |
|---------------------------------------------|------------|---------|
| under a condition that limits nothing       | remediate  | yes     |
| only with MFA, or only from an address      | alert only | no      |
"""

import json
from collections.abc import Callable

import pytest

from countermand.core.model import Guard, Record, SubjectKind, Verdict
from support.accounts import KINDS, READ
from support.world import World

LIMITS_NOTHING = [
    {"Bool": {"aws:SecureTransport": "true"}},
    {"StringLike": {"aws:PrincipalArn": "*"}},
    {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}},
]
DEPENDS = [
    {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
    {"Bool": {"aws:MultiFactorAuthPresent": ["true"]}},
    {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}},
]


def admin(condition: object) -> str:
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def inline(kind: SubjectKind) -> Callable[[World, str], Record]:
    def put(world: World, text: str) -> Record:
        world.snapshot()
        world.put_inline(kind, text)
        request = {f"{kind}Name": world.name, "policyName": "inline", "policyDocument": text}
        return world.handle(f"Put{kind.capitalize()}Policy", **request)

    return put


def attached(kind: SubjectKind) -> Callable[[World, str], Record]:
    def attach(world: World, text: str) -> Record:
        world.version(text)
        name = {f"{kind.capitalize()}Name": world.name}
        getattr(world.iam, f"attach_{kind}_policy")(**name, PolicyArn=world.policy_arn)
        request = {f"{kind}Name": world.name, "policyArn": world.policy_arn}
        return world.handle(f"Attach{kind.capitalize()}Policy", **request)

    return attach


def default_version(world: World, text: str) -> Record:
    world.snapshot()
    answer = {"policyVersion": {"versionId": world.version(text)}}
    request = {"policyArn": world.policy_arn, "setAsDefault": True, "policyDocument": text}
    return world.handle("CreatePolicyVersion", answer=answer, **request)


def membership(world: World, text: str) -> Record:
    world.put_inline(SubjectKind.GROUP, text)
    world.iam.add_user_to_group(UserName=world.name, GroupName=world.name)
    return world.handle("AddUserToGroup", userName=world.name, groupName=world.name)


WAYS = {
    **{f"inline policy of a {kind}": inline(kind) for kind in KINDS},
    **{f"policy attached to a {kind}": attached(kind) for kind in KINDS},
    "default version": default_version,
    "group membership": membership,
}


@pytest.mark.parametrize("condition", DEPENDS, ids=json.dumps)
@pytest.mark.parametrize("change", WAYS.values(), ids=WAYS)
def test_what_a_condition_limits_is_not_reverted(
    world: World,
    change: Callable[[World, str], Record],
    condition: object,
) -> None:
    record = change(world, admin(condition))
    assert record.decision.verdict is Verdict.ALERT_ONLY, record.decision.reason
    assert record.decision.leading.reasons[0].guard in {Guard.UNCERTAIN, Guard.IRREVERSIBLE}
    assert "under a condition" in record.decision.reason
    assert record.outcomes == ()


@pytest.mark.parametrize("condition", LIMITS_NOTHING, ids=json.dumps)
@pytest.mark.parametrize("change", WAYS.values(), ids=WAYS)
def test_what_a_condition_does_not_limit_is_reverted(
    world: World,
    change: Callable[[World, str], Record],
    condition: object,
) -> None:
    record = change(world, admin(condition))
    assert record.decision.verdict is Verdict.REMEDIATE, record.decision.reason
    assert record.outcome == "applied"


def test_a_benign_policy_under_a_condition_stays(world: World) -> None:
    world.snapshot()
    world.put_inline(SubjectKind.USER, READ)
    world.receive("PutUserPolicy", userName=world.name, policyName="inline", policyDocument=READ)
    assert world.iam.list_user_policies(UserName=world.name)["PolicyNames"] == ["inline"]
