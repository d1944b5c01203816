"""One contract for both ledgers: leases, fencing, history. Then what is SQLite's own."""

import base64
import json
import multiprocessing
import sqlite3
import stat
import threading
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from countermand.core.decide import decide
from countermand.core.errors import ConfigError, LostLease, Permanent, Transient
from countermand.core.model import (
    Actor,
    Baseline,
    Call,
    Guard,
    Mode,
    Outcome,
    Reason,
    Record,
    Ruling,
    Severity,
    StepStatus,
    Subject,
    SubjectKind,
    Timings,
    Undo,
    Verdict,
)
from countermand.ledger.cursor import encode_position
from countermand.ledger.dynamodb import DynamoDbLedger
from countermand.ledger.dynamodb_table import create_table, table_definition
from countermand.ledger.records import MOST_MARKERS, storable
from countermand.ledger.sqlite import SqliteLedger
from countermand.ports import Busy, Conflict, DecisionQuery, Done, EventLease, Ledger
from support.fakes import ACCOUNT, ADMIN, NOW, FrozenClock, user
from support.findings import a_finding, an_event
from support.ledgers import OpenLedger

LEASE = 75.0


def record(number: int = 1, **changes: Any) -> Record:
    """A full record; `changes` are fields of the event, the finding or the ruling."""
    event = an_event(
        id=f"{ACCOUNT}/{number}",
        event_id=str(number),
        account_id=changes.get("account_id", ACCOUNT),
        actor=Actor("IAMUser", changes.get("actor", "arn:mallory"), ACCOUNT, ""),
        request={"userName": "SECRET-MARKER"},
        body={"detail": "SECRET-MARKER"},
    )
    target = changes.get("target", "iam-test-user")
    finding = a_finding(
        rule_id=changes.get("rule_id", "admin_policy_attached_to_user"),
        severity=changes.get("severity", Severity.CRITICAL),
        subject=Subject(SubjectKind.USER, target),
    )
    verdict = changes.get("verdict", Verdict.REMEDIATE)
    reasons = (Reason(Guard.APPROVED, "Approved for remediation"),)
    params = {"user_name": target, "policy_arn": ADMIN}
    ruling = Ruling(finding, verdict, reasons, Mode.ENFORCE, True, user(), params)
    decision = decide(event, [ruling])
    outcomes = tuple(
        Outcome(step, StepStatus.APPLIED, "gone", Call("undo_x", step.call.params), NOW)
        for step in decision.steps
    )
    at = changes.get("at", NOW)
    return Record(
        decision=decision,
        timings=Timings(received_at=at, decided_at=at, remediated_at=at, notified_at=at),
        outcomes=outcomes,
        notified=("sns:applied",),
        annotations=("a note",),
    )


def leased(ledger: Ledger, key: str = "k", digest: str = "d") -> EventLease:
    answer = ledger.acquire(key, digest, LEASE)
    assert isinstance(answer, EventLease)
    return answer


def keep(ledger: Ledger, *records: Record) -> None:
    for one in records:
        ledger.finish(leased(ledger, one.decision.event.id), one)


def ids(ledger: Ledger, **filters: Any) -> list[str]:
    found = ledger.find(DecisionQuery(**filters)).records
    return [r.decision.event.event_id for r in found]


# --- the table of `lease`


def test_an_unknown_event_gets_the_first_token(open_ledger: OpenLedger) -> None:
    lease = leased(open_ledger("a"))
    assert (lease.fencing_token, lease.record) == (1, None)


def test_a_running_lease_makes_everyone_wait(open_ledger: OpenLedger, clock: FrozenClock) -> None:
    leased(open_ledger("a"))
    clock.advance(15)
    for owner in ("a", "b"):
        answer = open_ledger(owner).acquire("k", "d", LEASE)
        assert isinstance(answer, Busy)
        assert answer.retry_in == pytest.approx(60, abs=0.01)


def test_an_ended_lease_passes_on_with_its_record(
    open_ledger: OpenLedger, clock: FrozenClock
) -> None:
    ledger = open_ledger("a")
    ledger.save(leased(ledger), record())
    clock.advance(LEASE + 1)
    lease = leased(open_ledger("b"))
    assert lease.fencing_token == 2
    assert lease.record == record()


