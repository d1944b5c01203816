"""What a policy document or trust policy claims, in every form that CloudTrail and IAM give it."""

import json
import time
from urllib.parse import quote

import pytest

from countermand.cloudtrail import attach_event, envelope
from countermand.core.checks import CHECKS, admin_claim, open_trust_claim
from countermand.core.model import Event
from countermand.core.parse import parse

ACCOUNT = "111122223333"
ALLOW_ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def document(*statements: object) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(principal: object, effect: str = "Allow") -> str:
    return document({"Effect": effect, "Principal": principal, "Action": "sts:AssumeRole"})


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        ({}, "allows every action on *"),
        ({"Action": ["*:*"]}, "allows every action on *"),
        ({"Action": "**", "Resource": ["**"]}, "allows every action on *"),
        ({"Action": "iam:*"}, "allows iam:AddUserToGroup on *"),
        ({"Action": "IAM:passrole"}, "allows iam:PassRole on *"),
        ({"Action": ["s3:*", "iam:Put?serPolicy"]}, "allows iam:PutUserPolicy on *"),
        ({"Action": "*:CreateLogin*"}, "allows iam:CreateLoginProfile on *"),
        ({"Condition": {"Bool": {"a": "b"}}}, "allows every action on * under a condition"),
        ({"Effect": "Deny"}, None),
        ({"Action": "s3:*"}, None),
        ({"Action": "iam:Get*"}, None),
        ({"Resource": "arn:aws:s3:::example/*"}, None),
        ({"Action": 5}, None),
        ({"Resource": None}, None),
    ],
)
def test_a_statement_grants_admin_rights_or_not(
    change: dict[str, object], claim: str | None
) -> None:
    statement = ALLOW_ALL | change
    assert admin_claim(document(statement)) == claim
    assert admin_claim(quote(document(statement))) == claim
    assert admin_claim({"Statement": statement}) == claim


def test_what_a_statement_spares_does_not_make_it_harmless() -> None:
    power = {"Effect": "Allow", "NotAction": ["iam:*"], "Resource": "*"}
    assert admin_claim(document(power)) == "allows all but some actions on *"
    assert admin_claim(document(power | {"NotAction": "s3:*"})) == "allows iam:AddUserToGroup on *"
    assert admin_claim(document(power | {"NotAction": "*"})) is None
    beside = {"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::example"}
    assert admin_claim(document(beside)) == "allows every action on *"


def test_one_bad_statement_among_good_ones_is_found() -> None:
    assert admin_claim(document(ALLOW_ALL | {"Action": "s3:GetObject"}, ALLOW_ALL))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"Version": "2012-10-17"}', '{"Statement": ["x"]}', "[" * 9999]
)
def test_what_is_no_policy_document_is_a_claim_that_says_so(text: str) -> None:
    assert "cannot be read" in str(admin_claim(text))
    assert "cannot be read" in str(open_trust_claim(text, ACCOUNT))


def test_a_hostile_wildcard_costs_no_time() -> None:
    pattern = "iam:" + "*a" * 1500 + "b"
    begin = time.perf_counter()
    assert admin_claim(document(ALLOW_ALL | {"Action": pattern})) is None
    assert time.perf_counter() - begin < 0.1


@pytest.mark.parametrize(
    ("principal", "claim"),
    [
        ("*", "trusts AWS *"),
        ({"AWS": "*"}, "trusts AWS *"),
        ({"AWS": ["111122223333", "444455556666"]}, "trusts AWS 444455556666"),
        (
            {"AWS": "arn:aws:iam::444455556666:user/x"},
            "trusts AWS arn:aws:iam::444455556666:user/x",
        ),
        ({"AWS": "arn:aws:iam::*:root"}, "trusts AWS arn:aws:iam::*:root"),
        ({"Federated": "accounts.google.com"}, "trusts Federated accounts.google.com"),
        ({"AWS": "arn:aws:iam::111122223333:root"}, None),
        ({"AWS": "111122223333"}, None),
        ({"AWS": "AROAEXAMPLEEXAMPLE00"}, None),
        ({"Service": "ec2.amazonaws.com"}, None),
        (7, None),
    ],
)
def test_a_trust_policy_lets_in_outsiders_or_not(principal: object, claim: str | None) -> None:
    assert open_trust_claim(trust(principal), ACCOUNT) == claim
    assert open_trust_claim(trust(principal, "Deny"), ACCOUNT) is None


def test_a_trust_policy_for_all_but_some_is_open() -> None:
    statement = {"Effect": "Allow", "NotPrincipal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    assert open_trust_claim(document(statement), ACCOUNT) == "trusts all but some (NotPrincipal)"


# --- who did it to whom


def parsed(actor: object, request: object) -> Event:
    record = attach_event(ACCOUNT, "someone") | {
        "userIdentity": actor,
        "requestParameters": request,
    }
    return parse(json.dumps(envelope(record)))


ALICE = {"type": "IAMUser", "arn": f"arn:aws:iam::{ACCOUNT}:user/alice", "userName": "alice"}


def session(role: object) -> dict[str, object]:
    issuer = {"type": "Role", "userName": role}
    return {"type": "AssumedRole", "sessionContext": {"sessionIssuer": issuer}}


@pytest.mark.parametrize(
    ("actor", "request_", "oneself"),
    [
        (ALICE, {"userName": "alice"}, True),
        (ALICE, {"userName": "Alice"}, False),
        (ALICE, {"userName": "bob"}, False),
        (ALICE, {"roleName": "alice"}, False),
        (ALICE, {}, False),
        (ALICE, {"userName": None}, False),
        (ALICE | {"userName": None}, {"userName": None}, False),
        (ALICE | {"userName": ["alice"]}, {"userName": ["alice"]}, False),
        (session("ci"), {"roleName": "ci"}, True),
        (session("ci"), {"roleName": "other"}, False),
        (session("ci"), {"userName": "ci"}, False),
        ({"type": "AssumedRole"}, {"roleName": "ci"}, False),
        ({"type": "AssumedRole", "sessionContext": "ci"}, {"roleName": "ci"}, False),
        (
            {"type": "AssumedRole", "sessionContext": {"sessionIssuer": []}},
            {"roleName": "x"},
            False,
        ),
        ({"type": "Root"}, {"userName": "alice"}, False),
        (ALICE, None, True),
        (ALICE, {"omitted": True}, True),
    ],
)
def test_one_does_something_to_oneself_under_ones_own_name(
    actor: object, request_: object, oneself: bool
) -> None:
    found = CHECKS["done_to_oneself"](parsed(actor, request_), {"seen": "x"})
    assert found == ({"seen": "x"} if oneself else None)
