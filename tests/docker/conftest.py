"""One Docker engine for all tests of this folder, with every image in it."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.composed import Stack, images_of_compose
from support.engine import Docker, engine
from support.images import BASE, provide, tidy
from support.skips import skip_or_fail

HERE = Path(__file__).parent
_IMAGE_SECONDS = 600
"""On a new machine, the first test waits for an engine, a base image, and five other images."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # pytest hands the items of the whole run to every conftest.
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.docker)
            item.add_marker(pytest.mark.timeout(_IMAGE_SECONDS))


@pytest.fixture(scope="session")
def docker() -> Iterator[Docker]:
    """Start an engine that has all images, including our own."""
    with ExitStack() as stack:
        try:
            docker = stack.enter_context(engine())
            stack.callback(tidy, docker)
            provide(docker, images_of_compose())
        except Exception as error:  # noqa: BLE001 - CI reports any error
            skip_or_fail(error)
        docker.make("image")
        yield docker


@pytest.fixture(scope="session")
def base_image() -> str:
    return BASE


@pytest.fixture(scope="session")
def stack(docker: Docker) -> Iterator[Stack]:
    """Run all of docker-compose.yml."""
    stack = Stack(docker)
    try:
        stack.up()
        yield stack
    finally:
        stack.down()
