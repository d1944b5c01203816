"""A DynamoDB API server in a process of its own, and the two ledgers behind one fixture."""

import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

from countermand.aws.dynamodb import DynamoDbLedger, create_table
from countermand.ledger import SqliteLedger
from countermand.ports import Ledger
from fakes import FrozenClock
from ledgers import OpenLedger

RETENTION_DAYS = 30


@pytest.fixture(scope="session")
def dynamodb() -> Iterator[Any]:
    """A client of moto's server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    client = boto3.client(
        "dynamodb",
        region_name="us-east-1",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    try:
        _await(client, server)
        yield client
    finally:
        server.kill()
        server.wait()


def _await(client: Any, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while server.poll() is None and time.monotonic() < end:
        try:
            client.list_tables()
        except EndpointConnectionError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("moto's server did not start")


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