def test_a_released_lease_can_be_taken_at_once(open_ledger: OpenLedger) -> None:
    ledger = open_ledger("a")
    ledger.release(leased(ledger))
    assert leased(open_ledger("b")).fencing_token == 2


def test_a_finished_event_is_done_for_everybody(open_ledger: OpenLedger) -> None:
    ledger = open_ledger("a")
    ledger.finish(leased(ledger), record())
    assert isinstance(ledger.acquire("k", "d", LEASE), Done)
    assert isinstance(open_ledger("b").acquire("k", "d", LEASE), Done)


@pytest.mark.parametrize("done", [False, True])
def test_another_payload_is_a_conflict(open_ledger: OpenLedger, done: bool) -> None:
    """Another payload under the same key is a conflict."""
    ledger = open_ledger("a")
    lease = leased(ledger)
    if done:
        ledger.finish(lease, record())
    assert isinstance(ledger.acquire("k", "other", LEASE), Conflict)


def test_a_renewed_lease_runs_from_the_renewal(open_ledger: OpenLedger, clock: FrozenClock) -> None:
    ledger = open_ledger("a")
    lease = leased(ledger)
    clock.advance(LEASE - 1)
    ledger.renew(lease, LEASE)
    clock.advance(LEASE - 1)
    assert isinstance(open_ledger("b").acquire("k", "d", LEASE), Busy)


# --- fencing


@pytest.mark.parametrize("write", ["save", "finish", "renew", "release"])
def test_a_late_write_is_refused(open_ledger: OpenLedger, clock: FrozenClock, write: str) -> None:
    """A late write of a former owner is refused."""
    former, latter = open_ledger("a"), open_ledger("b")
    old = leased(former)
    clock.advance(LEASE + 1)
    new = leased(latter)
    latter.save(new, record(1))
    arguments: dict[str, Sequence[Any]] = {"renew": (LEASE,), "release": ()}
    with pytest.raises(LostLease):
        getattr(former, write)(old, *arguments.get(write, (record(2),)))
    assert isinstance(former.acquire("k", "d", LEASE), Busy)
    assert ids(latter) == ["1"]


def test_a_former_owner_of_one_name_is_refused(open_ledger: OpenLedger, clock: FrozenClock) -> None:
    """A former owner with the same name is refused too."""
    ledger = open_ledger("a")
    old = leased(ledger)
    clock.advance(LEASE + 1)
    leased(ledger)
    with pytest.raises(LostLease):
        ledger.save(old, record())


def test_a_finished_event_is_not_written(open_ledger: OpenLedger) -> None:
    """Nothing is written after the event is done."""
    ledger = open_ledger("a")
    lease = leased(ledger)
    ledger.finish(lease, record())
    with pytest.raises(LostLease):
        ledger.save(lease, record())


def test_its_owner_can_finish_an_event_twice(open_ledger: OpenLedger) -> None:
    ledger = open_ledger("a")
    lease = leased(ledger)
    ledger.finish(lease, record())
    ledger.finish(lease, record())
    with pytest.raises(LostLease):
        open_ledger("b").finish(replace(lease, owner="b"), record())


