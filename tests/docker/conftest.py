"""One engine for all tests of this folder, with every image in it."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.composed import Stack, images_of_compose
from support.engine import Docker, engine
from support.images import BASE, provide, tidy
from support.tools import skip_or_fail

HERE = Path(__file__).parent
_IMAGE_SECONDS = 600
"""Nothing is installed on a new machine: an engine, a base and five images are made first."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # pytest hands the items of the whole run to every conftest.
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.docker)
            item.add_marker(pytest.mark.timeout(_IMAGE_SECONDS))


@pytest.fixture(scope="session")
def docker() -> Iterator[Docker]:
    """An engine that has all images, our own among them."""
    with ExitStack() as stack:
        try:
            docker = stack.enter_context(engine())
            stack.callback(tidy, docker)
            provide(docker, images_of_compose())
        except Exception as error:  # noqa: BLE001  whatever it was, CI shall see it
            skip_or_fail(error)
        docker.make("image")
        yield docker


@pytest.fixture(scope="session")
def base_image() -> str:
    return BASE


@pytest.fixture(scope="session")
def stack(docker: Docker) -> Iterator[Stack]:
    """All of docker-compose.yml, running."""
    stack = Stack(docker)
    try:
        stack.up()
        yield stack
    finally:
        stack.down()
