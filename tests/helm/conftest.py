"""The chart, rendered by real Helm of both majors, which are fetched when they are missing."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from chart import MAJORS, ROOT, Chart

HERE = Path(__file__).parent


@cache
def _why_missing() -> str | None:
    fetched = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "fetch_helm.py")],
        capture_output=True,
        text=True,
        check=False,
    )
    return None if fetched.returncode == 0 else fetched.stderr.strip()


@pytest.fixture(scope="session", params=MAJORS)
def helm(request: pytest.FixtureRequest) -> str:
    if why := _why_missing():
        if os.environ.get("CI") and sys.platform == "linux":  # a gate that skips is no gate
            pytest.fail(f"Helm cannot be had: {why}")
        pytest.skip(f"Helm cannot be had: {why}")
    return str(ROOT / ".countermand" / "tools" / request.param)


@pytest.fixture
def chart(helm: str, tmp_path: Path) -> Chart:
    return Chart(helm, tmp_path)