def test_ten_threads_on_two_replicas_lease_once(open_ledger: OpenLedger) -> None:
    ledgers = [open_ledger("a"), open_ledger("b")]
    start, answers = threading.Barrier(10), []

    def take(ledger: Ledger) -> None:
        start.wait()
        answers.append(ledger.acquire("k", "d", LEASE))

    threads = [threading.Thread(target=take, args=(ledgers[n % 2],)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(a).__name__ for a in answers].count("EventLease") == 1
    assert [type(a).__name__ for a in answers].count("Busy") == 9


# --- history


def test_a_record_is_read_whole_without_the_body(open_ledger: OpenLedger) -> None:
    ledger = open_ledger("a")
    keep(ledger, record())
    found = ledger.get(record().decision.id)
    assert found == record()
    assert found is not None
    assert (found.decision.event.request, found.decision.event.body) == (None, {})


HOSTILE = "lone \ud800 surrogate"


def test_lone_surrogates_are_stored(open_ledger: OpenLedger) -> None:
    """The ledger stores lone surrogates in a readable form."""
    ledger, undo = open_ledger("a"), Undo(HOSTILE, NOW)
    hostile = replace(record(1, target=HOSTILE, actor=HOSTILE), annotations=(HOSTILE,))
    lease = leased(ledger, HOSTILE)
    assert isinstance(ledger.acquire(HOSTILE, "d", LEASE), Busy)
    ledger.finish(lease, hostile)
    ledger.mark_undone(hostile.decision.id, undo, [HOSTILE])
    assert ids(ledger, target=HOSTILE, actor=HOSTILE) == ["1"]
    assert ids(ledger, rule_id=HOSTILE) == []
    assert ledger.get(HOSTILE) is None
    found = ledger.get(hostile.decision.id)
    assert found is not None
    assert found.annotations == (r"lone \ud800 surrogate",)
    assert ledger.undo_of(HOSTILE) == found.undo


def test_a_hidden_actor_can_be_searched_for(open_ledger: OpenLedger) -> None:
    ledger = open_ledger("a")
    keep(ledger, record(1, actor=""), record(2))
    assert ids(ledger, actor="") == ["1"]
    assert ids(ledger, rule_id="") == []


def test_an_unknown_decision_has_no_record(open_ledger: OpenLedger) -> None:
    assert open_ledger("a").get("d-unknown") is None


def test_names_with_lone_surrogates_are_stored(open_ledger: OpenLedger) -> None:
    ledger = open_ledger("a")
    keep(ledger, record(1, target="nul\x00 bidi\u202e newline\n"))
    assert ids(ledger) == ["1"]


FILTERS = [
    ("verdict", Verdict.SKIP),
    ("rule_id", "another_rule"),
    ("severity", Severity.LOW),
    ("target", "alice"),
    ("actor", "arn:eve"),
    ("account_id", "222233334444"),
]


@pytest.mark.parametrize(("name", "wanted"), FILTERS, ids=[name for name, _ in FILTERS])
def test_decisions_are_found_by_each_filter(
    open_ledger: OpenLedger, name: str, wanted: Any
) -> None:
    ledger = open_ledger("a")
    keep(ledger, record(1), record(2, **{name: wanted}), record(3))
    assert ids(ledger, **{name: wanted}) == ["2"]


def test_filters_narrow_each_other(open_ledger: OpenLedger) -> None:
    ledger = open_ledger("a")
    keep(ledger, record(1, target="alice"), record(2, target="alice", verdict=Verdict.SKIP))
    assert ids(ledger, target="alice", verdict=Verdict.SKIP) == ["2"]
    assert ids(ledger, target="bob", verdict=Verdict.SKIP) == []


def test_the_newest_decision_comes_first(open_ledger: OpenLedger) -> None:
    """The newest decision comes first across days."""
    ledger = open_ledger("a")
    days = [record(n, at=NOW - timedelta(days=n)) for n in (3, 1, 12, 2)]
    keep(ledger, *days)
    assert ids(ledger) == ["1", "2", "3", "12"]


def test_since_is_included_and_until_is_not(open_ledger: OpenLedger) -> None:
    ledger = open_ledger("a")
    keep(ledger, *(record(n, at=NOW - timedelta(minutes=n)) for n in range(4)))
    since, until = NOW - timedelta(minutes=2), NOW
    assert ids(ledger, since=since, until=until) == ["1", "2"]
    assert ids(ledger, since=since, until=until, verdict=Verdict.REMEDIATE) == ["1", "2"]
    assert ids(ledger, since=until, until=since) == []


@pytest.mark.parametrize("hours", [-11, 5.5, 14])
def test_times_of_any_zone_are_compared_in_utc(open_ledger: OpenLedger, hours: float) -> None:
    ledger = open_ledger("a")
    keep(ledger, record(1), record(2, at=NOW - timedelta(hours=1)))
    zone = timezone(timedelta(hours=hours))
    assert ids(ledger, since=(NOW - timedelta(minutes=5)).astimezone(zone)) == ["1"]
    assert ids(ledger, until=(NOW - timedelta(minutes=5)).astimezone(zone)) == ["2"]


def test_the_ends_of_the_calendar_are_times(open_ledger: OpenLedger) -> None:
    """The first and last time of the calendar are times like any other."""
    ledger = open_ledger("a")
    keep(ledger, record(1))
    first = datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))
    last = datetime.max.replace(tzinfo=timezone(timedelta(hours=-11)))
    assert ids(ledger, since=first, until=last) == ["1"]


