"""What version 0.1.0 stored: this version reads both kinds of ledger with all their meanings."""

import json
import sqlite3
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from countermand.actions import ALL
from countermand.core.errors import Transient
from countermand.core.model import Baseline, Event, Record, Subject, SubjectKind, Undo
from countermand.core.rules.correlate import Marker, completed, sequence
from countermand.ledger.dynamodb import DynamoDbLedger
from countermand.ledger.dynamodb_table import create_table
from countermand.ledger.records import load_record
from countermand.ledger.sqlite import SqliteLedger
from countermand.metrics import Metrics
from countermand.operations.undo import undo
from countermand.pipeline.facts import grant_key, undoer_key
from countermand.pipeline.leases import payload_digest
from countermand.pipeline.notify import AlertDispatcher
from countermand.pipeline.remediate import Remediator
from countermand.ports import Busy, Conflict, DecisionQuery, Done, EventLease, Ledger
from support.fakes import ACCOUNT, ADMIN, FakeIdentities, FakeNotifier, FrozenClock
from support.stage import RULES

FIXTURES = Path(__file__).parents[2] / "fixtures"
ITEMS: list[dict[str, dict[str, Any]]] = json.loads(
    (FIXTURES / "ledger_0_1_0.dynamodb.json").read_text()
)
DIGESTS = {item["key"]["S"]: item["digest"]["S"] for item in ITEMS if "digest" in item}
LAST = datetime(2026, 11, 23, 12, 2, 15, tzinfo=UTC)
"""The time at which 0.1.0 stopped."""
FIRST_DAY = datetime(2026, 11, 23, tzinfo=UTC)
LEASE = 75.0
ANA = Undo(
    f"arn:aws:sts::{ACCOUNT}:assumed-role/security/ana", FIRST_DAY + timedelta(hours=12, minutes=1)
)
WINDOW = f"{ACCOUNT}/new_user_made_powerful/user/iam-test-new/1795435200"


def key(number: int) -> str:
    return f"{ACCOUNT}/00000000-0000-4000-8000-{number:012}"


FORGED = f"{key(1)}#60138ba04c06"
SEQUENCE = f"{ACCOUNT}:new_user_made_powerful:user/iam-test-new@20261123T1200"
OPEN = {key(6), key(7), key(9), key(31), key(32)}


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(LAST)


@pytest.fixture(params=["sqlite", pytest.param("dynamodb", marks=pytest.mark.dynamodb)])
def ledger(request: pytest.FixtureRequest, tmp_path: Path, clock: FrozenClock) -> Iterator[Ledger]:
    """Open a copy of the ledger that 0.1.0 left."""
    opened: Ledger
    if request.param == "dynamodb":
        client, table = request.getfixturevalue("dynamodb"), f"ledger-{uuid.uuid4()}"
        create_table(client, table)
        for item in ITEMS:
            client.put_item(TableName=table, Item=item)
        opened = DynamoDbLedger(client, table, clock, "worker-3", 400)
    else:
        path = tmp_path / "ledger.sqlite3"
        with closing(sqlite3.connect(path)) as file:
            file.executescript((FIXTURES / "ledger_0_1_0.sqlite.sql").read_text())
        opened = SqliteLedger(path, clock, "worker-3", retention_days=400)
    yield opened
    opened.close()


def records(ledger: Ledger, **filters: Any) -> Mapping[str, Record]:
    """All records by the key of their event."""
    page = ledger.find(DecisionQuery(limit=100, since=FIRST_DAY, **filters))
    assert page.next_cursor is None
    return {record.decision.event.id: record for record in page.records}


def test_every_record_is_read(ledger: Ledger) -> None:
    stored = records(ledger)
    assert stored.keys() == DIGESTS.keys() - {key(32)}
    verdicts = Counter(str(record.decision.verdict) for record in stored.values())
    assert verdicts == {"remediate": 14, "alert_only": 10, "skip": 7, "wait": 2}


