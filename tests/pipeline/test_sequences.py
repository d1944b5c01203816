"""Several events that together mean more: one decision on the whole, in whatever order."""

import json
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from countermand.core.envelope import attach_event, envelope
from countermand.core.errors import Gone, Transient
from countermand.core.model import Record, Subject, SubjectKind, Verdict
from countermand.pipeline.pipeline import Result
from support.fakes import ACCOUNT, NOW, user
from support.stage import Stage

USER = "iam-test-user"
NEW_USER = "new_user_made_powerful"
PROBING = "denied_calls_repeated"


def call(name: str, number: int, *, seconds: float = -60, **changes: Any) -> str:
    """The body of a call about USER, so many seconds after NOW."""
    record = attach_event(ACCOUNT, USER)
    at = NOW + timedelta(seconds=seconds)
    record |= {
        "eventName": name,
        "eventID": f"{number:08d}-0000-0000-0000-000000000000",
        "eventTime": f"{at:%Y-%m-%dT%H:%M:%SZ}",
    }
    return json.dumps(envelope(record | changes), separators=(",", ":"))


def backdoor(*seconds: float) -> list[str]:
    names = ("CreateUser", "AttachUserPolicy", "CreateAccessKey")
    timed = zip(names, seconds, strict=True)
    return [call(name, number, seconds=at) for number, (name, at) in enumerate(timed)]


def denied(number: int, seconds: float = -60) -> str:
    changes = {"errorCode": "AccessDenied", "requestParameters": None}
    return call("AttachUserPolicy", number, seconds=seconds, **changes)


def sequences(stage: Stage, rule_id: str = NEW_USER) -> tuple[Record, ...]:
    return stage.records(rule_id=rule_id)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_backdoor_is_one_sequence_in_any_order(stage: Stage, order: tuple[int, ...]) -> None:
    bodies, pipeline = backdoor(-60, -60, -60), stage.pipeline()
    for count, index in enumerate(order, start=1):
        assert len(sequences(stage)) == 0
        pipeline.handle(bodies[index])
        assert len(sequences(stage)) == (1 if count == len(order) else 0)
    (record,) = sequences(stage)
    assert record.decision.leading.finding.subject is not None
    assert record.decision.leading.finding.subject.name == USER
    sent = [alert for alert in stage.notifier.alerts if alert.attributes["rule_id"] == NEW_USER]
    assert len(sent) == 1


@pytest.mark.parametrize(
    "name",
    [
        "CreateAccessKey",
        "CreateLoginProfile",
        "UpdateLoginProfile",
        "CreateServiceSpecificCredential",
    ],
)
def test_any_credential_makes_a_backdoor_whole(stage: Stage, name: str) -> None:
    created, attached, _ = backdoor(-60, -60, -60)
    stage.identities.fail["iam:GetLoginProfile"] = [Gone("iam:GetLoginProfile: NoSuchEntity")]
    for body in (created, attached, call(name, 7)):
        stage.pipeline().handle(body)
    assert len(sequences(stage)) == 1


@pytest.mark.parametrize(("action", "whole"), [("*", True), ("s3:GetObject", False)])
def test_an_admin_policy_of_ones_own_is_a_step(stage: Stage, action: str, *, whole: bool) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:policy/iam-test-x"
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    stage.identities.documents[arn] = [{"Version": "2012-10-17", "Statement": [statement]}]
    stage.users(user(policy_arns=frozenset({arn})))
    created, _, key = backdoor(-60, -60, -60)
    request = {"userName": USER, "policyArn": arn}
    attached = call("AttachUserPolicy", 7, requestParameters=request)
    for body in (created, attached, key, attached):
        stage.pipeline().handle(body)
    assert bool(sequences(stage)) is whole


