"""Which conditions of an Allow hold nobody back, by what an administrator's document then gives."""

from typing import Any

import pytest

from countermand.core.policies.escalations import Privilege
from countermand.core.policies.evaluate import Holder, evaluate_policies

HOLDER = Holder("111122223333", "arn:aws:iam::111122223333:user/ana")
ALLOW = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def judged(condition: Any, *more: dict[str, Any]) -> Privilege:
    statements = [{**ALLOW, "Condition": condition}, *more]
    document = {"Version": "2012-10-17", "Statement": statements}
    return evaluate_policies({"": document}, HOLDER).privilege


@pytest.mark.parametrize(
    ("operator", "key", "values"),
    [
        ("StringLike", "aws:PrincipalArn", "*"),
        ("StringLike", "AWS:principalARN", ["nobody", "**"]),
        ("StringLikeIfExists", "aws:userid", "*"),
        ("StringLike", "aws:PrincipalAccount", "*"),
        ("StringLike", "aws:RequestedRegion", "*"),
        ("Bool", "aws:SecureTransport", "true"),
        ("Bool", "aws:SecureTransport", True),
        ("Bool", "aws:SecureTransport", ["false", "true"]),
        ("BoolIfExists", "aws:SecureTransport", "true"),
        ("Null", "aws:PrincipalArn", "false"),
        ("Null", "aws:PrincipalArn", False),
        ("Null", "aws:SecureTransport", "false"),
        ("Null", "aws:CurrentTime", ["true", "false"]),
        ("IpAddress", "aws:SourceIp", "0.0.0.0/0"),
        ("IpAddress", "aws:SourceIp", ["0.0.0.0/0", "::/0"]),
        ("IpAddress", "aws:SourceIp", ["0.0.0.0/1", "128.0.0.0/1"]),
        ("IpAddress", "aws:SourceIp", ["128.0.0.0/1", "0.0.0.0/2", "64.0.0.0/2"]),
        ("IpAddressIfExists", "aws:sourceip", "203.0.113.7/0"),
        ("DateGreaterThan", "aws:CurrentTime", "2020-01-01T00:00:00Z"),
        ("DateGreaterThan", "aws:CurrentTime", "2020-01-01"),
        ("DateGreaterThanEquals", "aws:CurrentTime", "2026-10-31T23:00:00+00:00"),
        ("DateGreaterThan", "aws:CurrentTime", ["2099-01-01", "2001-01-01"]),
        ("StringNotEquals", "aws:RequestedRegion", "xx-nowhere-1"),
        ("StringNotEquals", "aws:RequestedRegion", ["eu-west-1", "us-west-2"]),
        ("StringNotLike", "aws:RequestedRegion", "ap-*"),
        ("StringNotEqualsIgnoreCase", "aws:RequestedRegion", "EU-WEST-1"),
        ("ForAllValues:StringEquals", "aws:TagKeys", ["team"]),
        ("ForAllValues:StringLike", "aws:CalledVia", "nobody"),
        ("ForAllValues:StringNotEquals", "aws:TagKeys", "x"),
        ("ForAllValues:StringEquals", "dynamodb:Attributes", ["id"]),
        ("StringLikeIfExists", "aws:SourceVpc", "*"),
        ("ArnLikeIfExists", "aws:SourceArn", ["*"]),
        ("ArnLike", "aws:PrincipalArn", "*"),
        ("DateGreaterThan", "aws:EpochTime", "1577836800"),
        ("DateGreaterThan", "aws:EpochTime", 1577836800),
    ],
)
def test_condition_holds_nobody_back(operator: str, key: str, values: object) -> None:
    assert judged({operator: {key: values}}) is Privilege.ADMIN


@pytest.mark.parametrize(
    ("operator", "key", "values"),
    [
        ("Bool", "aws:MultiFactorAuthPresent", "true"),
        ("BoolIfExists", "aws:MultiFactorAuthPresent", "false"),
        ("Bool", "aws:SecureTransport", "false"),
        ("Bool", "aws:SecureTransport", []),
        ("StringLike", "aws:PrincipalArn", "arn:aws:iam::*:role/*"),
        ("StringEquals", "aws:PrincipalArn", "*"),
        ("StringNotLike", "aws:PrincipalArn", "*"),
        ("StringLike", "aws:PrincipalOrgID", "*"),
        ("StringLike", "aws:SourceVpc", "*"),
        ("StringEqualsIfExists", "aws:SourceVpc", "*"),
        ("DateGreaterThan", "aws:EpochTime", "9" * 400),
        ("StringLike", "aws:SourceIp", "*"),
        ("StringLike", "aws:PrincipalArn", "${aws:PrincipalTag/all}"),
        ("Null", "aws:PrincipalArn", "true"),
        ("Null", "aws:SourceIp", "false"),
        ("Null", "aws:MultiFactorAuthAge", "false"),
        ("IpAddress", "aws:SourceIp", "203.0.113.0/24"),
        ("IpAddress", "aws:SourceIp", "0.0.0.0/1"),
        ("IpAddress", "aws:SourceIp", "::/0"),
        ("IpAddress", "aws:SourceIp", ["0.0.0.0/0", "anything"]),
        ("IpAddress", "aws:VpcSourceIp", "0.0.0.0/0"),
        ("NotIpAddress", "aws:SourceIp", "0.0.0.0/0"),
        ("DateGreaterThan", "aws:CurrentTime", "2099-01-01T00:00:00Z"),
        ("DateLessThan", "aws:CurrentTime", "2020-01-01T00:00:00Z"),
        ("DateGreaterThan", "aws:CurrentTime", "once"),
        ("DateGreaterThan", "aws:TokenIssueTime", "2020-01-01T00:00:00Z"),
        ("StringNotEquals", "aws:RequestedRegion", "us-east-1"),
        ("StringNotEquals", "aws:RequestedRegion", ["xx-nowhere-1", "us-gov-west-1"]),
        ("StringNotLike", "aws:RequestedRegion", "us-*"),
        ("StringNotEquals", "aws:PrincipalArn", "xx-nowhere-1"),
        ("ForAllValues:StringEquals", "aws:PrincipalOrgPaths", "x"),
        ("ForAllValues:Null", "aws:TagKeys", "false"),
        ("ForAnyValue:StringLike", "aws:TagKeys", "*"),
        ("StringAlike", "aws:PrincipalArn", "*"),
        ("NullIfExists", "aws:PrincipalArn", "false"),
        ("StringLike", "aws:PrincipalArn", ["*"] * 65),
        ("StringLike", "aws:PrincipalArn", {"*": "*"}),
    ],
)
def test_condition_may_hold_somebody_back(operator: str, key: str, values: object) -> None:
    assert judged({operator: {key: values}}) is Privilege.CONDITIONAL_ADMIN


def test_every_key_and_operator_must_hold() -> None:
    free = {"aws:PrincipalArn": "*"}
    assert judged({"StringLike": free, "Bool": {"aws:SecureTransport": "true"}}) is Privilege.ADMIN
    for more in ({"StringLike": {**free, "aws:Referer": "x"}}, {"StringLike": free, "Bool": "x"}):
        assert judged(more) is Privilege.CONDITIONAL_ADMIN


def test_condition_of_deny_always_decides() -> None:
    free = {"StringLike": {"aws:PrincipalArn": "*"}}
    deny = {**ALLOW, "Effect": "Deny", "Condition": free}
    assert judged(free, deny) is Privilege.CONDITIONAL_ADMIN
