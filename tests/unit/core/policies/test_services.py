"""What a resource policy gives to EventBridge, in each form that a policy can have."""

import json
from typing import Any

import pytest

from countermand.core.policies.services import Access, ServiceCall, access_of, denial_of

RULE = "arn:aws:events:us-east-1:111122223333:rule/countermand-iam"
QUEUE = "arn:aws:sqs:us-east-1:111122223333:events"
CALL = ServiceCall(
    "events",
    "sqs:SendMessage",
    QUEUE,
    {
        "aws:sourcearn": RULE,
        "aws:sourceaccount": "111122223333",
        "aws:securetransport": "true",
        "aws:principalisawsservice": "true",
    },
)
ALLOW: dict[str, Any] = {
    "Effect": "Allow",
    "Principal": {"Service": "events.amazonaws.com"},
    "Action": "sqs:SendMessage",
    "Resource": QUEUE,
}


def access(*statements: dict[str, Any]) -> Access:
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    as_text, as_object = access_of(json.dumps(document), CALL), access_of(document, CALL)
    assert as_text == as_object
    return as_text.access


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"Principal": {"Service": ["sns.amazonaws.com", "events.amazonaws.com"]}},
        {"Principal": {"Service": "events.amazonaws.com.cn"}},
        {"Principal": "*"},
        {"Principal": {"AWS": "*"}},
        {"Action": "sqs:*"},
        {"Action": ["SQS:sendmessage"]},
        {"Resource": "*"},
        {"Resource": ["arn:aws:sqs:*:*:events"]},
    ],
)
def test_statement_that_names_the_call_allows_it(change: dict[str, Any]) -> None:
    assert access(ALLOW | change) is Access.ALLOWED


