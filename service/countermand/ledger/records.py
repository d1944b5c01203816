"""Records as the stores keep them: JSON documents, the fields that queries filter by, and text.

Both ledgers write with `dump_record` and read with `load_record`, so a record means the same in
SQLite and in DynamoDB. The record reader also understands the names that version 0.1.0 wrote.

What outlives a release never changes its name. These are parts of stored keys or of digests that
are compared with stored ones: table, column and attribute names (`fence`, `notes`, `members`), key
prefixes (`undo#`, `note#`, `set#`), names of correlation windows, and the body `{"story": key}` of
a sequence, whose digest separates a duplicate from a forgery.
"""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from countermand.core.errors import Transient
from countermand.core.model import Record, Undo

MOST_MARKERS = 1000
"""Limit of one correlation window: an attacker chooses how many events there are."""

_RECORD = TypeAdapter(Record)
_UNDO = TypeAdapter(Undo)
_NOT_STORED = {"decision": {"event": {"body", "request"}}}
_OLD_RECORD = '"told":'
"""Only a record of 0.1.0 has this member, and each has it. A tag may have the name as well."""


@dataclass(frozen=True, slots=True)
class IndexFields:
    """The fields of a record that queries filter by, in the order of the SQLite columns."""

    decision_id: str
    decided_at: str
    verdict: str
    rule_id: str
    severity: str
    target: str
    actor: str
    account_id: str


def index_fields(record: Record) -> IndexFields:
    """Read the fields that queries filter by from a record."""
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


def dump_record(record: Record) -> bytes:
    """Write a record as JSON, without the event's body and parameters: these are never stored."""
    try:
        return _RECORD.dump_json(record, exclude=_NOT_STORED, ensure_ascii=True)
    except PydanticSerializationError:
        # The record holds lone surrogates. This path is slower, so only such records take it.
        document = _RECORD.dump_python(record, mode="json", exclude=_NOT_STORED)
        return json.dumps(_all_storable(document)).encode()


def load_record(document: bytes | str, undo: bytes | str | None = None) -> Record:
    """Read a record, whose event has an empty body, and add the undo that was stored beside it.

    Raises `Transient` when this version cannot read what another version wrote. An upgrade or a
    rollback fixes that; until then, one such record must not look like a bug.
    """
    text = document.decode() if isinstance(document, bytes) else document
    try:
        if _OLD_RECORD in text:
            record = _RECORD.validate_python(_upgraded(json.loads(text)))
        else:
            record = _RECORD.validate_json(text)
    except ValidationError as error:
        # `from None`: pydantic's text quotes the record.
        count = error.error_count()
        raise Transient(
            f"ledger: record was written by another version ({count} incompatible fields)"
        ) from None
    except (ValueError, LookupError, TypeError, AttributeError):
        # A damaged record of 0.1.0: the upgrade misses a member, or meets another type.
        raise Transient("ledger: record of version 0.1.0 is damaged") from None
    return replace(record, undo=load_undo(undo)) if undo else record


def dump_undo(undo: Undo) -> bytes:
    """Write an undo as JSON."""
    safe = replace(undo, by=storable(undo.by), reason=storable(undo.reason))
    return _UNDO.dump_json(safe, ensure_ascii=True)


def load_undo(document: bytes | str) -> Undo:
    """Read an undo."""
    return _UNDO.validate_json(document)


def storable(value: str) -> str:
    """Escape lone surrogates: no store takes them, because UTF-8 has none."""
    return value.encode(errors="backslashreplace").decode()


def timestamp(time: datetime) -> str:
    """Write a time as ISO 8601 in UTC with microseconds, so that text sorts as time does."""
    try:
        utc = time.astimezone(UTC)
    except OverflowError:
        # The first or last hours of the calendar in another zone have no equal in UTC.
        utc = time.replace(tzinfo=UTC)
    return utc.isoformat(timespec="microseconds")


def _all_storable(document: object) -> object:
    match document:
        case str():
            return storable(document)
        case list():
            return [_all_storable(one) for one in document]
        case dict():
            return {storable(name): _all_storable(one) for name, one in document.items()}
    return document


def _upgraded(record: dict[str, Any]) -> dict[str, Any]:
    """Rename in place what a record of version 0.1.0 calls by another name.

    | 0.1.0                     | now             | in                                     |
    |---------------------------|-----------------|----------------------------------------|
    | `told`, `notes`           | notified,       | record                                 |
    |                           | annotations     |                                        |
    | `told_at`                 | notified_at     | timings                                |
    | `tell`                    | notify          | ruling                                 |
    | `claim`                   | summary         | evidence of a finding                  |
    | `harmless`                | benign          | guard of a reason, key of an alert     |
    | `rehearsed`               | simulated       | status of an outcome, key of an alert  |
    """
    if "told" not in record:
        return record  # the marker was a tag, or another name that someone chose
    # Without the new keys, a redelivered message would send the same alert again.
    record["notified"] = [_upgraded_key(key) for key in record.pop("told")]
    record["annotations"] = record.pop("notes")
    record["timings"]["notified_at"] = record["timings"].pop("told_at")
    for ruling in record["decision"]["rulings"]:
        ruling["notify"] = ruling.pop("tell")
        evidence = ruling["finding"]["evidence"]
        if "claim" in evidence:
            evidence["summary"] = evidence.pop("claim")
        for reason in ruling["reasons"]:
            if reason["guard"] == "harmless":
                reason["guard"] = "benign"
    for outcome in record["outcomes"]:
        if outcome["status"] == "rehearsed":
            outcome["status"] = "simulated"
    return record


def _upgraded_key(key: str) -> str:
    """Rename the end of a stored notification key (see `report.notification_key`)."""
    if key.endswith(":rehearsed"):
        return f"{key.removesuffix('rehearsed')}simulated"
    if key.endswith("/harmless"):
        return f"{key.removesuffix('harmless')}benign"
    return key
