"""What several folders of tests share: one LocalStack, and a DynamoDB API server."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import EndpointConnectionError

from countermand.lab.localstack import LocalStack, LocalStackMissingError


@pytest.fixture(scope="session")
def localstack() -> Iterator[LocalStack]:
    emulator = LocalStack()
    try:
        emulator.start()
    except LocalStackMissingError as missing:
        if os.environ.get("CI"):  # a gate that skips is no gate
            raise
        pytest.skip(str(missing))
    yield emulator
    emulator.stop()


@pytest.fixture(scope="session")
def dynamodb() -> Iterator[Any]:
    """A client of moto's server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        env=os.environ | {"MOTO_IAM_LOAD_MANAGED_POLICIES": "true"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    client = botocore.session.get_session().create_client(
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
