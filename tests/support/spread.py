"""Spread the tests over processes (pytest-xdist), as a pytest plugin.

The tests of a file stay together, because they share its fixtures. So do all tests of a folder
whose fixture exists once per machine or is slow to make: a Docker engine, a LocalStack, Terraform.
xdist's own groups (`--dist=loadgroup`) have no effect with pytest 9.2.
"""

from collections.abc import Generator
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

TOGETHER = frozenset({"docker", "localstack", "terraform"})


class ByFixture(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives a file, or a folder that shares a fixture, to one process."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        folder = path.split("/")[1]
        return folder if folder in TOGETHER else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return ByFixture(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    # What a test captured of a hostile name may hold lone surrogates, which no UTF-8 pipe takes.
    data = yield
    return _storable(data)


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {key: _storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_storable, value))
    return value
