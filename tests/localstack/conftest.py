"""One LocalStack for all tests of this folder; names in it are unique per test, not reset."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from countermand.lab.localstack import LocalStack
from support.running import Site, site_on

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # pytest hands the items of the whole run to every conftest.
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.localstack)


@pytest.fixture
def site(localstack: LocalStack, tmp_path: Path) -> Iterator[Site]:
    with site_on(localstack, tmp_path) as site:
        yield site
