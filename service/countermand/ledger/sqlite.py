"""The ledger in one SQLite file, for one worker.

All threads of the worker share one connection behind a lock. Commands of the command line open the
same file beside the running worker. `sqlite_file.py` opens the file and holds its schema.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import astuple, replace
from datetime import datetime, timedelta
from pathlib import Path

from countermand.core.errors import ConfigError, LostLease, Permanent, Transient
from countermand.core.model import Baseline, Record, Undo
from countermand.ledger.cursor import cursor_after, decode_cursor
from countermand.ledger.records import (
    MOST_MARKERS,
    dump_record,
    dump_undo,
    index_fields,
    load_record,
    load_undo,
    storable,
    timestamp,
)
from countermand.ledger.sqlite_file import hold, open_file
from countermand.logs import get_logger
from countermand.ports import Busy, Clock, Conflict, DecisionQuery, Done, EventLease, Page

log = get_logger(__name__)

_PURGE_BATCH = 50
_PURGED = (
    ("events", "key"),
    ("undos", "grant_key"),
    ("notes", "name"),
    ("members", "rowid"),
)


class SqliteLedger:
    """The ledger of one worker.

    With `exclusive`, a file that another process has open is refused. The command line opens it
    without, beside the running worker, and with `must_exist`, so that a wrong path creates nothing.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock,
        owner: str,
        *,
        retention_days: int,
        exclusive: bool = True,
        must_exist: bool = False,
    ) -> None:
        self._clock = clock
        self._owner = owner
        self._retention = timedelta(days=retention_days).total_seconds()
        self._lock = threading.RLock()
        with ExitStack() as opened:
            try:
                if must_exist and not path.is_file():
                    raise ConfigError(
                        f"no ledger at {path.absolute()}: check COUNTERMAND_LEDGER_URL. The worker "
                        "creates the file when it starts"
                    )
                path.parent.mkdir(parents=True, exist_ok=True)
                if exclusive:
                    opened.enter_context(hold(path))
                self._db = opened.enter_context(closing(open_file(path)))
            except (OSError, sqlite3.Error) as error:
                raise ConfigError(f"ledger {path}: cannot be opened: {error}") from error
            self._opened = opened.pop_all()

    def acquire(
        self, key: str, digest: str, lease_seconds: float
    ) -> EventLease | Done | Busy | Conflict:
        """Take the event; see the table in `ledger/__init__.py`."""
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
            known_digest, fencing_token, lease_until, done, record, undo = row
            if known_digest != digest:
                return Conflict()
            if done:
                return Done()
            if lease_until > now:
                return Busy(lease_until - now)
            db.execute(
                "UPDATE events SET owner = ?, fence = ?, lease_until = ?, touched = ? "
                "WHERE key = ?",
                (self._owner, fencing_token + 1, now + lease_seconds, now, storable(key)),
            )
            stored = load_record(record, undo) if record else None
            return EventLease(key, self._owner, fencing_token + 1, stored)

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
        """Store the record for the last time, and remove rows that are past the retention."""
        self._store(lease, record, done=True)
        try:
            self._purge()
        except Transient as error:
            # The event is done all the same, and the next event removes these rows.
            log.warning("Purge failed", error=str(error))

    def _purge(self) -> None:
        oldest = self._clock.now().timestamp() - self._retention
        with self._write() as db:
            for table, key in _PURGED:
                db.execute(
                    f"DELETE FROM {table} WHERE {key} IN "  # noqa: S608
                    f"(SELECT {key} FROM {table} WHERE touched < ? LIMIT ?)",
                    (oldest, _PURGE_BATCH),
                )

    def get(self, decision_id: str) -> Record | None:
        """Return one record."""
        with self._read() as db:
            row = db.execute(
                "SELECT record, undo FROM events WHERE decision_id = ?", (storable(decision_id),)
            ).fetchone()
        return load_record(*row) if row else None

    def find(self, query: DecisionQuery) -> Page:
        """Return records, newest first."""
        clauses, values = _conditions(query)
        sql = (
            f"SELECT record, undo FROM events WHERE {' AND '.join(clauses)} "  # noqa: S608
            "ORDER BY decided_at DESC, decision_id DESC LIMIT ?"
        )
        with self._read() as db:
            rows = db.execute(sql, (*values, query.limit + 1)).fetchall()
        records = tuple(load_record(*row) for row in rows[: query.limit])
        more = len(rows) > query.limit
        return Page(records, cursor_after(records[-1]) if more else None)

    def mark_undone(self, decision_id: str, undo: Undo, grants: Sequence[str]) -> Record:
        """Store the undo, once."""
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
        """Return the latest undo under this key."""
        with self._read() as db:
            row = db.execute(
                "SELECT undo FROM undos WHERE grant_key = ?", (storable(grant),)
            ).fetchone()
        return load_undo(row[0]) if row else None

    def save_baseline(self, name: str, baseline: Baseline) -> None:
        """Store the baseline, unless a later one is stored."""
        value = storable(baseline.value) if baseline.value is not None else None
        with self._write() as db:
            db.execute(
                "INSERT INTO notes (name, value, at, touched) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET value = excluded.value, at = excluded.at, "
                "touched = excluded.touched WHERE excluded.at >= notes.at",
                (storable(name), value, timestamp(baseline.at), self._clock.now().timestamp()),
            )

    def baseline(self, name: str) -> Baseline | None:
        """Return the latest baseline."""
        with self._read() as db:
            row = db.execute(
                "SELECT value, at FROM notes WHERE name = ?", (storable(name),)
            ).fetchone()
        return Baseline(row[0], datetime.fromisoformat(row[1])) if row else None

    def add_marker(self, window: str, marker: str) -> None:
        """Add the marker, unless the window is full."""
        with self._write() as db:
            db.execute(
                "INSERT OR IGNORE INTO members (name, member, touched) SELECT ?, ?, ? "
                "WHERE (SELECT count(*) FROM members WHERE name = ?) < ?",
                (
                    storable(window),
                    storable(marker),
                    self._clock.now().timestamp(),
                    storable(window),
                    MOST_MARKERS,
                ),
            )

    def markers(self, windows: Sequence[str]) -> frozenset[str]:
        """Return the markers of all these windows."""
        with self._read() as db:
            rows = [
                row
                for window in windows
                for row in db.execute(
                    "SELECT member FROM members WHERE name = ?", (storable(window),)
                ).fetchall()
            ]
        return frozenset(marker for (marker,) in rows)

    def check(self) -> None:
        """Write to the file, because a full or read-only disk still answers reads."""
        with self._write() as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            db.execute(f"PRAGMA user_version = {version}")

    def close(self) -> None:
        """Close the file and release its lock."""
        with self._lock:
            self._opened.close()

    def _store(self, lease: EventLease, record: Record, *, done: bool) -> None:
        self._update(
            lease,
            "record = ?, done = ?, touched = ?, decision_id = ?, decided_at = ?, verdict = ?, "
            "rule_id = ?, severity = ?, target = ?, actor = ?, account_id = ?",
            dump_record(record),
            int(done),
            self._clock.now().timestamp(),
            *astuple(index_fields(record)),
            again=done,
        )

    def _update(
        self, lease: EventLease, assignments: str, *values: object, again: bool = False
    ) -> None:
        with self._write() as db:
            changed = db.execute(
                f"UPDATE events SET {assignments} "  # noqa: S608
                "WHERE key = ? AND owner = ? AND fence = ? AND (done = 0 OR ?)",
                (*values, storable(lease.key), lease.owner, lease.fencing_token, again),
            )
            if changed.rowcount != 1:
                raise LostLease(f"{lease.key}: another worker took over the lease")

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
            # IMMEDIATE, because a transaction that begins with a read cannot become a write while
            # another connection writes.
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.commit()
            except BaseException:
                # Also after a failed commit: an open transaction would block every later one.
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
