"""Let reports of tests pass between processes (pytest-xdist), as a pytest plugin."""

from collections.abc import Generator
from typing import Any

import pytest


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
