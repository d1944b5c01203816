"""Reading the history of decisions for `countermand decisions`."""

import re
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from countermand.cli.errors import unknown
from countermand.cli.render import show_decisions
from countermand.cli.tables import Form
from countermand.core.errors import ConfigError
from countermand.core.model import Record
from countermand.ports import DecisionQuery, Ledger

_AGO = re.compile(r"([0-9]{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_NEAR = 100
"""The newest decisions, among which a mistyped ID is searched."""
_POLL_SECONDS = 2.0
_OVERLAP = timedelta(minutes=5)
"""A slow worker may store a decision that is older than one that was printed."""


def moment(option: str, text: str | None, now: datetime) -> datetime | None:
    """Read a time, such as `2h` ago or ISO 8601. Raises `ConfigError`."""
    if text is None:
        return None
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago is not None:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        found = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise ConfigError(
            f"{option}: must be an age, such as 2h or 7d, or a time, such as 2026-11-27T12:00:00Z"
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def newest(ledger: Ledger, query: DecisionQuery, limit: int) -> list[Record]:
    """Return up to `limit` decisions, newest first."""
    found: list[Record] = []
    page = ledger.find(query)
    found.extend(page.records)
    while len(found) < limit and page.next_cursor is not None:
        page = ledger.find(replace(query, cursor=page.next_cursor))
        found.extend(page.records)
    return found[:limit]


def one(ledger: Ledger, decision_id: str) -> Record:
    """Return one decision. Raises `ConfigError`, which names the one that was probably meant."""
    record = ledger.get(decision_id)
    if record is not None:
        return record
    known = (r.decision.id for r in newest(ledger, DecisionQuery(limit=_NEAR), _NEAR))
    raise unknown("decision", decision_id, known, "`countermand decisions` lists them")


def follow_decisions(
    ledger: Ledger, query: DecisionQuery, shown: Sequence[Record], form: Form
) -> None:
    """Print decisions as they are stored, oldest first, until Ctrl-C."""
    seen = {record.decision.id for record in shown}
    try:
        while True:
            time.sleep(_POLL_SECONDS)
            recent = replace(query, since=datetime.now(UTC) - _OVERLAP, limit=_NEAR)
            fresh = [r for r in newest(ledger, recent, _NEAR) if r.decision.id not in seen]
            seen.update(record.decision.id for record in fresh)
            if fresh:
                show_decisions(fresh[::-1], form, headers=False)
    except KeyboardInterrupt:
        return
