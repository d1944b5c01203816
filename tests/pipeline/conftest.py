"""The fixtures of this folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.stage import Stage
from support.world import World


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.assert_decisions_were_foreseen()
    stage.close()


@pytest.fixture
def world(dynamodb: Any, tmp_path: Path) -> Iterator[World]:
    world = World(dynamodb.meta.endpoint_url, tmp_path)
    yield world
    world.ledger.close()