@pytest.mark.parametrize("filters", [{}, {"verdict": Verdict.REMEDIATE}, {"target": "alice"}])
def test_pages_are_stable(open_ledger: OpenLedger, filters: dict[str, Any]) -> None:
    """Pages are stable while new decisions arrive."""
    ledger = open_ledger("a")
    keep(ledger, *(record(n, target="alice", at=NOW - timedelta(hours=9 * n)) for n in range(7)))
    seen: list[str] = []
    cursor = None
    for page_number in range(5):
        page = ledger.find(DecisionQuery(limit=3, cursor=cursor, **filters))
        seen += [r.decision.event.event_id for r in page.records]
        keep(ledger, record(100 + page_number, target="alice", at=NOW + timedelta(seconds=1)))
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [str(n) for n in range(7)]


def test_decisions_of_one_instant_are_paged_once(
    open_ledger: OpenLedger,
) -> None:
    ledger = open_ledger("a")
    keep(ledger, *(record(n) for n in range(5)))
    first = ledger.find(DecisionQuery(limit=2))
    second = ledger.find(DecisionQuery(limit=9, cursor=first.next_cursor))
    found = [r.decision.event.event_id for r in (*first.records, *second.records)]
    assert sorted(found) == ["0", "1", "2", "3", "4"]
    assert second.next_cursor is None


def forged(*position: str) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


BAD_CURSORS = [
    *("", "x", "!!!!", "bnVsbA", "WzEsMl0", "\u00fc", "\ud800", "[" * 5000),
    forged("2026-10-99", "d-1"),
    forged("2026-W01-1", "d-1"),
    forged("2026-11-20", "\ud800"),
    forged("2026-11-20", "d" * 3000),
    forged("2026-11-20T" + "0" * 3000, "d-1"),
    forged("\u0662\u0660\u0662\u0666-11-20", "d-1"),
    forged("2026-11-20", "d-1", "more"),
]


@pytest.mark.parametrize("cursor", BAD_CURSORS, ids=range(len(BAD_CURSORS)))
def test_a_made_up_cursor_is_refused(open_ledger: OpenLedger, cursor: str) -> None:
    with pytest.raises(Permanent, match="cursor"):
        open_ledger("a").find(DecisionQuery(cursor=cursor))


def test_a_cursor_before_everything_finds_nothing(open_ledger: OpenLedger) -> None:
    ledger = open_ledger("a")
    keep(ledger, record())
    assert ids(ledger, cursor=encode_position("0001-01-02", "")) == []


# --- undo


def test_an_undo_is_stored_once(open_ledger: OpenLedger) -> None:
    """An undo is stored once with record and keys."""
    ledger, undo = open_ledger("a"), Undo("arn:alice", NOW)
    keep(ledger, record())
    decision_id = record().decision.id
    assert ledger.mark_undone(decision_id, undo, ["g1", "g2"]).undo == undo
    assert open_ledger("b").undo_of("g1") == undo
    assert ledger.undo_of("g3") is None
    found = ledger.get(decision_id)
    assert found is not None
    assert found.undo == undo
    with pytest.raises(Permanent, match="already undone"):
        ledger.mark_undone(decision_id, undo, ["g1"])


def test_an_unknown_decision_has_no_undo(open_ledger: OpenLedger) -> None:
    """An undo of an unknown decision is refused."""
    with pytest.raises(Permanent, match="d-unknown"):
        open_ledger("a").mark_undone("d-unknown", Undo("x", NOW), [])


@pytest.mark.parametrize("write", ["save", "finish"])
def test_a_late_save_does_not_overwrite_an_undo(open_ledger: OpenLedger, write: str) -> None:
    worker, undo = open_ledger("a"), Undo("arn:alice", NOW)
    one = record()
    lease = leased(worker, one.decision.event.id)
    worker.save(lease, one)
    open_ledger("cli").mark_undone(one.decision.id, undo, [])
    getattr(worker, write)(lease, one)
    found = worker.get(one.decision.id)
    assert found is not None
    assert found.undo == undo
    assert [r.undo for r in worker.find(DecisionQuery()).records] == [undo]
    with pytest.raises(Permanent, match="already undone"):
        worker.mark_undone(one.decision.id, undo, [])


