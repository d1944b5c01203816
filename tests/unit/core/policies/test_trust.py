"""Whom trust policies let in: a table, and what a Deny and a condition change."""

import json
from urllib.parse import quote

import pytest

from countermand.core.policies.trust import Opening, TrustJudgement, evaluate_trust, users_let_in

ACCOUNT = "111122223333"
SISTER = "222233334444"
VENDOR = "arn:aws:iam::444455556666:root"
GITHUB = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
EXTERNAL_ID = {"StringEquals": {"sts:ExternalId": "x"}}
OWN_ORGANISATION = {"StringNotEquals": {"aws:PrincipalOrgID": "o-example"}}


def allow(principal: object, **changes: object) -> dict[str, object]:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return statement | changes


def deny(principal: object, **changes: object) -> dict[str, object]:
    return allow(principal, **{"Effect": "Deny"} | changes)


def judged(*statements: object) -> TrustJudgement:
    """The answer, which must be the same for each form in which a document comes."""
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    text = json.dumps(document)
    answer = evaluate_trust(text, {ACCOUNT, SISTER})
    assert evaluate_trust(quote(text), {ACCOUNT, SISTER}) == answer
    assert evaluate_trust(document, {ACCOUNT, SISTER}) == answer
    assert answer.why.isascii()
    assert answer.why.isprintable()
    return answer