@pytest.mark.parametrize(
    "change",
    [
        {"Principal": {"Service": "sns.amazonaws.com"}},
        {"Principal": {"Service": "events.example.com"}},
        {"Principal": {"AWS": "arn:aws:iam::111122223333:root"}},
        {"Action": "sqs:ReceiveMessage"},
        {"Resource": "arn:aws:sqs:us-east-1:111122223333:other"},
        {"Effect": "Deny"},
    ],
)
def test_statement_about_something_else_refuses(change: dict[str, Any]) -> None:
    assert access(ALLOW | change) is Access.REFUSED


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"ArnEquals": {"aws:SourceArn": RULE}}, Access.ALLOWED),
        ({"ArnLike": {"AWS:SourceArn": ["x", RULE[:-3] + "*"]}}, Access.ALLOWED),
        ({"StringEquals": {"aws:SourceAccount": "111122223333"}}, Access.ALLOWED),
        ({"StringEquals": {"aws:SourceAccount": "444455556666"}}, Access.REFUSED),
        ({"ArnEquals": {"aws:SourceArn": RULE.replace("-iam", "-old")}}, Access.REFUSED),
        ({"StringEquals": {"aws:SourceArn": RULE[:-3] + "*"}}, Access.REFUSED),
        ({"ArnNotEquals": {"aws:SourceArn": RULE}}, Access.REFUSED),
        ({"ArnNotEquals": {"aws:PrincipalArn": "arn:x"}}, Access.ALLOWED),
        ({"ArnEquals": {"aws:PrincipalArn": "arn:x"}}, Access.REFUSED),
        ({"ArnEqualsIfExists": {"aws:PrincipalArn": "arn:x"}}, Access.ALLOWED),
        ({"Null": {"aws:PrincipalArn": "true"}}, Access.ALLOWED),
        ({"Null": {"aws:SourceArn": "true"}}, Access.REFUSED),
        ({"Bool": {"aws:SecureTransport": True}}, Access.ALLOWED),
        ({"Bool": {"aws:SecureTransport": "false"}}, Access.REFUSED),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, Access.REFUSED),
        ({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, Access.ALLOWED),
        ({"ForAllValues:StringEquals": {"aws:PrincipalOrgID": "o-1"}}, Access.ALLOWED),
        ({"ForAnyValue:StringEquals": {"aws:PrincipalOrgPaths": "o-1"}}, Access.REFUSED),
        ({"StringEquals": {"aws:SourceOrgID": "o-1"}}, Access.UNSURE),
        ({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01"}}, Access.UNSURE),
        ({"NumericEquals": {"aws:SourceAccount": "111122223333"}}, Access.UNSURE),
        ({"StringEquals": {"aws:SourceAccount": "${aws:PrincipalAccount}"}}, Access.UNSURE),
        (
            {
                "StringEquals": {"aws:SourceOrgID": "o-1"},
                "ArnEquals": {"aws:SourceArn": "arn:aws:events:x"},
            },
            Access.REFUSED,
        ),
    ],
)
def test_condition_decides_as_aws_would(condition: Any, expected: Access) -> None:
    assert access(ALLOW | {"Condition": condition}) is expected


def test_a_deny_counts_more_than_an_allow() -> None:
    deny = {**ALLOW, "Effect": "Deny", "Principal": "*"}
    assert access(ALLOW, deny) is Access.REFUSED
    tls = {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    assert access(ALLOW, deny | tls) is Access.ALLOWED
    others = {"Condition": {"ArnNotEquals": {"aws:SourceArn": [RULE]}}}
    assert access(ALLOW, deny | others) is Access.ALLOWED
    stale = {"Condition": {"ArnNotEquals": {"aws:SourceArn": [RULE.replace("-iam", "-old")]}}}
    assert access(ALLOW, deny | stale) is Access.REFUSED
    of_org = {"Condition": {"StringNotEquals": {"aws:SourceOrgID": "o-1"}}}
    assert access(ALLOW, deny | of_org) is Access.UNSURE


def test_a_deny_of_all_but_one_person_is_of_services() -> None:
    """NotPrincipal names a person, so that EventBridge is among all the others."""
    others = {**ALLOW, "Effect": "Deny", "NotPrincipal": {"AWS": "arn:aws:iam::111122223333:root"}}
    del others["Principal"]
    assert access(ALLOW, others) is Access.REFUSED


@pytest.mark.parametrize(
    "document",
    [
        None,
        "",
        "nonsense",
        "[]",
        {},
        {"Statement": [ALLOW | {"Principal": 7}]},
        {"Statement": [ALLOW | {"Principal": {"Service": {"a": 1}}}]},
        {"Statement": [ALLOW | {"Condition": {"Bool": "x"}}]},
        {"Statement": [ALLOW | {"Action": 7}]},
        {"Statement": ["x"]},
    ],
)
def test_document_that_cannot_be_read_refuses(document: Any) -> None:
    found = access_of(document, CALL)
    assert found.access is Access.REFUSED
    assert "policy" in found.why


def test_the_statement_that_decides_is_named() -> None:
    assert access_of({"Statement": ALLOW | {"Sid": "FromRules"}}, CALL).why == (
        "statement FromRules allows it"
    )
    assert access_of({"Statement": []}, CALL).why == (
        "no statement allows sqs:SendMessage to events.amazonaws.com for this source"
    )


ROLE = "arn:aws:iam::111122223333:role/countermand-worker"
OTHER = "arn:aws:iam::111122223333:role/other"
DENY = {"Effect": "Deny", "Principal": "*", "Action": "sqs:ReceiveMessage", "Resource": QUEUE}


def unless(arn: str) -> dict[str, Any]:
    return {"Condition": {"ArnNotEquals": {"aws:PrincipalArn": [arn]}}}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, Access.REFUSED),
        ({"Principal": {"AWS": ROLE}}, Access.REFUSED),
        ({"Principal": {"AWS": ["111122223333"]}}, Access.REFUSED),
        ({"Principal": {"AWS": "arn:aws:iam::111122223333:root"}}, Access.REFUSED),
        (unless(OTHER), Access.REFUSED),
        ({"Condition": {"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}}, Access.UNSURE),
        (unless(ROLE), None),
        ({"Principal": {"AWS": OTHER}}, None),
        ({"Principal": {"Service": "events.amazonaws.com"}}, None),
        ({"Action": "sqs:SendMessage"}, None),
        ({"Effect": "Allow"}, None),
        ({"Condition": {"Bool": {"aws:SecureTransport": "false"}}}, None),
        ({"Condition": {"ArnEquals": {"aws:SourceArn": RULE}}}, None),
    ],
)
def test_what_denies_a_role_is_seen(change: dict[str, Any], expected: Access | None) -> None:
    found = denial_of({"Statement": [DENY | change]}, ROLE, "sqs:ReceiveMessage", QUEUE)
    assert (found.access if found else None) is expected


def test_only_a_policy_that_is_there_denies_a_role() -> None:
    assert denial_of("", ROLE, "sqs:ReceiveMessage", QUEUE) is None
    unreadable = denial_of("nonsense", ROLE, "sqs:ReceiveMessage", QUEUE)
    assert unreadable is not None
    assert unreadable.access is Access.UNSURE