def test_the_next_owner_sees_an_undo(open_ledger: OpenLedger) -> None:
    ledger, undo, one = open_ledger("a"), Undo("arn:alice", NOW), record()
    lease = leased(ledger)
    ledger.save(lease, one)
    ledger.mark_undone(one.decision.id, undo, [])
    ledger.release(lease)
    assert leased(open_ledger("b")).record == replace(one, undo=undo)


@pytest.mark.parametrize("value", ["a document", "", None, "lone \ud800"])
def test_a_baseline_is_seen_by_every_replica(open_ledger: OpenLedger, value: str | None) -> None:
    open_ledger("a").save_baseline("role/x/trust_policy", Baseline(value, NOW))
    found = open_ledger("b").baseline("role/x/trust_policy")
    assert found == Baseline(value if value is None else storable(value), NOW)


def test_a_missing_baseline_is_unknown(open_ledger: OpenLedger) -> None:
    """A baseline that was never saved is unknown."""
    assert open_ledger("a").baseline("role/x/trust_policy") is None


@pytest.mark.parametrize("seconds", [0, 1, 10 * 365 * 86400])
def test_the_latest_baseline_counts_in_any_order(open_ledger: OpenLedger, seconds: float) -> None:
    later = Baseline("later", NOW + timedelta(seconds=seconds))
    ledger = open_ledger("a")
    ledger.save_baseline("n", Baseline("earlier", NOW))
    ledger.save_baseline("n", later)
    assert ledger.baseline("n") == later
    ledger.save_baseline("n", Baseline(None, NOW - timedelta(seconds=1)))
    assert ledger.baseline("n") == later


def test_all_replicas_add_to_one_window(open_ledger: OpenLedger) -> None:
    one, two = open_ledger("a"), open_ledger("b")
    for ledger, member in ((one, "x"), (two, "y"), (two, "x"), (one, "lone \ud800")):
        ledger.add_marker("set 1", member)
    two.add_marker("set 2", "z")
    assert one.markers(["set 1"]) == {"x", "y", storable("lone \ud800")}
    assert one.markers(["set 1", "set 2", "set 3"]) == {"x", "y", "z", storable("lone \ud800")}
    assert one.markers([]) == frozenset()


def test_a_ledger_that_works_passes_its_check(open_ledger: OpenLedger) -> None:
    open_ledger("a").check()


# --- SQLite alone


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "ledger.sqlite3"


def sqlite(path: Path, clock: FrozenClock, **options: Any) -> SqliteLedger:
    return SqliteLedger(path, clock, "a", retention_days=30, **options)


def test_what_was_stored_is_there_after_a_restart(path: Path, clock: FrozenClock) -> None:
    ledger = sqlite(path, clock)
    keep(ledger, record())
    ledger.close()
    again = sqlite(path, clock)
    assert ids(again) == ["1"]
    assert isinstance(again.acquire(record().decision.event.id, "d", LEASE), Done)
    again.close()


def test_the_event_s_body_is_nowhere_in_the_file(path: Path, clock: FrozenClock) -> None:
    ledger = sqlite(path, clock)
    keep(ledger, record())
    ledger.close()
    assert b"SECRET-MARKER" not in path.read_bytes()
    assert b"iam-test-user" in path.read_bytes()


def test_only_the_owner_may_read_the_file(path: Path, clock: FrozenClock) -> None:
    sqlite(path, clock).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def _hold(path: Path, held: Any, release: Any) -> None:
    ledger = sqlite(path, FrozenClock())
    held.set()
    release.wait(30)
    ledger.close()


def test_a_file_in_use_is_refused(path: Path, clock: FrozenClock) -> None:
    """A file that another process holds is refused."""
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(path, held, release))
    other.start()
    try:
        assert held.wait(30)
        with pytest.raises(ConfigError, match=f"locked by process {other.pid}.*dynamodb:TABLE"):
            sqlite(path, clock)
        sqlite(path, clock, exclusive=False).close()
    finally:
        release.set()
        other.join()
    sqlite(path, clock).close()


