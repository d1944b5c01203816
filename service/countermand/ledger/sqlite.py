"""The ledger: which events were dealt with (idempotency), and every decision (history).

What `lease` answers, for a key and the digest of its payload:

    stored               lease        lease answers
    -------------------  -----------  --------------------------------------------
    nothing              -            EventLease, fence 1
    open, other digest   any          Conflict
    open                 running      Busy for the rest of the lease, whoever asks
    open                 ended        EventLease, fence + 1, with what was stored
    open, released       -            EventLease, fence + 1, with what was stored
    done, other digest   -            Conflict
    done                 -            Done

`save`, `renew`, `finish` and `release` succeed only for the latest fence of an open event, and
`finish` once more for whoever finished it (its answer may have been lost); otherwise they raise
`LostLease` and change nothing. An undo is kept beside the record, so that a
worker that is still saving cannot wipe out what a human baseline meanwhile.

This file holds what the adapters share, and the SQLite adapter; DynamoDB's is in
`aws/dynamodb.py`. Both pass the same tests.
"""

import base64
import binascii
import fcntl
import json
import os
import re
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import IO

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from countermand.core.errors import ConfigError, LostLease, Permanent, Transient
from countermand.core.model import Baseline, Record, Undo
from countermand.logs import get_logger
from countermand.ports import Busy, Clock, Conflict, DecisionQuery, Done, EventLease, Page

log = get_logger(__name__)

_RECORD = TypeAdapter(Record)
_UNDO = TypeAdapter(Undo)
_NOT_STORED = {"decision": {"event": {"body", "request"}}}
_POSITION = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(T[0-9:.+]{1,22})?")
_DECISION_ID = re.compile(r"[0-9a-z-]{0,64}")
_PURGE_BATCH = 50
_FORGOTTEN = (
    ("events", "key"),
    ("undos", "grant_key"),
    ("notes", "name"),
    ("members", "rowid"),
)
MOST_MEMBERS = 1000
"""Of a gathered set: an attacker chooses how many events there are."""
_BUSY_SECONDS = 5.0

_MIGRATIONS = (
    (
        """CREATE TABLE events (
            key TEXT PRIMARY KEY,
            digest TEXT NOT NULL,
            owner TEXT NOT NULL,
            fence INTEGER NOT NULL,
            lease_until REAL NOT NULL,
            done INTEGER NOT NULL DEFAULT 0,
            touched REAL NOT NULL,
            decision_id TEXT UNIQUE,
            decided_at TEXT,
            verdict TEXT, rule_id TEXT, severity TEXT, target TEXT, actor TEXT, account_id TEXT,
            record BLOB
        ) STRICT""",
        "CREATE INDEX events_newest ON events (decided_at DESC, decision_id DESC)",
        "CREATE INDEX events_touched ON events (touched)",
        """CREATE TABLE undos (
            grant_key TEXT PRIMARY KEY, undo BLOB NOT NULL, touched REAL NOT NULL
        ) STRICT""",
    ),
    ("ALTER TABLE events ADD COLUMN undo BLOB",),
    (
        """CREATE TABLE notes (
            name TEXT PRIMARY KEY, value TEXT, at TEXT NOT NULL, touched REAL NOT NULL
        ) STRICT""",
        """CREATE TABLE members (
            name TEXT NOT NULL, member TEXT NOT NULL, touched REAL NOT NULL,
            PRIMARY KEY (name, member)
        ) STRICT""",
    ),
)
"""Version n of the file is what the first n leave behind; `PRAGMA user_version` remembers n."""


@dataclass(frozen=True, slots=True)
class IndexFields:
    """What decisions can be found by; taken from the record, in the order of the columns."""

    decision_id: str
    decided_at: str
    verdict: str
    rule_id: str
    severity: str
    target: str
    actor: str
    account_id: str


def index_fields(record: Record) -> IndexFields:
    """The fields of a record that queries filter by."""
    decision = record.decision
    finding = decision.leading.finding
    return IndexFields(
        decision_id=decision.id,
        decided_at=timestamp(record.timings.decided_at or record.timings.received_at),
        verdict=str(decision.verdict),
        rule_id=storable(finding.rule_id),
        severity=str(finding.severity),
        target=storable(finding.subject.name) if finding.subject else "",
        actor=storable(decision.event.actor.arn),
        account_id=decision.event.account_id,
    )


def timestamp(time: datetime) -> str:
    """ISO 8601 in UTC with microseconds: sorts as text as it does in time."""
    try:
        utc = time.astimezone(UTC)
    except OverflowError:  # the first or last hours of the calendar, in another zone
        utc = time.replace(tzinfo=UTC)
    return utc.isoformat(timespec="microseconds")


