"""Cursors: where the next page of decisions begins, as text that is opaque to API clients.

A cursor names the last record of the page before, not an offset, so pages stay stable while new
decisions arrive. Clients send cursors back, so every part is checked before a store sees it.
"""

import base64
import binascii
import json
import re
from datetime import date

from countermand.core.errors import Permanent
from countermand.core.model import Record
from countermand.ledger.records import index_fields

_POSITION = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(T[0-9:.+]{1,22})?")
_DECISION_ID = re.compile(r"[0-9a-z-]{0,64}")


def cursor_after(record: Record) -> str:
    """Return the cursor of the page that follows this record."""
    fields = index_fields(record)
    return encode_position(fields.decided_at, fields.decision_id)


def encode_position(decided_at: str, decision_id: str) -> str:
    """Build a cursor from its two parts."""
    position = json.dumps([decided_at, decision_id]).encode()
    return base64.urlsafe_b64encode(position).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[str, str]:
    """Return `decided_at` and the decision ID of the last record of the page before.

    Raises `Permanent` for text that `encode_position` never wrote.
    """
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        position = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        position = None
    match position:
        case [str(decided_at), str(decision_id)] if _is_position(decided_at, decision_id):
            return decided_at, decision_id
    raise Permanent("cursor: not one that this API returned. Start again without it")


def _is_position(decided_at: str, decision_id: str) -> bool:
    found = _POSITION.fullmatch(decided_at)
    if found is None or not _DECISION_ID.fullmatch(decision_id):
        return False
    try:
        date.fromisoformat(found[1])
    except ValueError:
        return False
    return True