def _claim_at_once(path: Path, together: Any, answers: Any) -> None:
    together.wait(30)
    ledger = sqlite(path, FrozenClock(), exclusive=False)
    answers.put(type(ledger.acquire("k", "d", LEASE)).__name__)
    ledger.close()


def test_processes_that_start_together_lease_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    together, answers = context.Barrier(4), context.Queue()
    arguments = (tmp_path / "ledger.sqlite3", together, answers)
    processes = [context.Process(target=_claim_at_once, args=arguments) for _ in range(4)]
    for process in processes:
        process.start()
    assert sorted(answers.get(timeout=60) for _ in processes) == [
        "Busy",
        "Busy",
        "Busy",
        "EventLease",
    ]
    for process in processes:
        process.join()


def test_a_file_of_the_first_version_is_migrated(path: Path, clock: FrozenClock) -> None:
    ledger = sqlite(path, clock)
    keep(ledger, record())
    ledger._db.execute("ALTER TABLE events DROP COLUMN undo")
    ledger._db.execute("DROP TABLE notes")
    ledger._db.execute("DROP TABLE members")
    ledger._db.execute("PRAGMA user_version = 1")
    ledger.close()
    again = sqlite(path, clock)
    assert again.mark_undone(record().decision.id, Undo("x", NOW), []).undo == Undo("x", NOW)
    again.save_baseline("n", Baseline("value", NOW))
    again.add_marker("s", "x")
    again.close()


def test_a_file_of_a_newer_version_is_refused(path: Path, clock: FrozenClock) -> None:
    sqlite(path, clock).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(ConfigError, match="newer version"):
        sqlite(path, clock)


def test_a_file_that_is_no_database_is_refused(path: Path, clock: FrozenClock) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(ConfigError, match="cannot be opened"):
        sqlite(path, clock)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path, clock: FrozenClock) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be opened"):
        sqlite(tmp_path / "file" / "ledger.sqlite3", clock)


def test_a_full_disk_is_transient(path: Path, clock: FrozenClock) -> None:
    """A full disk is transient and loses nothing."""
    ledger = sqlite(path, clock)
    keep(ledger, record(1))
    pages = ledger._db.execute("PRAGMA page_count").fetchone()[0]
    ledger._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(Transient, match="full"):
        keep(ledger, *(record(number) for number in range(2, 200)))
    ledger._db.execute("PRAGMA max_page_count = 100000")
    assert "1" in ids(ledger)
    ledger.check()
    ledger.close()


def test_a_failed_commit_does_not_block(path: Path, clock: FrozenClock) -> None:
    """A commit that fails does not block the next one."""
    ledger = sqlite(path, clock)
    lease = leased(ledger)
    for statement in (
        "PRAGMA foreign_keys = ON",
        "CREATE TABLE parents (id INTEGER PRIMARY KEY)",
        "CREATE TABLE children (id REFERENCES parents DEFERRABLE INITIALLY DEFERRED)",
        "CREATE TRIGGER fail AFTER UPDATE ON events BEGIN INSERT INTO children VALUES (1); END",
    ):
        ledger._db.execute(statement)
    with pytest.raises(Transient, match="FOREIGN KEY"):
        ledger.renew(lease, LEASE)
    ledger._db.execute("DROP TRIGGER fail")
    ledger.renew(lease, LEASE)
    ledger.close()


def test_a_locked_file_is_transient(path: Path, clock: FrozenClock) -> None:
    ledger, other = sqlite(path, clock), sqlite(path, clock, exclusive=False)
    ledger._db.execute("PRAGMA busy_timeout = 0")
    other._db.execute("BEGIN IMMEDIATE")
    with pytest.raises(Transient, match="locked"):
        ledger.acquire("k", "d", LEASE)
    other._db.rollback()
    assert leased(ledger).fencing_token == 1
    ledger.close()
    other.close()


