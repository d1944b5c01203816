"""The two ledgers behind one fixture."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from countermand.ledger.dynamodb import DynamoDbLedger
from countermand.ledger.dynamodb_table import create_table
from countermand.ledger.sqlite import SqliteLedger
from countermand.ports import Ledger
from support.fakes import FrozenClock
from support.ledgers import OpenLedger

RETENTION_DAYS = 30


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture(params=["sqlite", pytest.param("dynamodb", marks=pytest.mark.dynamodb)])
def open_ledger(
    request: pytest.FixtureRequest, tmp_path: Path, clock: FrozenClock
) -> Iterator[OpenLedger]:
    """Opens the same ledger for another owner each time: `open_ledger("worker-1")`."""
    opened: list[Ledger] = []
    if request.param == "dynamodb":
        client = request.getfixturevalue("dynamodb")
        table = f"ledger-{uuid.uuid4()}"
        create_table(client, table)

    def open_one(owner: str) -> Ledger:
        ledger: Ledger
        if request.param == "dynamodb":
            ledger = DynamoDbLedger(client, table, clock, owner, RETENTION_DAYS)
        else:
            path = tmp_path / "ledger.sqlite3"
            ledger = SqliteLedger(
                path, clock, owner, retention_days=RETENTION_DAYS, exclusive=False
            )
        opened.append(ledger)
        return ledger

    yield open_one
    for ledger in opened:
        ledger.close()
