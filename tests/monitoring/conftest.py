"""Prometheus and promtool from the package of Debian or Ubuntu."""

from pathlib import Path

import pytest

from support.skips import UnavailableError, skip_or_fail
from support.tools import unpacked


@pytest.fixture(scope="session")
def prometheus() -> Path:
    """Return the folder with the two programs."""
    try:
        return unpacked("prometheus", ["prometheus"]) / "usr" / "bin"
    except (UnavailableError, RuntimeError) as error:
        skip_or_fail(error)
