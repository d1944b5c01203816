"""Real Terraform on emulators. Both environments are applied in the background as soon as a test
wants them, because the provider spends most of that time waiting.
"""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from countermand.lab.localstack import LocalStack, LocalStackMissingError
from support.running import free_port
from support.terraforming import (
    BOOTSTRAP,
    DEV,
    FORGETFUL_QUEUE,
    LOCAL_STATE,
    PATH_STYLE,
    PATH_STYLE_HERE,
    ROOT,
    Terraform,
    Tools,
    copied,
)

HERE = Path(__file__).parent
NOT_TO_BE_HAD = 3
"""What scripts/fetch_terraform.py ends with where Terraform cannot be had."""
START_SECONDS = 60


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # pytest hands the items of the whole run to every conftest.
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.terraform)
            item.add_marker(pytest.mark.timeout(420))


@pytest.fixture(scope="session")
def tools() -> Tools:
    fetched = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "fetch_terraform.py")],
        capture_output=True,
        text=True,
        check=False,
    )
    if fetched.returncode:
        why = f"Terraform cannot be had: {fetched.stderr.strip()}"
        if os.environ.get("CI") and fetched.returncode != NOT_TO_BE_HAD:
            pytest.fail(why)  # a gate that skips is no gate
        pytest.skip(why)
    program, configuration = fetched.stdout.split("\n")[:2]
    return Tools(program, Path(configuration))


@pytest.fixture(scope="session")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


@pytest.fixture(scope="session")
def emulator() -> Iterator[LocalStack]:
    """A LocalStack of its own: the names here are those of a real installation."""
    own = LocalStack()
    try:
        own.start()
    except LocalStackMissingError as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
    yield own
    own.stop()


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """URL of moto's server, which has what LocalStack's community edition lacks."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    server = subprocess.Popen(
        [sys.executable, str(HERE / "moto_server.py"), "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + START_SECONDS
        while not _answers(url):
            assert server.poll() is None, "moto's server ended"
            assert time.monotonic() < end, "moto's server did not start"
            time.sleep(0.1)
        yield url
    finally:
        server.kill()
        server.wait()


@pytest.fixture(scope="session")
def local(
    tools: Tools, emulator: LocalStack, tmp_path_factory: pytest.TempPathFactory
) -> Terraform:
    """environments/local, not applied yet."""
    copy = copied(tmp_path_factory.mktemp("local") / "terraform")
    return Terraform(tools, copy, "environments/local", AWS_ENDPOINT_URL=emulator.url)


@pytest.fixture(scope="session")
def dev(tools: Tools, moto: str, tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    """environments/dev as it is, but for where its state and its AWS are; not applied yet."""
    copy = copied(tmp_path_factory.mktemp("dev") / "terraform")
    (copy / "environments/dev/backend_override.tf").write_text(LOCAL_STATE)
    (copy / "environments/dev/providers_override.tf").write_text(PATH_STYLE)
    (copy / "modules/queue/emulator_override.tf").write_text(FORGETFUL_QUEUE)
    return Terraform(
        tools,
        copy,
        "environments/dev",
        AWS_ENDPOINT_URL=moto,
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        TF_LOG_PROVIDER="DEBUG",
        TF_LOG_PATH=str(copy / "calls.log"),
    )


@pytest.fixture(scope="session")
def bootstrap(tools: Tools, moto: str, tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    """bootstrap/ as it is, not applied yet; its backend finds moto's buckets by path."""
    copy = copied(tmp_path_factory.mktemp("bootstrap") / "terraform")
    (copy / "bootstrap/providers_override.tf").write_text(PATH_STYLE_HERE)
    return Terraform(
        tools,
        copy,
        "bootstrap",
        AWS_ENDPOINT_URL=moto,
        AWS_REGION="us-east-1",
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
    )


@pytest.fixture(scope="session")
def applying(
    pool: ThreadPoolExecutor, local: Terraform, dev: Terraform, bootstrap: Terraform
) -> dict[str, Future[str]]:
    def made(environment: Terraform, **variables: object) -> str:
        environment.run("init", "-input=false")
        return environment.apply(**variables)

    return {
        "local": pool.submit(made, local),
        "dev": pool.submit(made, dev, **DEV),
        "bootstrap": pool.submit(made, bootstrap, **BOOTSTRAP),
    }


@pytest.fixture(scope="session", autouse=True)
def _started_early(request: pytest.FixtureRequest) -> None:
    """The applies run while the tests before them do, if any test wants them."""
    names = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    if "applying" in names:
        request.getfixturevalue("applying")


@pytest.fixture(scope="session")
def local_applied(local: Terraform, applying: dict[str, Future[str]]) -> Terraform:
    applying["local"].result()
    return local


@pytest.fixture(scope="session")
def dev_applied(dev: Terraform, applying: dict[str, Future[str]]) -> Terraform:
    applying["dev"].result()
    return dev


@pytest.fixture(scope="session")
def bootstrap_applied(bootstrap: Terraform, applying: dict[str, Future[str]]) -> Terraform:
    applying["bootstrap"].result()
    return bootstrap


@pytest.fixture(scope="session")
def destroying(
    pool: ThreadPoolExecutor, local_applied: Terraform, dev_applied: Terraform
) -> dict[str, Future[str]]:
    return {
        "local": pool.submit(local_applied.destroy),
        "dev": pool.submit(dev_applied.destroy, **DEV),
    }


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
