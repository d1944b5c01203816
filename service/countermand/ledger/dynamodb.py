"""The ledger in one DynamoDB table, for any number of replicas.

An event is one item under `key`. Every write of a lease is conditional on its fencing token, so the
table decides who owns an event, not a clock. Workers compare the end of a lease with their own
clocks, which must agree within the lease margin.

Undos, baselines, correlation windows and the health check have items of their own, under `undo#`,
`note#`, `set#` and `health#`. TTL expires every item; the worker has no permission to delete.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from countermand.core.errors import LostLease, Permanent
from countermand.core.model import Baseline, Record, Undo
from countermand.ledger.dynamodb_pages import find_page, record_in
from countermand.ledger.dynamodb_table import INDEXED, Item, Table
from countermand.ledger.records import (
    MOST_MARKERS,
    dump_record,
    dump_undo,
    index_fields,
    load_undo,
    storable,
    timestamp,
)
from countermand.ports import Busy, Clock, Conflict, DecisionQuery, Done, EventLease, Page

_LARGEST_ITEM = 390_000
"""Bytes of a record's attributes. DynamoDB refuses items over 400 KB, names included."""
_HEALTH_RETENTION = timedelta(days=1)
_WINDOW_RETENTION = timedelta(days=3)
"""A correlation spans one day at most, and an event may arrive one day late."""
_OWNED = "#owner = :owner AND fence = :fence"
_OPEN = "done = :open"


