"""Named conditions that a pattern cannot express; policy documents have tests of their own."""

import json

import pytest

from countermand.core.checks import CHECKS
from countermand.core.envelope import attach_event, envelope
from countermand.core.model import Event
from countermand.core.parse import parse

ACCOUNT = "111122223333"


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
        (ALICE, {"userName": "Alice"}, True),
        (ALICE, {"userName": "bob"}, False),
        (ALICE, {"roleName": "alice"}, False),
        (ALICE, {}, True),
        (ALICE, {"accessKeyId": "AKIAIOSFODNN7EXAMPLE"}, True),
        (session("ci"), {}, False),
        ({"type": "Root"}, {}, False),
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
def test_a_caller_may_be_the_target(actor: object, request_: object, oneself: bool) -> None:
    found = CHECKS["done_to_oneself"](parsed(actor, request_), {"seen": "x"})
    assert found == ({"seen": "x"} if oneself else None)


@pytest.mark.parametrize(
    ("actor", "request_", "another"),
    [
        (ALICE, {"userName": "bob"}, True),
        (ALICE, {"userName": "ALICE"}, False),
        (ALICE, {}, False),
        (session("ci"), {"userName": "ci"}, True),
        ({"type": "Root"}, {"userName": "alice"}, True),
        ({"type": "Root", "userName": "acme-prod"}, {"userName": "acme-prod"}, True),
        ({"type": "Root"}, {"userName": "AWS ROOT USER"}, False),
        ({"type": "Root"}, {}, False),
    ],
)
def test_root_and_oneself_are_not_another_user(
    actor: object, request_: object, another: bool
) -> None:
    found = CHECKS["done_to_another"](parsed(actor, request_), {"seen": "x"})
    assert found == ({"seen": "x"} if another else None)
