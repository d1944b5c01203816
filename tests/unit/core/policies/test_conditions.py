"""Conditions that limit nothing, row by row, and their neighbors that do."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermand.core.policies.conditions import is_always_true
from countermand.core.policies.escalations import Privilege
from countermand.core.policies.evaluate import Holder, evaluate_policies

ACCOUNT = "111122223333"

ALWAYS = [
    {"StringLike": {"aws:PrincipalArn": "*"}},
    {"stringlike": {"AWS:principalarn": ["arn:x", "*"]}},
    {"ArnLike": {"aws:PrincipalArn": "*"}},
    {"StringLike": {"aws:userid": "*"}},
    {"StringLikeIfExists": {"aws:SourceVpc": "*"}},
    {"ArnLikeIfExists": {"aws:SourceArn": ["*"]}},
    {"Bool": {"aws:SecureTransport": "true"}},
    {"Bool": {"aws:SecureTransport": True}},
    {"Bool": {"aws:SecureTransport": ["false", "True"]}},
    {"Null": {"aws:PrincipalArn": "false"}},
    {"Null": {"aws:PrincipalArn": False}},
    {"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}},
    {"DateGreaterThanEquals": {"aws:CurrentTime": ["2099-01-01T00:00:00Z", "2020-01-01"]}},
    {"DateGreaterThan": {"aws:EpochTime": 1577836800}},
    {"DateGreaterThan": {"aws:EpochTime": "1577836800"}},
    {"Bool": {"aws:SecureTransport": "true"}, "Null": {"aws:PrincipalArn": "false"}},
    {"StringLike": {"aws:PrincipalArn": "*", "aws:userid": "*"}},
    {},
]
IF_ALLOWED = [
    {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}},
    {"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "0.0.0.0/0", "::/0"]}},
    {"StringNotEquals": {"aws:RequestedRegion": "xx-nowhere-1"}},
    {"StringNotLike": {"aws:RequestedRegion": ["eu-west-1", "xx-nowhere-1"]}},
    {"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}},
    {"ForAllValues:StringLike": {"aws:CalledVia": "athena.amazonaws.com"}},
]
DEPENDS = [
    {"StringLike": {"aws:PrincipalArn": "arn:*"}},
    {"StringLike": {"aws:SourceVpc": "*"}},
    {"StringLike": {"aws:MultiFactorAuthPresent": "*"}},
    {"StringEquals": {"aws:PrincipalArn": "*"}},
    {"StringLike": {"aws:PrincipalArn": "${aws:userid}*"}},
    {"StringLike": {"aws:PrincipalArn": []}},
    {"StringEqualsIfExists": {"aws:SourceVpc": "*"}},
    {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
    {"Bool": {"aws:SecureTransport": "false"}},
    {"BoolIfExists": {"aws:MultiFactorAuthPresent": "true"}},
    {"Null": {"aws:PrincipalArn": "true"}},
    {"Null": {"aws:MultiFactorAuthAge": "false"}},
    {"DateGreaterThan": {"aws:CurrentTime": "2099-01-01T00:00:00Z"}},
    {"DateLessThan": {"aws:CurrentTime": "2099-01-01T00:00:00Z"}},
    {"DateGreaterThan": {"aws:CurrentTime": "yesterday"}},
    {"DateGreaterThan": {"aws:TokenIssueTime": "2020-01-01T00:00:00Z"}},
    {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}},
    {"IpAddress": {"aws:VpcSourceIp": "0.0.0.0/0"}},
    {"NotIpAddress": {"aws:SourceIp": "0.0.0.0/0"}},
    {"StringNotEquals": {"aws:RequestedRegion": "us-east-1"}},
    {"StringNotEquals": {"aws:RequestedRegion": ["eu-west-1", "us-gov-west-1"]}},
    {"StringNotLike": {"aws:RequestedRegion": "us-*"}},
    {"StringNotEquals": {"aws:PrincipalArn": "arn:x"}},
    {"ForAllValues:StringEquals": {"aws:PrincipalOrgPaths": ["o-1/"]}},
    {"ForAnyValue:StringLike": {"aws:TagKeys": "*"}},
    {"StringLikely": {"aws:PrincipalArn": "*"}},
    {"Bool": {"aws:SecureTransport": "true", "aws:MultiFactorAuthPresent": "true"}},
    {"Bool": "true"},
    {"Bool": {"aws:SecureTransport": None}},
    {"Bool": {"aws:SecureTransport": {"a": "true"}}},
    ["Bool"],
    None,
    "true",
]


def admin(condition: object, effect: str = "Allow") -> dict[str, Any]:
    statement = {"Effect": effect, "Action": "*", "Resource": "*", "Condition": condition}
    return {"Version": "2012-10-17", "Statement": [statement]}


@pytest.mark.parametrize("condition", ALWAYS, ids=json.dumps)
@pytest.mark.parametrize("allows", [True, False])
def test_a_condition_of_the_table_limits_nothing(condition: object, allows: bool) -> None:
    assert is_always_true(condition, allows=allows)


@pytest.mark.parametrize("condition", IF_ALLOWED, ids=json.dumps)
def test_some_limit_nothing_in_an_allow_only(condition: object) -> None:
    """A call of another kind avoids a Deny under them."""
    assert is_always_true(condition, allows=True)
    assert not is_always_true(condition, allows=False)


@pytest.mark.parametrize("condition", DEPENDS, ids=json.dumps)
@pytest.mark.parametrize("allows", [True, False])
def test_any_other_condition_depends(condition: object, allows: bool) -> None:
    assert not is_always_true(condition, allows=allows)


@pytest.mark.parametrize("condition", [*ALWAYS, *IF_ALLOWED], ids=json.dumps)
def test_an_administrator_under_such_a_condition_is_one(condition: object) -> None:
    found = evaluate_policies({"p": admin(condition)}, Holder(ACCOUNT))
    assert found.privilege is Privilege.ADMIN


@pytest.mark.parametrize("condition", ALWAYS[:-1], ids=json.dumps)
def test_a_deny_under_such_a_condition_denies(condition: object) -> None:
    documents = {"p": admin({}), "d": admin(condition, "Deny")}
    assert evaluate_policies(documents, Holder(ACCOUNT)).privilege is Privilege.NONE


@pytest.mark.parametrize("condition", IF_ALLOWED, ids=json.dumps)
def test_a_deny_that_can_be_avoided_is_uncertain(condition: object) -> None:
    documents = {"p": admin({}), "d": admin(condition, "Deny")}
    found = evaluate_policies(documents, Holder(ACCOUNT)).privilege
    assert found is Privilege.CONDITIONAL_ADMIN


VALUES = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text())


@given(st.dictionaries(st.text(), st.dictionaries(st.text(), VALUES) | VALUES))
def test_any_condition_has_an_answer(condition: object) -> None:
    assert is_always_true(condition, allows=True) in {True, False}