def test_a_file_that_breaks_is_transient(path: Path, clock: FrozenClock) -> None:
    """A file that breaks while open is a transient failure."""
    before = sqlite(path, clock)
    keep(before, record())
    before.close()
    ledger = sqlite(path, clock)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    with pytest.raises(Transient, match="malformed"):
        ledger.get(record().decision.id)
    with pytest.raises(Transient, match="malformed"):
        ledger.acquire("k", "d", LEASE)
    ledger.close()


def test_a_record_of_another_version_is_transient(path: Path, clock: FrozenClock) -> None:
    ledger = sqlite(path, clock)
    keep(ledger, record())
    ledger._db.execute("UPDATE events SET record = ?", (b'{"decision": "PRIVATE"}',))
    with pytest.raises(Transient, match="another version") as refusal:
        ledger.get(record().decision.id)
    assert "PRIVATE" not in str(refusal.value)
    assert refusal.value.__suppress_context__
    ledger.close()


def test_a_read_only_database_fails_the_check(path: Path, clock: FrozenClock) -> None:
    ledger = sqlite(path, clock)
    ledger._db.execute("PRAGMA query_only = ON")
    with pytest.raises(Transient):
        ledger.check()
    ledger.close()


def test_old_records_are_forgotten(path: Path, clock: FrozenClock) -> None:
    """The ledger forgets records that are older than the retention."""
    ledger = sqlite(path, clock)
    keep(ledger, record(1))
    clock.advance(timedelta(days=29).total_seconds())
    keep(ledger, record(2))
    assert sorted(ids(ledger)) == ["1", "2"]
    clock.advance(timedelta(days=2).total_seconds())
    keep(ledger, record(3))
    assert sorted(ids(ledger)) == ["2", "3"]
    ledger.close()


def test_a_full_window_takes_no_more_markers(path: Path, clock: FrozenClock) -> None:
    ledger = sqlite(path, clock)
    rows = [("s", str(number)) for number in range(MOST_MARKERS)]
    ledger._db.executemany("INSERT INTO members VALUES (?, ?, 0)", rows)
    ledger.add_marker("s", "one more")
    assert len(ledger.markers(["s"])) == MOST_MARKERS
    ledger.close()


# --- DynamoDB alone

YEAR_AND_MORE = 400


@pytest.fixture
def table(dynamodb: Any) -> str:
    name = f"ledger-{uuid.uuid4()}"
    create_table(dynamodb, name)
    return name


@pytest.fixture
def calls(dynamodb: Any) -> Iterator[list[str]]:
    """Names of the operations that are called from here on."""
    made: list[str] = []

    def note(model: Any, **_: Any) -> None:
        made.append(model.name)

    dynamodb.meta.events.register("before-call.dynamodb", note)
    yield made
    dynamodb.meta.events.unregister("before-call.dynamodb", note)


@pytest.mark.dynamodb
def test_the_ledger_makes_only_its_four_calls(
    dynamodb: Any, table: str, clock: FrozenClock, calls: list[str]
) -> None:
    ledger = DynamoDbLedger(dynamodb, table, clock, "a", YEAR_AND_MORE)
    keep(ledger, record(1))
    again = leased(ledger, "2")
    ledger.release(again)
    again = leased(ledger, "2")
    ledger.renew(again, LEASE)
    ledger.save(again, record(2))
    ledger.mark_undone(record(1).decision.id, Undo("x", NOW), ["g"])
    ledger.undo_of("g")
    ledger.save_baseline("n", Baseline("value", NOW))
    ledger.baseline("n")
    ledger.add_marker("s", "x")
    ledger.markers(["s"])
    ids(ledger)
    ids(ledger, target="alice", severity=Severity.LOW)
    ledger.check()
    assert set(calls) == {"GetItem", "PutItem", "UpdateItem", "Query"}


@pytest.mark.dynamodb
def test_a_full_window_of_dynamodb_takes_no_more(
    dynamodb: Any, table: str, clock: FrozenClock
) -> None:
    ledger = DynamoDbLedger(dynamodb, table, clock, "a", YEAR_AND_MORE)
    full = {"SS": [str(number) for number in range(MOST_MARKERS)]}
    dynamodb.put_item(TableName=table, Item={"key": {"S": "set#s"}, "members": full})
    ledger.add_marker("s", "one more")
    assert len(ledger.markers(["s"])) == MOST_MARKERS