class DynamoDbLedger:
    """The ledger of one worker among others, on one table behind a shared boto3 client."""

    def __init__(
        self, client: Any, table_name: str, clock: Clock, owner: str, retention_days: int
    ) -> None:
        self._table = Table(client, table_name)
        self._clock = clock
        self._owner = owner
        self._retention = timedelta(days=retention_days)

    def acquire(
        self, key: str, digest: str, lease_seconds: float
    ) -> EventLease | Done | Busy | Conflict:
        """Take the event; see the table in `ledger/__init__.py`."""
        now = self._clock.now().timestamp()
        item: dict[str, Mapping[str, Any]] = {
            "key": {"S": storable(key)},
            "digest": {"S": digest},
            "owner": {"S": self._owner},
            "fence": {"N": "1"},
            "lease_until": {"N": repr(now + lease_seconds)},
            "done": {"BOOL": False},
            "expires_at": self._expiry(self._retention),
        }
        new = self._table.put(
            item,
            ConditionExpression="attribute_not_exists(#key)",
            ExpressionAttributeNames={"#key": "key"},
        )
        if new:
            return EventLease(key, self._owner, 1)
        return self._take_over(key, digest, now, lease_seconds)

    def renew(self, lease: EventLease, lease_seconds: float) -> None:
        """Extend the lease."""
        until = self._clock.now().timestamp() + lease_seconds
        self._update(lease, {"lease_until": {"N": repr(until)}})

    def release(self, lease: EventLease) -> None:
        """End the lease now."""
        self._update(lease, {"lease_until": {"N": "0"}})

    def save(self, lease: EventLease, record: Record) -> None:
        """Store the record under the lease."""
        self._update(lease, self._attributes(record))

    def finish(self, lease: EventLease, record: Record) -> None:
        """Store the record for the last time."""
        # Again is no error: boto3 repeats a call whose answer was lost.
        self._update(lease, {**self._attributes(record), "done": {"BOOL": True}}, again=True)

    def get(self, decision_id: str) -> Record | None:
        """Return one record, as old as the index is: usually milliseconds."""
        item = self._by_decision(decision_id)
        return record_in(item) if item else None

    def find(self, query: DecisionQuery) -> Page:
        """Return records, newest first; see `dynamodb_pages.py`."""
        return find_page(self._table, query, self._clock.now(), self._retention)

    def mark_undone(self, decision_id: str, undo: Undo, grants: Sequence[str]) -> Record:
        """Store the undo, once."""
        item = self._by_decision(decision_id)
        if item is None:
            raise Permanent(f"no decision {decision_id}")
        if (known := record_in(item).undo) is not None:
            raise Permanent(f"{decision_id} was already undone by {known.by}")
        # The grants come first. After a crash in between, the worker must know what a person
        # restored; without the mark on the record, the undo can only be repeated.
        for grant in grants:
            self._put_undo(grant, undo)
        # The index may lag behind the worker, so only the undo is written. The same undo again is
        # the SDK's own retry after a lost answer.
        undone = self._table.update(
            item["key"]["S"],
            "SET #undo = :undo",
            {":undo": {"S": dump_undo(undo).decode()}},
            ConditionExpression="attribute_exists(#key) "
            "AND (attribute_not_exists(#undo) OR #undo = :undo)",
            ExpressionAttributeNames={"#key": "key", "#undo": "undo"},
            ReturnValues="ALL_NEW",
        )
        if undone is None:
            raise Permanent(f"{decision_id} was already undone, or its retention has ended")
        return record_in(undone)

    def undo_of(self, grant: str) -> Undo | None:
        """Return the latest undo under this key."""
        item = self._table.get(_undo_key(grant))
        return load_undo(item["undo"]["S"]) if item else None

    def save_baseline(self, name: str, baseline: Baseline) -> None:
        """Store the baseline, unless a later one is stored."""
        item: dict[str, Any] = {
            "key": {"S": _baseline_key(name)},
            "at": {"S": timestamp(baseline.at)},
            "expires_at": self._expiry(self._retention),
        }
        if baseline.value is not None:
            item["value"] = {"S": storable(baseline.value)}
        self._table.put(
            item,
            ConditionExpression="attribute_not_exists(#at) OR #at <= :at",
            ExpressionAttributeNames={"#at": "at"},
            ExpressionAttributeValues={":at": item["at"]},
        )

    def baseline(self, name: str) -> Baseline | None:
        """Return the latest baseline."""
        item = self._table.get(_baseline_key(name))
        if item is None:
            return None
        return Baseline(item.get("value", {}).get("S"), datetime.fromisoformat(item["at"]["S"]))

    def add_marker(self, window: str, marker: str) -> None:
        """Add the marker, unless the window is full."""
        self._table.update(
            _window_key(window),
            "ADD members :member SET expires_at = :expiry",
            {
                ":member": {"SS": [storable(marker)]},
                ":expiry": self._expiry(_WINDOW_RETENTION),
                ":most": {"N": str(MOST_MARKERS)},
            },
            ConditionExpression="attribute_not_exists(members) OR size(members) < :most",
        )

    def markers(self, windows: Sequence[str]) -> frozenset[str]:
        """Return the markers of all these windows."""
        items = [self._table.get(_window_key(window)) for window in windows]
        return frozenset(marker for item in items if item for marker in item["members"]["SS"])

    def check(self) -> None:
        """Write an item of this worker's own, because reads can succeed without the permission."""
        self._table.put(
            {
                "key": {"S": f"health#{self._owner}"},
                "expires_at": self._expiry(_HEALTH_RETENTION),
            }
        )

    def close(self) -> None:
        """Do nothing: the ledger holds no connection of its own."""

    def _put_undo(self, grant: str, undo: Undo) -> None:
        self._table.put(
            {
                "key": {"S": _undo_key(grant)},
                "undo": {"S": dump_undo(undo).decode()},
                "expires_at": self._expiry(self._retention),
            }
        )

    def _take_over(
        self, key: str, digest: str, now: float, lease_seconds: float
    ) -> EventLease | Done | Busy | Conflict:
        item = self._table.get(storable(key))
        if item is None:
            # The item expired between the two calls.
            return Busy(1)
        if item["digest"]["S"] != digest:
            return Conflict()
        if item["done"]["BOOL"]:
            return Done()
        lease_until, fencing_token = float(item["lease_until"]["N"]), int(item["fence"]["N"])
        if lease_until > now:
            return Busy(lease_until - now)
        taken = self._table.update(
            storable(key),
            "SET #owner = :owner, fence = :next, lease_until = :until",
            {
                ":owner": {"S": self._owner},
                ":next": {"N": str(fencing_token + 1)},
                ":until": {"N": repr(now + lease_seconds)},
                ":fence": {"N": str(fencing_token)},
                ":now": {"N": repr(now)},
                ":open": {"BOOL": False},
            },
            ConditionExpression=f"fence = :fence AND lease_until <= :now AND {_OPEN}",
            ExpressionAttributeNames={"#owner": "owner"},
        )
        if taken is None:
            return Busy(lease_seconds)
        stored = record_in(item) if "record" in item else None
        return EventLease(key, self._owner, fencing_token + 1, stored)

    def _update(self, lease: EventLease, attributes: Item, *, again: bool = False) -> None:
        names = {f"#{name}": name for name in attributes} | {"#owner": "owner"}
        values = {f":{name}": value for name, value in attributes.items()}
        values[":owner"] = {"S": lease.owner}
        values[":fence"] = {"N": str(lease.fencing_token)}
        if not again:
            values[":open"] = {"BOOL": False}
        updated = self._table.update(
            storable(lease.key),
            f"SET {', '.join(f'#{name} = :{name}' for name in attributes)}",
            values,
            ConditionExpression=_OWNED if again else f"{_OWNED} AND {_OPEN}",
            ExpressionAttributeNames=names,
        )
        if updated is None:
            raise LostLease(f"{lease.key}: another worker took over the lease")

    def _attributes(self, record: Record) -> dict[str, Mapping[str, Any]]:
        fields = index_fields(record)
        texts = {
            **asdict(fields),
            "day": fields.decided_at[:10],
            "sorted": f"{fields.decided_at}#{fields.decision_id}",
            "record": dump_record(record).decode(),
        }
        size = sum(len(name) + len(text.encode()) for name, text in texts.items())
        if size > _LARGEST_ITEM:
            raise Permanent(f"record of {size} bytes is too large for DynamoDB")
        # DynamoDB refuses an empty key of an index. An item without the attribute is not in it.
        return {name: {"S": text} for name, text in texts.items() if text or name not in INDEXED}

    def _expiry(self, retention: timedelta) -> Mapping[str, str]:
        return {"N": str(int((self._clock.now() + retention).timestamp()))}

    def _by_decision(self, decision_id: str) -> Item | None:
        # DynamoDB refuses a query for an empty key.
        if not decision_id:
            return None
        answer = self._table.query(
            "decision_id",
            KeyConditionExpression="decision_id = :id",
            ExpressionAttributeValues={":id": {"S": storable(decision_id)}},
        )
        return next(iter(answer["Items"]), None)


# These prefixes are part of stored keys and keep their names.


def _undo_key(grant: str) -> str:
    return f"undo#{storable(grant)}"


def _baseline_key(name: str) -> str:
    return f"note#{storable(name)}"


def _window_key(window: str) -> str:
    return f"set#{storable(window)}"
