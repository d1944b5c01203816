"""What `countermand doctor` says about a queue's policy, in each form that a policy can have."""

import json
from typing import Any

import pytest

from countermand.doctor import _queue_policy

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
