"""The ledger on DynamoDB, for any number of replicas.

One table. An event is one item under `key`, an undo one under `undo#GRANT`. Every write of a lease
is conditional on its fence, so the table and not a clock decides who owns an event; the leases
themselves are compared with the workers' clocks, which must agree within the lease margin.

Indexes find records newest first (`sorted` is time and decision id) by day, rule, verdict and
account, and one by decision id. Nothing scans. TTL expires items; there is no right to delete.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from countermand.aws.errors import code_behind, translated
from countermand.core.errors import LostLease, Permanent, Transient
from countermand.core.model import Baseline, Record, Undo
from countermand.ledger.sqlite import (
    MOST_MEMBERS,
    decode_cursor,
    dump_record,
    dump_undo,
    encode_cursor,
    encode_position,
    index_fields,
    load_record,
    load_undo,
    storable,
    timestamp,
)
from countermand.ports import Busy, Clock, Conflict, DecisionQuery, Done, EventLease, Page

_LARGEST_ITEM = 390_000  # DynamoDB refuses more than 400 KB, names and numbers included
_QUERIES_PER_PAGE = 40
_HEALTH_KEPT = timedelta(days=1)
_SETS_KEPT = timedelta(days=3)
"""A correlation spans at most a day, and an event may come a day late."""
_INDEXED = ("rule_id", "verdict", "account_id")
_FILTERED = (*_INDEXED, "severity", "target", "actor")
_CONDITION_FAILED = "ConditionalCheckFailedException"
PERMISSIONS = ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:Query")
"""Of a worker; the table itself is made by Terraform or `countermand provision`."""

_MINE = "#owner = :owner AND fence = :fence"
_OPEN = " AND done = :open"

type Item = Mapping[str, Mapping[str, Any]]


class DynamoDbLedger:
    """On one shared boto3 `dynamodb` client and one table."""

    def __init__(
        self, client: Any, table_name: str, clock: Clock, owner: str, retention_days: int
    ) -> None:
        self._client = client
        self._table = table_name
        self._clock = clock
        self._owner = owner
        self._retention = timedelta(days=retention_days)

    def acquire(
        self, key: str, digest: str, lease_seconds: float
    ) -> EventLease | Done | Busy | Conflict:
        """See the table in `ledger.py`."""
        now = self._clock.now().timestamp()
        item = {
            "key": {"S": storable(key)},
            "digest": {"S": digest},
            "owner": {"S": self._owner},
            "fence": {"N": "1"},
            "lease_until": {"N": repr(now + lease_seconds)},
            "done": {"BOOL": False},
            "expires_at": self._expiry(self._retention),
        }
        with _condition() as new, translated("dynamodb", "PutItem"):
            self._client.put_item(
                TableName=self._table,
                Item=item,
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
        """Store the record for the last time. Again is no error: boto3 repeats a call whose answer
        was lost.
        """
        self._update(lease, {**self._attributes(record), "done": {"BOOL": True}}, again=True)

    def get(self, decision_id: str) -> Record | None:
        """One record; as old as the index is, usually milliseconds."""
        item = self._by_decision(decision_id)
        return _record(item) if item else None

    def find(self, query: DecisionQuery) -> Page:
        """Records, newest first. A page may be short, or empty, and still have a next one: an
        answer costs a bounded number of queries, however rare the wanted decisions are.
        """
        floor, upper = _bounds(query)
        found: list[Record] = []
        queries = 0
        for index, value in self._partitions(query, floor, upper):
            start: Item | None = None
            while True:
                if queries == _QUERIES_PER_PAGE:
                    return Page(tuple(found), _resume(value, start))
                items, start = self._query(query, (index, value), (floor, upper), start)
                queries += 1
                found += [_record(item) for item in items]
                if len(found) > query.limit:
                    page = tuple(found[: query.limit])
                    return Page(page, encode_cursor(index_fields(page[-1])))
                if start is None:
                    break
        return Page(tuple(found))

    def mark_undone(self, decision_id: str, undo: Undo, grants: Sequence[str]) -> Record:
        """Note the undo, once."""
        item = self._by_decision(decision_id)
        if item is None:
            raise Permanent(f"no decision {decision_id}")
        if (known := _record(item).undo) is not None:
            raise Permanent(f"{decision_id} was already undone by {known.by}")
        # The grants first: after a crash in between, the worker must know what a human wants back;
        # a mark that is missing on the record only means that the undo can be repeated.
        for grant in grants:
            self._note(grant, undo)
        with _condition() as first, translated("dynamodb", "UpdateItem"):
            # The index may lag behind the worker, so only the undo is written. The same undo again
            # is the SDK's own retry after a lost answer.
            answer = self._client.update_item(
                TableName=self._table,
                Key={"key": item["key"]},
                UpdateExpression="SET #undo = :undo",
                ConditionExpression="attribute_exists(#key) "
                "AND (attribute_not_exists(#undo) OR #undo = :undo)",
                ExpressionAttributeNames={"#key": "key", "#undo": "undo"},
                ExpressionAttributeValues={":undo": {"S": dump_undo(undo).decode()}},
                ReturnValues="ALL_NEW",
            )
        if not first:
            raise Permanent(f"{decision_id} was already undone, or is no longer kept")
        return _record(answer["Attributes"])

    def undo_of(self, grant: str) -> Undo | None:
        """The latest undo of a grant."""
        item = self._get(_undo_key(grant))
        return load_undo(item["undo"]["S"]) if item else None

    def save_baseline(self, name: str, baseline: Baseline) -> None:
        """Keep the latest."""
        item: dict[str, Any] = {
            "key": {"S": _note_key(name)},
            "at": {"S": timestamp(baseline.at)},
            "expires_at": self._expiry(self._retention),
        }
        if baseline.value is not None:
            item["value"] = {"S": storable(baseline.value)}
        with _condition(), translated("dynamodb", "PutItem"):
            self._client.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression="attribute_not_exists(#at) OR #at <= :at",
                ExpressionAttributeNames={"#at": "at"},
                ExpressionAttributeValues={":at": item["at"]},
            )

    def baseline(self, name: str) -> Baseline | None:
        """The latest."""
        item = self._get(_note_key(name))
        if item is None:
            return None
        return Baseline(item.get("value", {}).get("S"), datetime.fromisoformat(item["at"]["S"]))

    def add_marker(self, name: str, member: str) -> None:
        """Into the set, unless it is full."""
        with _condition(), translated("dynamodb", "UpdateItem"):
            self._client.update_item(
                TableName=self._table,
                Key={"key": {"S": _set_key(name)}},
                UpdateExpression="ADD members :member SET expires_at = :expiry",
                ConditionExpression="attribute_not_exists(members) OR size(members) < :most",
                ExpressionAttributeValues={
                    ":member": {"SS": [storable(member)]},
                    ":expiry": self._expiry(_SETS_KEPT),
                    ":most": {"N": str(MOST_MEMBERS)},
                },
            )

    def markers(self, names: Sequence[str]) -> frozenset[str]:
        """All of all sets."""
        items = [self._get(_set_key(name)) for name in names]
        return frozenset(member for item in items if item for member in item["members"]["SS"])

    def check(self) -> None:
        """Really write: an item of our own."""
        with translated("dynamodb", "PutItem"):
            self._client.put_item(
                TableName=self._table,
                Item={
                    "key": {"S": f"health#{self._owner}"},
                    "expires_at": self._expiry(_HEALTH_KEPT),
                },
            )

    def close(self) -> None:
        """Nothing is held."""

    def _note(self, grant: str, undo: Undo) -> None:
        with translated("dynamodb", "PutItem"):
            self._client.put_item(
                TableName=self._table,
                Item={
                    "key": {"S": _undo_key(grant)},
                    "undo": {"S": dump_undo(undo).decode()},
                    "expires_at": self._expiry(self._retention),
                },
            )

    def _take_over(
        self, key: str, digest: str, now: float, lease_seconds: float
    ) -> EventLease | Done | Busy | Conflict:
        item = self._get(storable(key))
        if item is None:  # expired in this very moment
            return Busy(1)
        if item["digest"]["S"] != digest:
            return Conflict()
        if item["done"]["BOOL"]:
            return Done()
        lease_until, fence = float(item["lease_until"]["N"]), int(item["fence"]["N"])
        if lease_until > now:
            return Busy(lease_until - now)
        with _condition() as taken, translated("dynamodb", "UpdateItem"):
            self._client.update_item(
                TableName=self._table,
                Key={"key": {"S": storable(key)}},
                UpdateExpression="SET #owner = :owner, fence = :next, lease_until = :until",
                ConditionExpression="fence = :fence AND lease_until <= :now AND done = :open",
                ExpressionAttributeNames={"#owner": "owner"},
                ExpressionAttributeValues={
                    ":owner": {"S": self._owner},
                    ":next": {"N": str(fence + 1)},
                    ":until": {"N": repr(now + lease_seconds)},
                    ":fence": {"N": str(fence)},
                    ":now": {"N": repr(now)},
                    ":open": {"BOOL": False},
                },
            )
        if not taken:
            return Busy(lease_seconds)
        return EventLease(key, self._owner, fence + 1, _record(item) if "record" in item else None)

    def _update(self, lease: EventLease, attributes: Item, *, again: bool = False) -> None:
        names = {f"#{name}": name for name in attributes} | {"#owner": "owner"}
        values = {f":{name}": value for name, value in attributes.items()}
        values[":owner"] = {"S": lease.owner}
        values[":fence"] = {"N": str(lease.fence)}
        if not again:
            values[":open"] = {"BOOL": False}
        assignments = ", ".join(f"#{name} = :{name}" for name in attributes)
        with _condition() as owned, translated("dynamodb", "UpdateItem"):
            self._client.update_item(
                TableName=self._table,
                Key={"key": {"S": storable(lease.key)}},
                UpdateExpression=f"SET {assignments}",
                ConditionExpression=_MINE if again else _MINE + _OPEN,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
            )
        if not owned:
            raise LostLease(f"{lease.key} passed to another worker")

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
            raise Permanent(f"a record of {size} bytes is too large for DynamoDB")
        # The key of an index must not be empty; what is missing there is not in the index.
        return {name: {"S": text} for name, text in texts.items() if text or name not in _INDEXED}

    def _expiry(self, kept: timedelta) -> Mapping[str, str]:
        return {"N": str(int((self._clock.now() + kept).timestamp()))}

    def _get(self, key: str) -> Item | None:
        with translated("dynamodb", "GetItem"):
            answer = self._client.get_item(
                TableName=self._table, Key={"key": {"S": key}}, ConsistentRead=True
            )
        item: Item | None = answer.get("Item")
        return item

    def _by_decision(self, decision_id: str) -> Item | None:
        if not decision_id:
            return None
        with translated("dynamodb", "Query"):
            answer = self._client.query(
                TableName=self._table,
                IndexName="by_decision_id",
                KeyConditionExpression="decision_id = :id",
                ExpressionAttributeValues={":id": {"S": storable(decision_id)}},
            )
        return next(iter(answer["Items"]), None)

    def _partitions(
        self, query: DecisionQuery, floor: str, upper: str
    ) -> Iterator[tuple[str, str]]:
        """The most selective index that the query allows; else the days, newest first."""
        for name in _INDEXED:
            value = getattr(query, name)
            if value is not None:
                if value:  # nothing has an empty one, and DynamoDB refuses to look for it
                    yield name, storable(str(value))
                return
        now = self._clock.now()
        # A day more at either end: clocks differ, and the retention is not exact.
        last = min(upper[:10], timestamp(now + timedelta(days=1))[:10])
        first = max(floor[:10], timestamp(now - self._retention - timedelta(days=1))[:10])
        day = datetime.fromisoformat(last).replace(tzinfo=UTC)
        while (name := timestamp(day)[:10]) >= first:
            yield "day", name
            day -= timedelta(days=1)

    def _query(
        self,
        query: DecisionQuery,
        partition: tuple[str, str],
        bounds: tuple[str, str],
        start: Item | None,
    ) -> tuple[list[Item], Item | None]:
        index, value = partition
        filters = {
            name: getattr(query, name)
            for name in _FILTERED
            if name != index and getattr(query, name) is not None
        }
        arguments: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": f"by_{index}",
            "KeyConditionExpression": "#index = :index AND sorted BETWEEN :floor AND :upper",
            "ExpressionAttributeNames": {"#index": index} | {f"#{name}": name for name in filters},
            "ExpressionAttributeValues": {
                ":index": {"S": value},
                ":floor": {"S": bounds[0]},
                ":upper": {"S": bounds[1]},
            }
            | {f":{name}": {"S": storable(str(wanted))} for name, wanted in filters.items()},
            "ScanIndexForward": False,
        }
        if filters:
            arguments["FilterExpression"] = " AND ".join(f"#{name} = :{name}" for name in filters)
        else:
            arguments["Limit"] = query.limit + 2  # one at the bound itself, one for "is there more"
        if start is not None:
            arguments["ExclusiveStartKey"] = start
        with translated("dynamodb", "Query"):
            answer = self._client.query(**arguments)
        # BETWEEN includes its bounds; the upper one is where the page before ended.
        items = [item for item in answer["Items"] if item["sorted"]["S"] != bounds[1]]
        return items, answer.get("LastEvaluatedKey")


def table_definition(table_name: str) -> dict[str, Any]:
    """Arguments of CreateTable; Terraform's module says the same."""
    indexes = [*_INDEXED, "day"]
    names = ["key", "decision_id", "sorted", *indexes]
    return {
        "TableName": table_name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": n, "AttributeType": "S"} for n in names],
        "KeySchema": [{"AttributeName": "key", "KeyType": "HASH"}],
        "GlobalSecondaryIndexes": [
            _index("decision_id"),
            *(_index(name, "sorted") for name in indexes),
        ],
    }