def dump_record(record: Record) -> bytes:
    """A record as JSON, without the event's body and parameters: these are never stored."""
    try:
        return _RECORD.dump_json(record, exclude=_NOT_STORED, ensure_ascii=True)
    except PydanticSerializationError:  # lone surrogates
        document = _RECORD.dump_python(record, mode="json", exclude=_NOT_STORED)
        return json.dumps(_all_storable(document)).encode()


def load_record(document: bytes | str, undo: bytes | str | None = None) -> Record:
    """The record, with an empty body, and with the undo that was kept beside it.

    `Transient` when this version cannot read what another one wrote: an upgrade, or its rollback,
    mends that, and until then one such record must not pass for a bug.
    """
    try:
        record = _RECORD.validate_json(document)
    except ValidationError as error:
        # `from None`: pydantic's text quotes the record.
        count = error.error_count()
        raise Transient(f"ledger: a record of another version ({count} misfits)") from None
    return replace(record, undo=load_undo(undo)) if undo else record


def dump_undo(undo: Undo) -> bytes:
    """An undo as JSON."""
    return _UNDO.dump_json(replace(undo, by=storable(undo.by)), ensure_ascii=True)


def load_undo(document: bytes | str) -> Undo:
    """The undo again."""
    return _UNDO.validate_json(document)


def storable(value: str) -> str:
    """Text that any store takes: UTF-8 has no lone surrogates."""
    return value.encode(errors="backslashreplace").decode()


def encode_cursor(fields: IndexFields) -> str:
    """Where the next page begins; opaque to clients."""
    return encode_position(fields.decided_at, fields.decision_id)


def encode_position(decided_at: str, decision_id: str) -> str:
    """A cursor from its two parts."""
    position = json.dumps([decided_at, decision_id]).encode()
    return base64.urlsafe_b64encode(position).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[str, str]:
    """`decided_at` and decision id of the last record of the page before. Else `Permanent`."""
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        position = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        position = None
    match position:
        case [str(decided_at), str(decision_id)] if _is_position(decided_at, decision_id):
            return decided_at, decision_id
    raise Permanent("cursor: not one that this API gave out; start again without it")


def _is_position(decided_at: str, decision_id: str) -> bool:
    found = _POSITION.fullmatch(decided_at)
    if found is None or not _DECISION_ID.fullmatch(decision_id):
        return False
    try:
        date.fromisoformat(found[1])
    except ValueError:
        return False
    return True