@pytest.mark.parametrize(
    ("principal", "opening", "named"),
    [
        ("*", Opening.OPEN, "everybody"),
        ({"AWS": "*"}, Opening.OPEN, "everybody"),
        ({"AWS": [ACCOUNT, "444455556666"]}, Opening.OPEN, "444455556666"),
        ({"AWS": VENDOR}, Opening.OPEN, VENDOR),
        ({"AWS": "arn:aws:iam::444455556666:user/x"}, Opening.OPEN, "user/x"),
        ({"AWS": "arn:aws:sts::444455556666:assumed-role/a/b"}, Opening.OPEN, "assumed-role/a/b"),
        ({"AWS": "arn:aws:iam::*:root"}, Opening.OPEN, "arn:aws:iam::*:root"),
        ({"AWS": "arn:aws"}, Opening.OPEN, "arn:aws"),
        ({"AWS": "somebody"}, Opening.OPEN, "somebody"),
        ({"Federated": "accounts.google.com"}, Opening.OPEN, "Federated accounts.google.com"),
        ({"Federated": f"arn:aws:iam::{ACCOUNT}:saml-provider/a"}, Opening.OPEN, "saml-provider/a"),
        ({"CanonicalUser": "79a59df9"}, Opening.OPEN, "CanonicalUser"),
        ({"Service": "ec2.amazonaws.com", "AWS": VENDOR}, Opening.OPEN, VENDOR),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, Opening.CLOSED, ""),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:user/*"}, Opening.CLOSED, ""),
        ({"AWS": [ACCOUNT]}, Opening.CLOSED, ""),
        ({"AWS": f"arn:aws:iam::{SISTER}:root"}, Opening.CLOSED, ""),
        ({"AWS": ["AROAEXAMPLEEXAMPLE00", "AIDAEXAMPLEEXAMPLE00"]}, Opening.CLOSED, ""),
        ({"Service": "ec2.amazonaws.com"}, Opening.CLOSED, ""),
        ({"Service": ["ec2.amazonaws.com", "lambda.amazonaws.com"]}, Opening.CLOSED, ""),
        ({"AWS": []}, Opening.CLOSED, ""),
        (7, Opening.UNREADABLE, ""),
        ("somebody", Opening.UNREADABLE, ""),
        ({"AWS": 7}, Opening.UNREADABLE, ""),
    ],
)
def test_a_trust_policy_lets_in_outsiders_or_not(
    principal: object, opening: Opening, named: str
) -> None:
    answer = judged(allow(principal))
    assert answer.opening is opening
    assert named in answer.why
    if opening is not Opening.UNREADABLE:
        assert judged(deny(principal)).opening is Opening.CLOSED


@pytest.mark.parametrize("unique_id", ["AROAEXAMPLEEXAMPLE00", "AIDAEXAMPLEEXAMPLE00"])
def test_an_id_in_a_document_as_it_was_sent_may_be_of_any_account(unique_id: str) -> None:
    sent = {"Version": "2012-10-17", "Statement": [allow({"AWS": unique_id})]}
    assert evaluate_trust(sent, {ACCOUNT}, ids_are_foreign=True).opening is Opening.OPEN
    assert evaluate_trust(sent, {ACCOUNT}).opening is Opening.CLOSED


@pytest.mark.parametrize(
    "principal", ["*", {"AWS": VENDOR}, {"Federated": GITHUB}], ids=["all", "vendor", "federated"]
)
def test_a_condition_makes_the_answer_conditional_and_never_closed(principal: object) -> None:
    answer = judged(allow(principal, Condition=EXTERNAL_ID))
    assert answer.opening is Opening.CONDITIONAL
    assert "under a condition" in answer.why
    assert judged(allow(principal, Condition={})).opening is Opening.OPEN


def test_all_but_some_is_open() -> None:
    statement = {"Effect": "Allow", "NotPrincipal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    assert judged(statement).opening is Opening.OPEN
    assert "all but some" in judged(statement).why


@pytest.mark.parametrize(
    ("action", "opening"),
    [
        ("sts:AssumeRoleWithSAML", Opening.OPEN),
        ("STS:assumerole*", Opening.OPEN),
        (["sts:TagSession", "sts:AssumeRole"], Opening.OPEN),
        ("*", Opening.OPEN),
        ("sts:TagSession", Opening.CLOSED),
        (["sts:SetSourceIdentity"], Opening.CLOSED),
        ([], Opening.CLOSED),
    ],
)
def test_only_who_may_assume_the_role_is_let_in(action: object, opening: Opening) -> None:
    assert judged(allow("*", Action=action)).opening is opening


def test_a_deny_closes_what_it_names() -> None:
    assert judged(allow("*"), deny("*")).opening is Opening.CLOSED
    assert judged(allow({"AWS": VENDOR}), deny("*", Action="sts:*")).opening is Opening.CLOSED
    assert judged(allow({"AWS": VENDOR}), deny({"AWS": VENDOR})).opening is Opening.CLOSED
    assert judged(deny({"AWS": VENDOR}), allow({"AWS": VENDOR})).opening is Opening.CLOSED


def test_a_deny_of_others_or_of_other_calls_closes_nothing() -> None:
    assert judged(allow("*"), deny({"AWS": VENDOR})).opening is Opening.OPEN
    assert judged(allow("*", Action="sts:*"), deny("*")).opening is not Opening.CLOSED
    assert judged(allow("*"), deny("*", Action="sts:TagSession")).opening is Opening.OPEN
    by_saml = deny("*", Action="sts:AssumeRoleWithSAML")
    assert judged(allow("*"), by_saml).opening is Opening.OPEN


@pytest.mark.parametrize("kind", ["Federated", "Service", "CanonicalUser"])
def test_a_deny_of_another_kind_of_principal_closes_nothing(kind: str) -> None:
    for name in ("*", VENDOR):
        assert judged(allow({"AWS": VENDOR}), deny({kind: name})).opening is Opening.OPEN
        assert judged(allow("*"), deny({kind: name})).opening is Opening.OPEN


@pytest.mark.parametrize(
    "principal", ["*", {"AWS": "*"}, {"Federated": "*"}, {"Federated": GITHUB}]
)
def test_a_deny_of_everybody_or_of_the_same_kind_closes_a_federation(principal: object) -> None:
    assert judged(allow({"Federated": GITHUB}), deny(principal)).opening is Opening.CLOSED
    assert judged(allow({"Federated": GITHUB}), deny({"AWS": VENDOR})).opening is Opening.OPEN


def test_the_users_of_the_account_that_a_role_trusts_are_named_once_each() -> None:
    mallory, bob = (f"arn:aws:iam::{ACCOUNT}:user/{name}" for name in ("mallory", "team/bob"))
    others = [VENDOR, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:role/user/x", "arn:aws:iam::4:user/x", "*"]
    document = {
        "Version": "2012-10-17",
        "Statement": [
            allow({"AWS": [mallory, *others]}),
            allow({"AWS": bob}, Condition=EXTERNAL_ID, Action="sts:*"),
            allow({"AWS": mallory}),
            allow({"Service": f"arn:aws:iam::{ACCOUNT}:user/no-service"}),
            allow({"AWS": f"arn:aws:iam::{ACCOUNT}:user/tagger"}, Action="sts:TagSession"),
            deny({"AWS": f"arn:aws:iam::{ACCOUNT}:user/denied"}),
        ],
    }
    assert users_let_in(json.dumps(document), ACCOUNT) == (mallory, bob)
    assert users_let_in("{", ACCOUNT) == ()


def test_a_deny_under_a_condition_makes_the_answer_conditional() -> None:
    answer = judged(allow("*"), deny("*", Condition=OWN_ORGANISATION))
    assert answer.opening is Opening.CONDITIONAL
    others = {"Effect": "Deny", "NotPrincipal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    assert judged(allow("*"), others).opening is Opening.CONDITIONAL


def test_the_widest_opening_is_told() -> None:
    answer = judged(allow({"AWS": VENDOR}, Condition=EXTERNAL_ID), allow("*", Sid="Everybody"))
    assert (answer.opening, answer.statement) == (Opening.OPEN, "Everybody")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"Statement": ["x"]}',
        "[" * 9999,
        '{"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole"}}',
        '{"Statement": {"Effect": "Allow", "Principal": "*", "Principal": {}, "Action": "*"}}',
    ],
)
def test_what_is_no_trust_policy_is_told_as_such(text: str) -> None:
    answer = evaluate_trust(text, {ACCOUNT})
    assert answer.opening is Opening.UNREADABLE
    assert "cannot be read" in answer.why


def test_a_hostile_principal_is_shown_in_part_and_without_its_control_characters() -> None:
    answer = judged(allow({"AWS\n" + "x" * 999: "\x1b[2J" + "x" * 100_000}, Sid="\r\n" * 999))
    assert answer.opening is Opening.OPEN
    assert len(answer.why) < 400
