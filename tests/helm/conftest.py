"""The chart, rendered by real Helm of both majors, which are fetched when they are missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.chart import MAJORS, ROOT, Chart

HERE = Path(__file__).parent
NOT_TO_BE_HAD = 3
"""What scripts/fetch_helm.py ends with where Helm cannot run; all else is a failure."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # pytest hands the items of the whole run to every conftest.
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.helm)


@pytest.fixture(scope="session")
def tools() -> Path:
    """The folder of the programs."""
    fetched = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "fetch_helm.py")],
        capture_output=True,
        text=True,
        check=False,
    )
    if fetched.returncode:
        why = f"Helm cannot be had: {fetched.stderr.strip()}"
        if os.environ.get("CI") and fetched.returncode != NOT_TO_BE_HAD:
            pytest.fail(why)  # a gate that skips is no gate
        pytest.skip(why)
    return ROOT / ".countermand" / "tools"


@pytest.fixture(scope="session", params=MAJORS)
def helm(request: pytest.FixtureRequest, tools: Path) -> str:
    return str(tools / request.param)


@pytest.fixture
def chart(helm: str, tmp_path: Path) -> Chart:
    return Chart(helm, tmp_path)
