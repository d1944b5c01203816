"""Spread the tests over processes (pytest-xdist) as a pytest plugin.

The tests of a file stay together, because they share its fixtures. So do all tests of a folder
whose session fixture is expensive or exists once per machine: a Docker engine, an applied module.
"""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parents[1]
TOGETHER = frozenset({"docker", "helm", "terraform"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0]
        group = folder if folder in TOGETHER else item.path.relative_to(TESTS).as_posix()
        item.add_marker(pytest.mark.xdist_group(group))


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