def test_an_opened_and_assumed_role(stage: Stage) -> None:
    """An opened and assumed role is one sequence."""
    arn = f"arn:aws:iam::{ACCOUNT}:role/iam-test-role"
    outside = {"type": "AWSAccount", "accountId": "444455556666"}
    principal = {"AWS": "arn:aws:iam::444455556666:root"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    request = {"roleName": "iam-test-role", "policyDocument": json.dumps({"Statement": statement})}
    opened = call("UpdateAssumeRolePolicy", 1, requestParameters=request)
    assumed = call(
        "AssumeRole",
        2,
        eventSource="sts.amazonaws.com",
        userIdentity=outside,
        requestParameters={"roleArn": arn, "roleSessionName": "job"},
    )
    for body in (assumed, opened):
        stage.pipeline().handle(body)
    (record,) = sequences(stage, "opened_role_assumed")
    assert record.decision.leading.finding.subject == Subject(SubjectKind.ROLE, "iam-test-role")


def test_two_replicas_see_each_others_events(stage: Stage) -> None:
    one, two = stage.pipeline(), stage.pipeline("worker-2")
    for body, pipeline in zip(backdoor(-60, -60, -60), (one, two, one), strict=True):
        pipeline.handle(body)
    assert len(sequences(stage)) == 1


@pytest.mark.parametrize(
    ("seconds", "whole"),
    [((-660, -360, -60), True), ((-660, -661, -60), True), ((-780, -360, -60), False)],
)
def test_a_sequence_spans_ten_minutes_at_most(
    stage: Stage, seconds: tuple[float, ...], whole: bool
) -> None:
    for body in backdoor(*seconds):
        stage.pipeline().handle(body)
    assert bool(sequences(stage)) is whole


def test_a_missing_step_makes_no_sequence(stage: Stage) -> None:
    """A missing or denied step makes no sequence."""
    created, attached, _ = backdoor(-60, -60, -60)
    pipeline = stage.pipeline()
    for body in (created, attached, call("CreateAccessKey", 7, errorCode="AccessDenied")):
        pipeline.handle(body)
    assert sequences(stage) == ()


def test_another_user_is_another_sequence(stage: Stage) -> None:
    created, attached, _ = backdoor(-60, -60, -60)
    stage.users(user(USER), user("iam-test-other"))
    other = call("CreateAccessKey", 8, requestParameters={"userName": "iam-test-other"})
    for body in (created, attached, other):
        stage.pipeline().handle(body)
    assert sequences(stage) == ()


def test_more_of_the_same_sequence_alerts_once(stage: Stage) -> None:
    pipeline = stage.pipeline()
    for body in backdoor(-60, -60, -60):
        pipeline.handle(body)
    pipeline.handle(call("CreateAccessKey", 9, seconds=-50))
    assert len(sequences(stage)) == 1


def test_a_dead_workers_sequence_is_taken_up(stage: Stage) -> None:
    *first, last = backdoor(-60, -60, -60)
    pipeline = stage.pipeline()
    for body in first:
        pipeline.handle(body)
    stage.notifier.fail["send"] = [Transient("SNS"), Transient("SNS"), Transient("SNS")]
    with pytest.raises(Transient):
        pipeline.handle(last)
    stage.notifier.fail.clear()
    for _ in range(2):
        result = pipeline.handle(last)
    assert result is Result.DUPLICATE
    assert len(sequences(stage)) == 1


def test_a_sequence_is_governed_like_an_event(stage: Stage) -> None:
    stage.users(user(USER, tags={"SecurityApproved": "true"}))
    for body in backdoor(-60, -60, -60):
        stage.pipeline().handle(body)
    (record,) = sequences(stage)
    assert record.decision.verdict is Verdict.SKIP


def test_five_denied_calls_are_probing(stage: Stage) -> None:
    """Five denied calls of one caller are probing."""
    pipeline = stage.pipeline()
    for number in range(4):
        pipeline.handle(denied(number))
    assert sequences(stage, PROBING) == ()
    pipeline.handle(denied(3))
    assert sequences(stage, PROBING) == ()
    pipeline.handle(denied(4))
    (record,) = sequences(stage, PROBING)
    assert record.decision.verdict is Verdict.ALERT_ONLY
    assert record.notified


def test_probing_alerts_once_in_ten_minutes(stage: Stage) -> None:
    pipeline = stage.pipeline()
    for number in range(60):
        pipeline.handle(denied(number, seconds=-1800 + 30 * number))
    assert 3 <= len(sequences(stage, PROBING)) <= 4


@pytest.mark.parametrize("code", ["NoSuchEntity", "LimitExceeded", "EntityAlreadyExists"])
def test_other_failed_calls_are_no_probing(stage: Stage, code: str) -> None:
    """Calls that failed for another reason are no probing."""
    pipeline = stage.pipeline()
    for number in range(6):
        pipeline.handle(call("AttachUserPolicy", number, errorCode=code))
    assert sequences(stage, PROBING) == ()


def test_events_of_another_account_leave_no_trace(stage: Stage) -> None:
    pipeline = stage.pipeline()
    for number in range(6):
        body = json.loads(denied(number))
        body["account"] = body["detail"]["recipientAccountId"] = "444455556666"
        pipeline.handle(json.dumps(body, separators=(",", ":")))
    assert sequences(stage, PROBING) == ()
