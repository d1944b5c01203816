"""What a change replaced is known from a snapshot and from notes, or it is said to be unknown."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from countermand.actions import ALL
from countermand.core.aspects import EVENT_NAMES
from countermand.core.errors import CannotRestore, Denied, Gone, Transient
from countermand.core.govern import Policy
from countermand.core.model import (
    Actor,
    Aspect,
    Event,
    Finding,
    Mode,
    Noted,
    Principal,
    Severity,
    Subject,
    SubjectKind,
)
from countermand.core.rule import RuleSet
from countermand.history import History
from countermand.ledger import SqliteLedger
from countermand.rulebook import BUILT_IN, load_rules
from fakes import ACCOUNT, NOW, FrozenClock, Recorder, user

ROLE = "iam-test-role"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/limits"
RULES = load_rules(ALL, BUILT_IN)


def document(**statement: object) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]}


def trust(account: str) -> dict[str, Any]:
    root = f"arn:aws:iam::{account}:root"
    return document(Principal={"AWS": root}, Action="sts:AssumeRole")


LAMBDA = document(Principal={"Service": "lambda.amazonaws.com"}, Action="sts:AssumeRole")
OWN, FOREIGN = trust(ACCOUNT), trust("444455556666")
READ, ADMIN = (document(Action=action, Resource="*") for action in ("s3:GetObject", "*"))


class FakeIam(Recorder):
    """One role and one user, whose properties a test sets."""

    def __init__(self) -> None:
        super().__init__()
        self.trust: dict[str, Any] = OWN
        self.boundary = ""
        self.inline: dict[str, Any] | None = None
        self.gone = False

    def role(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "RoleName": ROLE,
            "RoleId": "AROAROLE",
            "AssumeRolePolicyDocument": self.trust,
        }
        if self.boundary:
            shown["PermissionsBoundary"] = {"PermissionsBoundaryArn": self.boundary}
        return shown

    def call(self, operation: str, **request: Any) -> Any:
        self.record(operation, request)
        if self.gone or (operation.endswith("Policy") and self.inline is None):
            raise Gone(operation)
        if operation == "iam:GetRole":
            return {"Role": self.role()}
        return {"PolicyDocument": self.inline}

    def items(self, operation: str, key: str, **request: Any) -> Sequence[Any]:
        return list(self.each(operation, key, **request))

    def each(self, operation: str, key: str, **request: Any) -> Iterator[Any]:
        self.record(operation, key, request)
        if key == "RoleDetailList":
            inline = {"RolePolicyList": [{"PolicyName": "p", "PolicyDocument": self.inline}]}
            yield self.role() | (inline if self.inline else {})
            yield self.role() | {"RoleName": "stranger", "RoleId": "AROASTRANGER"}


@pytest.fixture
def iam() -> FakeIam:
    return FakeIam()


@pytest.fixture
def ledger(tmp_path: Path, clock: FrozenClock) -> Iterator[SqliteLedger]:
    opened = SqliteLedger(tmp_path / "l.sqlite3", clock, "a", retention_days=30)
    yield opened
    opened.close()


@pytest.fixture
def history(iam: FakeIam, ledger: SqliteLedger, clock: FrozenClock) -> History:
    return History(iam, ledger, clock, Policy(ACCOUNT, "us-east-1"), lambda: RULES)


@pytest.fixture
def world(
    history: History, iam: FakeIam, ledger: SqliteLedger
) -> tuple[History, FakeIam, SqliteLedger]:
    return history, iam, ledger


def event(name: str, time: datetime = NOW, **changes: Any) -> Event:
    request = {"roleName": ROLE, "policyName": "p"} | changes.pop("request", {})
    actor = Actor("IAMUser", "arn:x", ACCOUNT, "")
    source = "iam.amazonaws.com"
    made = Event("k", "e", ACCOUNT, "us-east-1", source, name, time, actor, request=request)
    return replace(made, **changes)


def finding(aspect: Aspect) -> Finding:
    subject, evidence = Subject(SubjectKind.ROLE, ROLE), {"policy_name": "p"}
    return Finding("r", "title", Severity.HIGH, subject, evidence, "x", restores=aspect)


def role(**changes: Any) -> Principal:
    return replace(user(ROLE, kind=SubjectKind.ROLE, unique_id="AROAROLE"), **changes)


def before(history: History, clock: FrozenClock, aspect: Aspect, **changes: Any) -> str:
    """What a change made this very second replaced."""
    changed = event("UpdateAssumeRolePolicy", clock.now())
    return history.before(changed, finding(aspect), role(**changes))


# --- the snapshot


def test_before_any_snapshot_nothing_is_known(history: History, clock: FrozenClock) -> None:
    with pytest.raises(CannotRestore, match="nobody knows the trust policy"):
        before(history, clock, Aspect.TRUST_POLICY)


def test_a_snapshot_knows_what_was_there_before_a_later_change(
    history: History, iam: FakeIam, clock: FrozenClock
) -> None:
    iam.boundary, iam.inline = BOUNDARY, READ
    history.refresh()
    clock.advance(60)
    iam.trust, iam.boundary, iam.inline = FOREIGN, "", ADMIN
    assert json.loads(before(history, clock, Aspect.TRUST_POLICY)) == OWN
    assert before(history, clock, Aspect.PERMISSIONS_BOUNDARY) == BOUNDARY
    assert json.loads(before(history, clock, Aspect.INLINE_POLICY)) == READ


def test_a_snapshot_knows_that_there_was_none(history: History, clock: FrozenClock) -> None:
    history.refresh()
    clock.advance(60)
    assert before(history, clock, Aspect.PERMISSIONS_BOUNDARY) == ""
    assert before(history, clock, Aspect.INLINE_POLICY) == ""


def test_a_change_from_before_the_snapshot_may_be_in_it(
    history: History, clock: FrozenClock
) -> None:
    changed = event("UpdateAssumeRolePolicy", clock.now())
    clock.advance(1)
    history.refresh()
    with pytest.raises(CannotRestore):
        history.before(changed, finding(Aspect.TRUST_POLICY), role())


def test_another_role_of_the_same_name_is_not_in_the_snapshot(
    history: History, clock: FrozenClock
) -> None:
    history.refresh()
    clock.advance(60)
    with pytest.raises(CannotRestore):
        before(history, clock, Aspect.TRUST_POLICY, unique_id="AROAOTHER")


@pytest.mark.parametrize("aspect", [Aspect.TRUST_POLICY, Aspect.PERMISSIONS_BOUNDARY])
def test_a_role_younger_than_the_snapshot_had_no_inline_policy_and_the_rest_is_unknown(
    history: History, clock: FrozenClock, aspect: Aspect
) -> None:
    history.refresh()
    clock.advance(60)
    younger = {"unique_id": "AROAOTHER", "created": clock.now() - timedelta(seconds=9)}
    assert before(history, clock, Aspect.INLINE_POLICY, **younger) == ""
    with pytest.raises(CannotRestore):
        before(history, clock, aspect, **younger)


def test_only_principals_in_scope_are_kept(history: History, clock: FrozenClock) -> None:
    history.refresh()
    clock.advance(60)
    with pytest.raises(CannotRestore):
        before(history, clock, Aspect.TRUST_POLICY, unique_id="AROASTRANGER")


def test_a_snapshot_is_taken_every_six_hours_or_when_asked(
    history: History, iam: FakeIam, clock: FrozenClock
) -> None:
    for seconds, asked, taken in (
        (0, False, 1),
        (6 * 3600 - 1, False, 1),
        (1, False, 2),
        (1, False, 2),
        (0, True, 3),
    ):
        clock.advance(seconds)
        history.refresh(asked=asked)
        assert len(iam.called("iam:GetAccountAuthorizationDetails")) == 3 * taken


def test_a_snapshot_that_fails_leaves_the_last_one_and_is_tried_again_soon(
    history: History, iam: FakeIam, clock: FrozenClock
) -> None:
    history.refresh()
    clock.advance(6 * 3600)
    iam.fail["iam:GetAccountAuthorizationDetails"] = [Denied("no")]
    history.refresh()
    assert json.loads(before(history, clock, Aspect.TRUST_POLICY)) == OWN
    clock.advance(300)
    iam.trust = READ
    history.refresh()
    clock.advance(1)
    assert json.loads(before(history, clock, Aspect.TRUST_POLICY)) == READ


def test_without_a_rule_that_restores_nothing_is_read(
    iam: FakeIam, ledger: SqliteLedger, clock: FrozenClock
) -> None:
    history = History(iam, ledger, clock, Policy(ACCOUNT, "us-east-1"), lambda: RuleSet([]))
    history.refresh()
    history.note(event("UpdateAssumeRolePolicy"))
    assert iam.calls == []


def test_a_rule_that_only_observes_restores_nothing() -> None:
    assert RULES.restored == frozenset(Aspect)
    observing = RuleSet(replace(rule, mode=Mode.OBSERVE) for rule in RULES.rules)
    assert observing.restored == frozenset()


# --- the notes


def test_a_change_that_was_let_stand_is_what_the_next_one_replaces(
    history: History, iam: FakeIam, clock: FrozenClock
) -> None:
    history.refresh()
    clock.advance(60)
    iam.trust, changed = LAMBDA, event("UpdateAssumeRolePolicy", clock.now())
    clock.advance(30)
    history.note(changed)
    assert json.loads(before(history, clock, Aspect.TRUST_POLICY)) == LAMBDA


@pytest.mark.parametrize("name", EVENT_NAMES)
def test_every_call_that_changes_an_aspect_is_noted(
    history: History, iam: FakeIam, clock: FrozenClock, name: str
) -> None:
    iam.gone = True
    request = {"userName": "iam-test-user", "groupName": "iam-test-group"}
    changed = event(name, request=request)
    clock.advance(30)
    history.note(changed)
    assert iam.calls


def test_the_name_is_the_same_in_any_case(
    history: History, iam: FakeIam, clock: FrozenClock
) -> None:
    iam.inline = READ
    changed = event("PutRolePolicy", request={"roleName": ROLE.replace("role", "ROLE")})
    clock.advance(30)
    history.note(changed)
    assert json.loads(before(history, clock, Aspect.INLINE_POLICY)) == READ


def test_what_a_forged_event_says_is_never_noted(
    history: History, iam: FakeIam, clock: FrozenClock
) -> None:
    forged = json.dumps(document(Action="iam:*", Resource="*"))
    changed = event("PutRolePolicy", request={"policyDocument": forged})
    iam.inline = READ
    clock.advance(30)
    history.note(changed)
    assert json.loads(before(history, clock, Aspect.INLINE_POLICY)) == READ


@pytest.mark.parametrize(("age", "wait"), [(0, 15), (10, 5), (14.5, 1)])
def test_it_waits_until_iam_must_show_the_change(
    history: History, clock: FrozenClock, age: float, wait: float
) -> None:
    clock.advance(age)
    with pytest.raises(Transient) as error:
        history.note(event("UpdateAssumeRolePolicy"))
    assert error.value.retry_in == wait


@pytest.mark.parametrize("worse", ["trust", "inline"])
def test_a_value_that_the_rules_object_to_is_not_noted_but_known_to_have_changed(
    history: History, iam: FakeIam, clock: FrozenClock, worse: str
) -> None:
    history.refresh()
    clock.advance(60)
    iam.trust, iam.inline = (FOREIGN, READ) if worse == "trust" else (OWN, ADMIN)
    name = "UpdateAssumeRolePolicy" if worse == "trust" else "PutRolePolicy"
    changed = event(name, clock.now())
    clock.advance(30)
    history.note(changed)
    aspect = Aspect.TRUST_POLICY if worse == "trust" else Aspect.INLINE_POLICY
    with pytest.raises(CannotRestore):
        before(history, clock, aspect)


def test_what_may_not_be_read_is_known_to_have_changed(
    history: History, iam: FakeIam, clock: FrozenClock
) -> None:
    history.refresh()
    clock.advance(60)
    iam.fail["iam:GetRole"] = [Denied("no")]
    changed = event("UpdateAssumeRolePolicy", clock.now())
    clock.advance(30)
    history.note(changed)
    with pytest.raises(CannotRestore):
        before(history, clock, Aspect.TRUST_POLICY)


def test_a_read_that_fails_is_tried_again(
    history: History, iam: FakeIam, clock: FrozenClock
) -> None:
    clock.advance(30)
    iam.fail["iam:GetRole"] = [Transient("throttled")]
    with pytest.raises(Transient):
        history.note(event("UpdateAssumeRolePolicy"))


@pytest.mark.parametrize(
    "changes",
    [
        {"error_code": "AccessDenied"},
        {"account_id": "444455556666"},
        {"region": "eu-west-1"},
        {"source": "sts.amazonaws.com"},
        {"name": "GetRole"},
        {"request": {"roleName": "stranger"}},
        {"request": {"roleName": 7}},
    ],
)
def test_what_changed_nothing_of_ours_is_not_noted(
    history: History, iam: FakeIam, clock: FrozenClock, changes: dict[str, Any]
) -> None:
    clock.advance(30)
    name = changes.pop("name", "UpdateAssumeRolePolicy")
    history.note(event(name, **changes))
    assert iam.calls == []


@pytest.mark.parametrize("request_", [None, {"omitted": True}])
def test_an_event_that_hides_its_request_changes_no_note(
    history: History, iam: FakeIam, clock: FrozenClock, request_: dict[str, Any] | None
) -> None:
    clock.advance(30)
    history.note(replace(event("UpdateAssumeRolePolicy"), request=request_))
    assert iam.calls == []


# --- which of them counts


@pytest.mark.parametrize(
    ("noted_after", "snapshot_after", "expected"),
    [
        (100, None, "noted"),
        (100, 150, "snapshot"),
        (160, 150, "noted"),
        (100, 250, "noted"),
        (250, 150, "snapshot"),
        (250, None, None),
        (200, None, "noted"),
    ],
)
def test_the_latest_that_is_older_than_the_change_counts(
    world: tuple[History, FakeIam, SqliteLedger],
    clock: FrozenClock,
    noted_after: int,
    snapshot_after: int | None,
    expected: str | None,
) -> None:
    (history, iam, ledger), start = world, clock.now()
    noted_at = start + timedelta(seconds=noted_after)
    ledger.note(f"role/{ROLE}/permissions_boundary", Noted("noted", noted_at))
    if snapshot_after is not None:
        clock.advance(snapshot_after)
        iam.boundary = "snapshot"
        history.refresh()
    changed = event("DeleteRolePermissionsBoundary", start + timedelta(seconds=200))
    about = finding(Aspect.PERMISSIONS_BOUNDARY)
    if expected is None:
        with pytest.raises(CannotRestore):
            history.before(changed, about, role())
    else:
        assert history.before(changed, about, role()) == expected


def test_a_note_about_a_former_role_of_the_same_name_does_not_count(
    history: History, ledger: SqliteLedger, clock: FrozenClock
) -> None:
    ledger.note(f"role/{ROLE}/trust_policy", Noted("{}", clock.now()))
    clock.advance(60)
    with pytest.raises(CannotRestore):
        before(history, clock, Aspect.TRUST_POLICY, created=clock.now() - timedelta(seconds=30))