def create_table(client: Any, table_name: str) -> None:
    """Create the table with its TTL, and wait until it is there; for emulators and tests.

    Calling it again finishes what an earlier call began.
    """
    with translated("dynamodb", "CreateTable"):
        with suppress(client.exceptions.ResourceInUseException):
            client.create_table(**table_definition(table_name))
        client.get_waiter("table_exists").wait(TableName=table_name)
    with translated("dynamodb", "DescribeTimeToLive"):
        ttl = client.describe_time_to_live(TableName=table_name)["TimeToLiveDescription"]
    if ttl["TimeToLiveStatus"] in {"ENABLED", "ENABLING"}:
        return
    with translated("dynamodb", "UpdateTimeToLive"):
        client.update_time_to_live(
            TableName=table_name,
            TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires_at"},
        )


def _index(*keys: str) -> dict[str, Any]:
    kinds = ("HASH", "RANGE")
    return {
        "IndexName": f"by_{keys[0]}",
        "KeySchema": [
            {"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, kinds, strict=False)
        ],
        "Projection": {"ProjectionType": "ALL"},
    }


def _bounds(query: DecisionQuery) -> tuple[str, str]:
    """First and last `sorted` that a query wants; the last one itself excluded."""
    floor = timestamp(query.since) if query.since else "0001-01-01"
    upper = timestamp(query.until) if query.until else "9999-12-31"
    if query.cursor is not None:
        upper = min(upper, "#".join(decode_cursor(query.cursor)))
    # BETWEEN refuses bounds in the wrong order; there is nothing between them anyway.
    return floor, max(floor, upper)


def _resume(partition: str, start: Item | None) -> str:
    if start is not None:
        return encode_position(*start["sorted"]["S"].split("#", 1))
    return encode_position(f"{partition}T24", "")  # all of that day


def _record(item: Item) -> Record:
    return load_record(item["record"]["S"], item.get("undo", {}).get("S"))


def _undo_key(grant: str) -> str:
    return f"undo#{storable(grant)}"


def _note_key(name: str) -> str:
    return f"note#{storable(name)}"


def _set_key(name: str) -> str:
    return f"set#{storable(name)}"


class _Condition:
    """Whether a conditional write went through; true until DynamoDB said otherwise."""

    def __init__(self) -> None:
        self.held = True

    def __bool__(self) -> bool:
        return self.held


@contextmanager
def _condition() -> Iterator[_Condition]:
    """A failed condition is an answer here, and no error."""
    condition = _Condition()
    try:
        yield condition
    except Transient as error:
        cause = error.__cause__
        if code_behind(cause) != _CONDITION_FAILED:
            raise
        condition.held = False
