"""Pages of decisions from the table's indexes, newest first, at a bounded cost.

A query reads one index partition: that of the most selective filter, or one day after the other.
DynamoDB applies the other filters to what it has read, so a page may need many queries. After
`_QUERIES_PER_PAGE` queries, the page ends where it is; its cursor resumes there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from countermand.core.model import Record
from countermand.ledger.cursor import cursor_after, decode_cursor, encode_position
from countermand.ledger.dynamodb_table import INDEXED, Item, Table
from countermand.ledger.records import load_record, storable, timestamp
from countermand.ports import DecisionQuery, Page

_QUERIES_PER_PAGE = 40
_FILTERED = (*INDEXED, "severity", "target", "actor")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Partition:
    """One value of one index, and the first and last `sorted` wanted in it, the last excluded."""

    index: str
    value: str
    floor: str
    upper: str


def find_page(table: Table, query: DecisionQuery, now: datetime, retention: timedelta) -> Page:
    """Return a page of decisions.

    It may be short, or empty, and still have a next page.
    """
    found: list[Record] = []
    queries = 0
    for partition in _partitions(query, now, retention):
        start: Item | None = None
        while True:
            if queries == _QUERIES_PER_PAGE:
                return Page(tuple(found), _resume(partition, start))
            items, start = _query(table, query, partition, start)
            queries += 1
            found += [record_in(item) for item in items]
            if len(found) > query.limit:
                page = tuple(found[: query.limit])
                return Page(page, cursor_after(page[-1]))
            if start is None:
                break
    return Page(tuple(found))


def record_in(item: Item) -> Record:
    """Read the record of an item, with the undo that is stored beside it."""
    return load_record(item["record"]["S"], item.get("undo", {}).get("S"))


def _partitions(query: DecisionQuery, now: datetime, retention: timedelta) -> Iterator[_Partition]:
    """Yield the partition of the most selective filter; without one, the days, newest first."""
    floor, upper = _bounds(query)
    for name in INDEXED:
        value = getattr(query, name)
        if value is not None:
            # No record has an empty value, and DynamoDB refuses a query for one.
            if value:
                yield _Partition(name, storable(str(value)), floor, upper)
            return
    # One more day at either end: clocks differ, and the retention is not exact.
    last = min(upper[:10], timestamp(now + _DAY)[:10])
    first = max(floor[:10], timestamp(now - retention - _DAY)[:10])
    day = datetime.fromisoformat(last).replace(tzinfo=UTC)
    while (name := timestamp(day)[:10]) >= first:
        yield _Partition("day", name, floor, upper)
        day -= _DAY


def _query(
    table: Table, query: DecisionQuery, partition: _Partition, start: Item | None
) -> tuple[list[Item], Item | None]:
    filters = {
        name: getattr(query, name)
        for name in _FILTERED
        if name != partition.index and getattr(query, name) is not None
    }
    arguments: dict[str, Any] = {
        "KeyConditionExpression": "#index = :index AND sorted BETWEEN :floor AND :upper",
        "ExpressionAttributeNames": {"#index": partition.index}
        | {f"#{name}": name for name in filters},
        "ExpressionAttributeValues": {
            ":index": {"S": partition.value},
            ":floor": {"S": partition.floor},
            ":upper": {"S": partition.upper},
        }
        | {f":{name}": {"S": storable(str(wanted))} for name, wanted in filters.items()},
        "ScanIndexForward": False,
    }
    if filters:
        arguments["FilterExpression"] = " AND ".join(f"#{name} = :{name}" for name in filters)
    else:
        # Two more than a page: the one at the bound itself, and one that says there is more.
        arguments["Limit"] = query.limit + 2
    if start is not None:
        arguments["ExclusiveStartKey"] = start
    answer = table.query(partition.index, **arguments)
    # BETWEEN includes its bounds, but the upper one is where the page before ended.
    items = [item for item in answer["Items"] if item["sorted"]["S"] != partition.upper]
    return items, answer.get("LastEvaluatedKey")


def _bounds(query: DecisionQuery) -> tuple[str, str]:
    """Return the first and last `sorted` that a query wants, the last one itself excluded."""
    floor = timestamp(query.since) if query.since else "0001-01-01"
    upper = timestamp(query.until) if query.until else "9999-12-31"
    if query.cursor is not None:
        upper = min(upper, "#".join(decode_cursor(query.cursor)))
    # BETWEEN refuses bounds in the wrong order; equal bounds find nothing either.
    return floor, max(floor, upper)


def _resume(partition: _Partition, start: Item | None) -> str:
    if start is not None:
        return encode_position(*start["sorted"]["S"].split("#", 1))
    # `T24` sorts after every time of the day, so the next page reads all of it.
    return encode_position(f"{partition.value}T24", "")