class SqliteLedger:
    """One file, one worker. All threads share one connection behind a lock.

    With `exclusive` the file is refused while another process holds it; the command line opens it
    without, beside the running worker.
    """

    def __init__(
        self, path: Path, clock: Clock, owner: str, *, retention_days: int, exclusive: bool = True
    ) -> None:
        self._clock = clock
        self._owner = owner
        self._retention = timedelta(days=retention_days).total_seconds()
        self._lock = threading.RLock()
        with ExitStack() as opened:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                if exclusive:
                    opened.enter_context(_hold(path))
                self._db = opened.enter_context(closing(_open(path)))
            except (OSError, sqlite3.Error) as error:
                raise ConfigError(f"ledger {path}: cannot be opened: {error}") from error
            self._opened = opened.pop_all()

    def acquire(
        self, key: str, digest: str, lease_seconds: float
    ) -> EventLease | Done | Busy | Conflict:
        """See the table above."""
        now = self._clock.now().timestamp()
        with self._write() as db:
            row = db.execute(
                "SELECT digest, fence, lease_until, done, record, undo FROM events WHERE key = ?",
                (storable(key),),
            ).fetchone()
            if row is None:
                db.execute(
                    "INSERT INTO events (key, digest, owner, fence, lease_until, touched) "
                    "VALUES (?, ?, ?, 1, ?, ?)",
                    (storable(key), digest, self._owner, now + lease_seconds, now),
                )
                return EventLease(key, self._owner, 1)
            known_digest, fence, lease_until, done, record, undo = row
            if known_digest != digest:
                return Conflict()
            if done:
                return Done()
            if lease_until > now:
                return Busy(lease_until - now)
            db.execute(
                "UPDATE events SET owner = ?, fence = ?, lease_until = ?, touched = ? "
                "WHERE key = ?",
                (self._owner, fence + 1, now + lease_seconds, now, storable(key)),
            )
            stored = load_record(record, undo) if record else None
            return EventLease(key, self._owner, fence + 1, stored)

    def renew(self, lease: EventLease, lease_seconds: float) -> None:
        """Extend the lease."""
        until = self._clock.now().timestamp() + lease_seconds
        self._update(lease, "lease_until = ?", until)

    def release(self, lease: EventLease) -> None:
        """End the lease now."""
        self._update(lease, "lease_until = ?", 0.0)

    def save(self, lease: EventLease, record: Record) -> None:
        """Store the record under the lease."""
        self._store(lease, record, done=False)

    def finish(self, lease: EventLease, record: Record) -> None:
        """Store the record for the last time, and forget what is older than the retention."""
        self._store(lease, record, done=True)
        try:
            self._forget()
        except Transient as error:
            # The event is done all the same; the next one forgets what this one could not.
            log.warning("Old decisions not removed", error=str(error))

    def _forget(self) -> None:
        oldest = self._clock.now().timestamp() - self._retention
        with self._write() as db:
            for table, key in _FORGOTTEN:
                db.execute(
                    f"DELETE FROM {table} WHERE {key} IN "  # noqa: S608
                    f"(SELECT {key} FROM {table} WHERE touched < ? LIMIT ?)",
                    (oldest, _PURGE_BATCH),
                )

    def get(self, decision_id: str) -> Record | None:
        """One record."""
        with self._read() as db:
            row = db.execute(
                "SELECT record, undo FROM events WHERE decision_id = ?", (storable(decision_id),)
            ).fetchone()
        return load_record(*row) if row else None

    def find(self, query: DecisionQuery) -> Page:
        """Records, newest first."""
        clauses, values = _conditions(query)
        sql = (
            f"SELECT record, undo FROM events WHERE {' AND '.join(clauses)} "  # noqa: S608
            "ORDER BY decided_at DESC, decision_id DESC LIMIT ?"
        )
        with self._read() as db:
            rows = db.execute(sql, (*values, query.limit + 1)).fetchall()
        records = tuple(load_record(*row) for row in rows[: query.limit])
        more = len(rows) > query.limit
        return Page(records, encode_cursor(index_fields(records[-1])) if more else None)

    def mark_undone(self, decision_id: str, undo: Undo, grants: Sequence[str]) -> Record:
        """Note the undo, once."""
        with self._write() as db:
            record = self.get(decision_id)
            if record is None:
                raise Permanent(f"no decision {decision_id}")
            if record.undo is not None:
                raise Permanent(f"{decision_id} was already undone by {record.undo.by}")
            db.execute(
                "UPDATE events SET undo = ? WHERE decision_id = ?", (dump_undo(undo), decision_id)
            )
            now = self._clock.now().timestamp()
            db.executemany(
                "INSERT OR REPLACE INTO undos (grant_key, undo, touched) VALUES (?, ?, ?)",
                [(storable(grant), dump_undo(undo), now) for grant in grants],
            )
            return replace(record, undo=undo)

    def undo_of(self, grant: str) -> Undo | None:
        """The latest undo of a grant."""
        with self._read() as db:
            row = db.execute(
                "SELECT undo FROM undos WHERE grant_key = ?", (storable(grant),)
            ).fetchone()
        return load_undo(row[0]) if row else None

    def save_baseline(self, name: str, baseline: Baseline) -> None:
        """Keep the latest."""
        value = storable(baseline.value) if baseline.value is not None else None
        with self._write() as db:
            db.execute(
                "INSERT INTO notes (name, value, at, touched) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET value = excluded.value, at = excluded.at, "
                "touched = excluded.touched WHERE excluded.at >= notes.at",
                (storable(name), value, timestamp(baseline.at), self._clock.now().timestamp()),
            )

    def baseline(self, name: str) -> Baseline | None:
        """The latest."""
        with self._read() as db:
            row = db.execute(
                "SELECT value, at FROM notes WHERE name = ?", (storable(name),)
            ).fetchone()
        return Baseline(row[0], datetime.fromisoformat(row[1])) if row else None

    def add_marker(self, name: str, member: str) -> None:
        """Into the set, unless it is full."""
        with self._write() as db:
            db.execute(
                "INSERT OR IGNORE INTO members (name, member, touched) SELECT ?, ?, ? "
                "WHERE (SELECT count(*) FROM members WHERE name = ?) < ?",
                (
                    storable(name),
                    storable(member),
                    self._clock.now().timestamp(),
                    storable(name),
                    MOST_MEMBERS,
                ),
            )

    def markers(self, names: Sequence[str]) -> frozenset[str]:
        """All of all sets."""
        with self._read() as db:
            rows = [
                row
                for name in names
                for row in db.execute(
                    "SELECT member FROM members WHERE name = ?", (storable(name),)
                ).fetchall()
            ]
        return frozenset(member for (member,) in rows)

    def check(self) -> None:
        """Really write, and take it back."""
        with self._write() as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            db.execute(f"PRAGMA user_version = {version}")

    def close(self) -> None:
        """Close the file and let go of it."""
        with self._lock:
            self._opened.close()

    def _store(self, lease: EventLease, record: Record, *, done: bool) -> None:
        fields = index_fields(record)
        self._update(
            lease,
            "record = ?, done = ?, touched = ?, decision_id = ?, decided_at = ?, verdict = ?, "
            "rule_id = ?, severity = ?, target = ?, actor = ?, account_id = ?",
            dump_record(record),
            int(done),
            self._clock.now().timestamp(),
            fields.decision_id,
            fields.decided_at,
            fields.verdict,
            fields.rule_id,
            fields.severity,
            fields.target,
            fields.actor,
            fields.account_id,
            again=done,
        )

    def _update(
        self, lease: EventLease, assignments: str, *values: object, again: bool = False
    ) -> None:
        with self._write() as db:
            changed = db.execute(
                f"UPDATE events SET {assignments} "  # noqa: S608
                "WHERE key = ? AND owner = ? AND fence = ? AND (done = 0 OR ?)",
                (*values, storable(lease.key), lease.owner, lease.fence, again),
            )
            if changed.rowcount != 1:
                raise LostLease(f"{lease.key} passed to another worker")

    @contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._db
            except sqlite3.Error as error:
                raise Transient(f"ledger: {error}") from error

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._read() as db:
            # IMMEDIATE: a transaction that reads first could not be upgraded beside a writer.
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.commit()
            except BaseException:
                # Also after a failed commit, which would block every later transaction.
                db.rollback()
                raise


