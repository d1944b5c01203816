"""The fixture of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.assert_decisions_were_foreseen()
    stage.close()
