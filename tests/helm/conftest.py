"""The chart, rendered by Helm 3 and Helm 4, which the tests fetch if they are missing."""

from pathlib import Path

import pytest

from support.chart import MAJORS, Chart
from support.skips import UnavailableError, skip_or_fail
from support.tools import TOOLS, fetched

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # pytest hands the items of the whole run to every conftest.
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.helm)


@pytest.fixture(scope="session")
def tools() -> Path:
    """Return the folder of the programs."""
    try:
        fetched("fetch_helm.py")
    except (UnavailableError, RuntimeError) as error:
        skip_or_fail(error)
    return TOOLS


@pytest.fixture(scope="session", params=MAJORS)
def helm(request: pytest.FixtureRequest, tools: Path) -> str:
    return str(tools / request.param)


@pytest.fixture
def chart(helm: str, tmp_path: Path) -> Chart:
    return Chart(helm, tmp_path)