def _conditions(query: DecisionQuery) -> tuple[list[str], list[str]]:
    wanted = {
        "verdict = ?": query.verdict,
        "rule_id = ?": query.rule_id,
        "severity = ?": query.severity,
        "target = ?": query.target,
        "actor = ?": query.actor,
        "account_id = ?": query.account_id,
        "decided_at >= ?": timestamp(query.since) if query.since else None,
        "decided_at < ?": timestamp(query.until) if query.until else None,
    }
    clauses = ["decided_at IS NOT NULL", *(c for c, value in wanted.items() if value is not None)]
    values = [storable(str(value)) for value in wanted.values() if value is not None]
    if query.cursor is not None:
        clauses.append("(decided_at, decision_id) < (?, ?)")
        values.extend(decode_cursor(query.cursor))
    return clauses, values


def _all_storable(document: object) -> object:
    match document:
        case str():
            return storable(document)
        case list():
            return [_all_storable(one) for one in document]
        case dict():
            return {storable(name): _all_storable(one) for name, one in document.items()}
    return document


def _hold(path: Path) -> IO[str]:
    lock = Path(f"{path}.lock").open("a+", encoding="ascii")  # noqa: SIM115  held until close
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        if not isinstance(error, BlockingIOError):  # for example, no locks on this file system
            raise
        raise ConfigError(
            f"ledger {path}: process {holder} holds it. One SQLite file serves one worker: give "
            "this one another file, or use COUNTERMAND_LEDGER_URL=dynamodb:TABLE for replicas"
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _open(path: Path) -> sqlite3.Connection:
    with _alone_in(path.parent):
        path.touch(mode=0o600, exist_ok=True)
        db = sqlite3.connect(
            path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            db.execute("PRAGMA journal_mode = WAL")
            # FULL: an intent that a power cut forgets would let a second worker act unknowing.
            db.execute("PRAGMA synchronous = FULL")
            _migrate(db, path)
        except BaseException:
            db.close()
            raise
    return db


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """One process at a time: the switch to WAL fails at once beside another one, in spite of
    the busy timeout, and only one may create the tables.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > len(_MIGRATIONS):
        raise ConfigError(
            f"ledger {path}: written by a newer version (schema {version}, this one knows "
            f"{len(_MIGRATIONS)}); run that version, or use another file"
        )
    if version == len(_MIGRATIONS):
        return
    db.execute("BEGIN IMMEDIATE")  # closing without a commit takes all of it back
    for migration in _MIGRATIONS[version:]:
        for statement in migration:
            db.execute(statement)
    db.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")
    db.commit()