def test_a_record_speaks_the_new_words(ledger: Ledger) -> None:
    stored = records(ledger)
    rulings = [ruling for record in stored.values() for ruling in record.decision.rulings]
    guards = Counter(str(ruling.reasons[0].guard) for ruling in rulings)
    assert (guards["benign"], guards["harmless"]) == (2, 0)
    statuses = Counter(str(o.status) for record in stored.values() for o in record.outcomes)
    assert statuses == {
        "simulated": 6,
        "applied": 5,
        "unchanged": 1,
        "failed": 1,
        "started": 1,
    }
    assert [ruling.notify for ruling in rulings].count(True) == 28
    assert stored[key(15)].decision.leading.finding.evidence.keys() == {"policy_arn", "summary"}
    assert stored[FORGED].annotations == (
        "The same event id arrived with another payload: one of the two was forged",
    )
    assert stored[key(3)].timings.notified_at == FIRST_DAY + timedelta(hours=12, seconds=33)


@pytest.mark.parametrize(
    ("number", "notified"),
    [
        (3, ("sns:simulated", "webhook:simulated")),
        (4, ("sns:skip/exception", "webhook:skip/exception")),
        (6, ("sns:unverified", "webhook:unverified")),
        (7, ()),
        (8, ("sns:failed", "webhook:failed", "sns:applied", "webhook:applied")),
        (9, ("sns:failed",)),
        (13, ()),
    ],
)
def test_the_keys_of_alerts_are_renamed(
    ledger: Ledger, number: int, notified: tuple[str, ...]
) -> None:
    assert records(ledger)[key(number)].notified == notified


def test_no_channel_is_alerted_twice(ledger: Ledger) -> None:
    sns, webhook = FakeNotifier("sns"), FakeNotifier("webhook")
    dispatcher = AlertDispatcher([sns, webhook], "http://api", Metrics())
    for event_key, record in records(ledger).items():
        if record.decision.notify and event_key not in {key(9), key(31)}:
            dispatcher.notify(record)
    assert (sns.alerts, webhook.alerts) == ([], [])
    # The one that had reached only SNS.
    dispatcher.notify(records(ledger)[key(9)])
    assert (len(sns.alerts), len(webhook.alerts)) == (0, 1)


def test_finished_events_are_duplicates(ledger: Ledger) -> None:
    for event_key in DIGESTS.keys() - OPEN:
        assert ledger.acquire(event_key, DIGESTS[event_key], LEASE) == Done(), event_key
        assert ledger.acquire(event_key, "another payload", LEASE) == Conflict()


def test_released_events_keep_their_record(ledger: Ledger) -> None:
    """Released events are resumed with their record."""
    stored = records(ledger)
    for number in (6, 7, 9):
        lease = ledger.acquire(key(number), DIGESTS[key(number)], LEASE)
        assert lease == EventLease(key(number), "worker-3", 2, stored[key(number)])


def test_live_leases_run_to_their_end(ledger: Ledger, clock: FrozenClock) -> None:
    for number, left in ((31, 74.0), (32, 75.0)):
        assert ledger.acquire(key(number), DIGESTS[key(number)], LEASE) == Busy(left)
    clock.advance(76)
    started = ledger.acquire(key(31), DIGESTS[key(31)], LEASE)
    assert isinstance(started, EventLease)
    assert started.record is not None
    (outcome,) = started.record.outcomes
    assert (outcome.status, outcome.final, outcome.inverse is None) == ("started", False, False)
    empty = ledger.acquire(key(32), DIGESTS[key(32)], LEASE)
    assert empty == EventLease(key(32), "worker-3", 2)


def test_filters_find_old_decisions(ledger: Ledger) -> None:
    stored = records(ledger)
    for name, value in (
        ("verdict", "skip"),
        ("rule_id", "new_user_made_powerful"),
        ("severity", "critical"),
        ("target", "iam-test-applied"),
    ):
        found = records(ledger, **{name: value})
        assert 0 < len(found) < len(stored), name
        assert all(stored[event_key] == record for event_key, record in found.items())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (f"{ACCOUNT}/password_policy", '{"MinimumPasswordLength": 14}'),
        ("AIDAEXAMPLENEW/permissions_boundary", ""),
        ("AIDAEXAMPLEUSER/inline_policy/reader", '{"Version": "2012-10-17", "Statement": []}'),
        ("AIDAEXAMPLEUSER/inline_policy/risky", None),
        ("AIDAEXAMPLEUSER/name", "iam-test-user"),
        ("AIDAEXAMPLEUSER/permissions_boundary", ""),
        ("AROAEXAMPLEUNKNOWN/trust_policy", None),
        ("iam-test-idp/saml_metadata", "<EntityDescriptor/>"),
        ("iam-test-policy/default_version", "v3"),
        ("iam-test-trail/trail", None),
        ("token.example.com/oidc_thumbprints", '["9e99a48a9960b14926bb7f3b02e22da2b0ab7280"]'),
    ],
)
def test_baselines_are_kept(ledger: Ledger, name: str, value: str | None) -> None:
    baseline = ledger.baseline(name)
    assert baseline is not None
    assert baseline.value == value
    # A later one still takes its place, and an earlier one does not.
    ledger.save_baseline(name, Baseline("later", LAST))
    ledger.save_baseline(name, Baseline("earlier", FIRST_DAY))
    assert ledger.baseline(name) == Baseline("later", LAST)


