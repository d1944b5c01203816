"""What `countermand doctor` says about a queue's policy, in each form that a policy can have, and
about the patterns and states of EventBridge rules.
"""

import json
import shlex
from typing import Any

import pytest

from countermand.core.rules.routing import Route, RouteState
from countermand.deployment.doctor import _allows, _queue_policy, _reads

RULE = "arn:aws:events:us-east-1:111122223333:rule/countermand-iam"
GRANT = {
    "Effect": "Allow",
    "Principal": {"Service": "events.amazonaws.com"},
    "Action": "sqs:SendMessage",
    "Resource": "*",
    "Condition": {"ArnEquals": {"aws:SourceArn": RULE}},
}


def examined(*statements: dict[str, Any]) -> bool:
    return _queue_policy({"Policy": json.dumps({"Statement": list(statements)})}).ok


def test_a_grant_bound_to_the_rule_is_well() -> None:
    assert examined(GRANT)


def test_a_single_statement_and_lists_are_policies_too() -> None:
    assert _queue_policy({"Policy": json.dumps({"Statement": GRANT})}).ok
    listed = GRANT | {
        "Principal": {"Service": ["events.amazonaws.com"]},
        "Condition": {"ArnLike": {"aws:SourceArn": [RULE]}},
    }
    assert examined(listed)


def test_no_policy_is_not_well() -> None:
    assert not _queue_policy({}).ok


@pytest.mark.parametrize("principal", ["*", {"AWS": "*"}, {"AWS": ["*"]}, {"AWS": ["1", "*"]}])
@pytest.mark.parametrize(
    "condition",
    [
        {},
        {"Bool": {"aws:SecureTransport": "true"}},
        {"ArnLike": {"aws:SourceArn": "*"}},
        {"ArnEqualsIfExists": {"aws:SourceArn": RULE}},
        {"ArnNotEquals": {"aws:SourceArn": RULE}},
    ],
)
def test_everybody_is_everybody_in_every_form(principal: Any, condition: Any) -> None:
    opened = {"Effect": "Allow", "Principal": principal, "Condition": condition}
    assert not examined(GRANT, opened)


def test_everybody_from_one_source_account_is_bound() -> None:
    bound = {"StringEquals": {"aws:SourceAccount": "111122223333"}}
    assert examined(GRANT, {"Effect": "Allow", "Principal": "*", "Condition": bound})


def test_everybody_but_one_is_everybody() -> None:
    assert not examined(GRANT, {"Effect": "Allow", "NotPrincipal": {"AWS": "111122223333"}})


def test_every_eventbridge_rule_of_the_world_is_too_many() -> None:
    assert not examined(GRANT | {"Condition": {}})


def test_a_deny_opens_nothing() -> None:
    assert examined(GRANT, {"Effect": "Deny", "Principal": "*"})


WANTED: dict[str, Any] = {
    "source": ["aws.sts"],
    "detail": {"eventName": ["AssumeRole", "AssumeRoot"], "externalId": [{"exists": False}]},
    "$or": [{"detail": {"a": ["x"]}}, {"detail": {"b": ["y"]}}],
}


@pytest.mark.parametrize(
    ("change", "well"),
    [
        ({}, True),
        ({"source": ["aws.sts", "aws.iam"]}, True),
        ({"source": ["aws.iam"]}, False),
        ({"account": ["111122223333"]}, False),
        ({"detail": {"eventName": ["GetCallerIdentity", "AssumeRole", "AssumeRoot"]}}, True),
        ({"detail": {"eventName": ["AssumeRole"]}}, False),
        ({"detail": {"eventName": ["AssumeRole", "AssumeRoot"], "errorCode": ["x"]}}, False),
        ({"detail": {"externalId": [{"exists": True}]}}, False),
        ({"detail": []}, False),
        ({"$or": [{"detail": {"a": ["x"]}}, {"detail": {"c": ["z"]}}]}, False),
        ({"$or": [*WANTED["$or"], {"detail": {"c": ["z"]}}]}, True),
    ],
)
def test_a_bus_rule_may_be_wider_than_wanted_and_not_narrower(change: Any, well: bool) -> None:
    assert _allows(WANTED | change, WANTED) is well


@pytest.mark.parametrize("state", ["ENABLED", "DISABLED", "", None])
def test_a_state_without_read_only_events_is_told_with_what_mends_it(state: Any) -> None:
    reading = Route({"detail": {"a": ["it's"]}}, RouteState.WITH_READS)
    found = {"own": {"State": state}, "well": {"State": reading.state.value}, "wide": {}}
    told = _reads({"own": reading, "well": reading, "wide": Route({})}, found, "us-east-1")
    assert not told.ok
    assert told.detail == f"not {RouteState.WITH_READS}: own"
    given = dict(zip(*[iter(shlex.split(told.fix)[-8:])] * 2, strict=True))
    assert given == {
        "--name": "own",
        "--region": "us-east-1",
        "--state": "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS",
        "--event-pattern": json.dumps(reading.pattern),
    }


def test_a_bus_rule_that_needs_no_reads_may_have_any_state_that_is_on() -> None:
    assert _reads({"wide": Route({})}, {"wide": {"State": "ENABLED"}}, "us-east-1").ok
