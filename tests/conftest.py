"""Fixtures of several folders of tests: one LocalStack, and a DynamoDB API server."""

from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest

from countermand.lab.localstack import LocalStack, LocalStackMissingError
from support.moto import moto_server
from support.skips import (
    pytest_runtest_makereport,  # noqa: F401 - pytest finds a hook by its name
    pytest_terminal_summary,  # noqa: F401 - pytest finds a hook by its name
    skip_or_fail,
)
from support.spread import (
    pytest_report_to_serializable,  # noqa: F401 - pytest finds a hook by its name
    pytest_xdist_make_scheduler,  # noqa: F401 - pytest finds a hook by its name
)


@pytest.fixture(scope="session")
def localstack() -> Iterator[LocalStack]:
    emulator = LocalStack()
    try:
        emulator.start()
    except LocalStackMissingError as missing:
        skip_or_fail(missing)
    yield emulator
    emulator.stop()


@pytest.fixture(scope="session")
def dynamodb() -> Iterator[Any]:
    """Return a DynamoDB client of moto's server, which also has AWS's managed policies."""
    with moto_server(MOTO_IAM_LOAD_MANAGED_POLICIES="true") as url:
        yield botocore.session.get_session().create_client(
            "dynamodb",
            region_name="us-east-1",
            endpoint_url=url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
