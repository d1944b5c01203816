"""The SQLite file: its schema, its migrations, and who may have it open.

`sqlite.py` calls `hold` to keep a second worker out, and `open_file` for a connection to a file of
the newest schema.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from countermand.core.errors import ConfigError

_BUSY_SECONDS = 5.0

# Version n of the schema is what the first n entries leave behind. `PRAGMA user_version` is n.
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
NEWEST_SCHEMA = len(_MIGRATIONS)


def schema_of(path: Path) -> int:
    """Return the version of the schema of a file, without a change to the file."""
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", timeout=_BUSY_SECONDS, uri=True)
    try:
        return int(db.execute("PRAGMA user_version").fetchone()[0])
    finally:
        db.close()


def hold(path: Path) -> IO[str]:
    """Lock the file for this process until the returned handle is closed.

    Raises `ConfigError` while another process holds the lock.
    """
    lock = Path(f"{path}.lock").open("a+", encoding="ascii")  # noqa: SIM115  open until the caller closes it
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        if not isinstance(error, BlockingIOError):
            # The lock failed for another reason: for example, the file system has no locks.
            raise
        raise ConfigError(
            f"ledger {path}: locked by process {holder}. A SQLite ledger supports one worker: use "
            "another file, or COUNTERMAND_LEDGER_URL=dynamodb:TABLE for replicas"
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def open_file(path: Path) -> sqlite3.Connection:
    """Create the file or bring its schema up to date, and connect to it."""
    with _alone_in(path.parent):
        path.touch(mode=0o600, exist_ok=True)
        db = sqlite3.connect(
            path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            db.execute("PRAGMA journal_mode = WAL")
            # FULL, because a power cut must not lose the intent of a write: a second worker would
            # repeat the write without knowing.
            db.execute("PRAGMA synchronous = FULL")
            _migrate(db, path)
        except BaseException:
            db.close()
            raise
    return db


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Let one process at a time into the folder while the block runs.

    Only one process may create the tables. The switch to WAL fails at once beside another process,
    in spite of the busy timeout.
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
            f"ledger {path}: written by a newer version (schema {version}, this version reads "
            f"{len(_MIGRATIONS)}). Run that version, or use another file"
        )
    if version == len(_MIGRATIONS):
        return
    # If a statement fails, the caller closes the file, and SQLite rolls all of them back.
    db.execute("BEGIN IMMEDIATE")
    for migration in _MIGRATIONS[version:]:
        for statement in migration:
            db.execute(statement)
    db.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")
    db.commit()
