"""Prometheus and promtool from Debian's package."""

from pathlib import Path

import pytest

from support.tools import UnavailableError, skip_or_fail, unpacked


@pytest.fixture(scope="session")
def prometheus() -> Path:
    """The folder with the two programs."""
    try:
        return unpacked("prometheus", ["prometheus"]) / "usr" / "bin"
    except (UnavailableError, RuntimeError) as error:
        skip_or_fail(error)