@pytest.mark.dynamodb
def test_a_page_costs_a_bounded_number_of_queries(
    dynamodb: Any, table: str, clock: FrozenClock, calls: list[str]
) -> None:
    ledger = DynamoDbLedger(dynamodb, table, clock, "a", YEAR_AND_MORE)
    keep(ledger, record(1, at=NOW - timedelta(days=100)))
    seen: list[str] = []
    cursor, pages = None, 0
    while pages == 0 or cursor is not None:
        calls.clear()
        page = ledger.find(DecisionQuery(cursor=cursor))
        assert calls.count("Query") <= 40
        seen += [r.decision.event.event_id for r in page.records]
        cursor, pages = page.next_cursor, pages + 1
    assert seen == ["1"]
    assert pages == 11


@pytest.mark.dynamodb
def test_an_undo_overwrites_no_newer_record(dynamodb: Any, table: str, clock: FrozenClock) -> None:
    ledger = DynamoDbLedger(dynamodb, table, clock, "a", YEAR_AND_MORE)
    lease = leased(ledger)
    ledger.save(lease, replace(record(), annotations=()))
    stale = dynamodb.query(
        TableName=table,
        IndexName="by_decision_id",
        KeyConditionExpression="decision_id = :id",
        ExpressionAttributeValues={":id": {"S": record().decision.id}},
    )
    ledger.finish(lease, record())

    class LaggingIndex:
        """The client, but for an index that is one write behind."""

        def query(self, **_: Any) -> Any:
            return stale

        def __getattr__(self, name: str) -> Any:
            return getattr(dynamodb, name)

    lagging = DynamoDbLedger(LaggingIndex(), table, clock, "cli", YEAR_AND_MORE)
    undone = lagging.mark_undone(record().decision.id, Undo("arn:alice", NOW), [])
    assert undone == replace(record(), undo=Undo("arn:alice", NOW))
    with pytest.raises(Permanent, match="already undone"):
        lagging.mark_undone(record().decision.id, Undo("arn:bob", NOW), [])
    assert ledger.get(record().decision.id) == undone


@pytest.mark.dynamodb
def test_a_record_too_large_is_permanent(dynamodb: Any, table: str, clock: FrozenClock) -> None:
    """A record too large for an item is a permanent failure."""
    ledger = DynamoDbLedger(dynamodb, table, clock, "a", YEAR_AND_MORE)
    large = replace(record(actor="x" * 16_000), annotations=("y" * 372_000,))
    with pytest.raises(Permanent, match="too large"):
        ledger.save(leased(ledger), large)


@pytest.mark.dynamodb
def test_every_item_expires_and_holds_no_body(
    dynamodb: Any, table: str, clock: FrozenClock
) -> None:
    ledger = DynamoDbLedger(dynamodb, table, clock, "a", YEAR_AND_MORE)
    keep(ledger, record())
    ledger.mark_undone(record().decision.id, Undo("x", NOW), ["g"])
    ledger.check()
    items = {item["key"]["S"]: item for item in dynamodb.scan(TableName=table)["Items"]}
    assert "SECRET-MARKER" not in json.dumps(items)
    kept = {
        key: datetime.fromtimestamp(int(item["expires_at"]["N"]), UTC) - NOW
        for key, item in items.items()
    }
    year_and_more = timedelta(days=YEAR_AND_MORE)
    assert kept == {
        record().decision.event.id: year_and_more,
        "undo#g": year_and_more,
        "health#a": timedelta(days=1),
    }


@pytest.mark.dynamodb
def test_creating_the_table_again_finishes_it(dynamodb: Any) -> None:
    name = f"ledger-{uuid.uuid4()}"
    dynamodb.create_table(**table_definition(name))
    for _ in range(2):
        create_table(dynamodb, name)
    ttl = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}


@pytest.mark.dynamodb
def test_a_table_that_is_not_there_is_transient(dynamodb: Any, clock: FrozenClock) -> None:
    ledger = DynamoDbLedger(dynamodb, "no-such-table", clock, "a", YEAR_AND_MORE)
    for call in (ledger.check, lambda: ledger.acquire("k", "d", LEASE), lambda: ids(ledger)):
        with pytest.raises(Transient, match="ResourceNotFoundException"):
            call()