def whole(ledger: Ledger) -> tuple[Event, str]:
    """Complete the stored sequence once more: its event, and the digest of its payload."""
    (correlation,) = (c for c in RULES.correlations if c.id == "new_user_made_powerful")
    marker = Marker(
        correlation,
        Subject(SubjectKind.USER, "iam-test-new"),
        (WINDOW,),
        "access_key_created_for_another_user@1795435260",
    )
    began = completed(marker, ledger.markers([WINDOW]))
    assert began is not None
    last = records(ledger)[SEQUENCE].decision.event
    event, _ = sequence(replace(last, id=key(27)), marker, began)
    return event, payload_digest(event)


def test_windows_keep_their_names_and_markers(ledger: Ledger) -> None:
    denied = f"{ACCOUNT}/denied_calls_repeated/resource/arn:aws:iam::{ACCOUNT}:user/prober"
    assert len(ledger.markers([f"{denied}/1795435200"])) == 2
    ledger.add_marker(WINDOW, "one more@1795435300")
    assert len(ledger.markers([WINDOW])) == 4


def test_a_whole_sequence_is_a_duplicate(ledger: Ledger) -> None:
    """A whole sequence is a duplicate and no forgery."""
    event, digest = whole(ledger)
    assert event.id == SEQUENCE
    assert ledger.acquire(event.id, digest, LEASE) == Done()


def test_a_stored_undo_is_found_by_its_keys(ledger: Ledger) -> None:
    record = records(ledger)[key(1)]
    assert record.undo == ANA
    target = "AIDAEXAMPLEAPPLIED"
    finding = record.decision.leading.finding
    assert ledger.undo_of(grant_key(ACCOUNT, target, finding)) == ANA
    assert ledger.undo_of(undoer_key(ACCOUNT, target, ANA.by)) == ANA


def test_every_stored_inverse_is_an_action(ledger: Ledger) -> None:
    inverses = [o.inverse for r in records(ledger).values() for o in r.outcomes if o.inverse]
    assert len(inverses) == 7
    for inverse in inverses:
        assert inverse.action.removeprefix("undo_") in ALL


def test_an_old_remediation_can_be_undone(ledger: Ledger, clock: FrozenClock) -> None:
    record = records(ledger)[key(12)]
    principal = record.decision.leading.principal
    assert principal is not None
    iam = FakeIdentities(replace(principal, policy_arns=frozenset()))
    remediator = Remediator(ALL, iam, clock, Metrics())
    undone = undo(record.decision.id, ledger, iam, remediator, ANA)
    assert iam.attached(principal.name, ADMIN)
    assert undone == replace(record, undo=ANA)
    assert records(ledger)[key(12)] == undone


@pytest.mark.parametrize(
    "damage",
    [
        lambda record: record.pop("notes"),
        lambda record: record.update(timings=None),
        lambda record: record["decision"].update(rulings=[7]),
        lambda record: record.update(told=7),
    ],
    ids=["member-missing", "null", "wrong-element", "wrong-type"],
)
def test_a_damaged_old_record_is_transient(damage: Callable[[dict[str, Any]], object]) -> None:
    """One such record must not look like a bug, whatever is wrong with it."""
    stored = json.loads(next(item["record"]["S"] for item in ITEMS if "record" in item))
    damage(stored)
    with pytest.raises(Transient, match=r"0\.1\.0 is damaged"):
        load_record(json.dumps(stored, separators=(",", ":")))
