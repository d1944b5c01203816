"""Real Terraform on emulators.

Both environments are applied in the background as soon as a test needs them, because the provider
spends most of that time waiting.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from countermand.lab.localstack import LocalStack, LocalStackMissingError
from support.moto import moto_server
from support.skips import UnavailableError, skip_or_fail
from support.terraforming import (
    BOOTSTRAP,
    DEV,
    FORGETFUL_QUEUE,
    LOCAL_STATE,
    PATH_STYLE,
    PATH_STYLE_HERE,
    Terraform,
    Tools,
    copied,
    running_provider,
)
from support.tools import fetched

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # pytest hands the items of the whole run to every conftest.
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.terraform)
            item.add_marker(pytest.mark.timeout(420))


@pytest.fixture(scope="session")
def tools() -> Tools:
    try:
        program, configuration = fetched("fetch_terraform.py")
    except (UnavailableError, RuntimeError) as error:
        skip_or_fail(error)
    return Tools(program, Path(configuration))


@pytest.fixture(scope="session")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


@pytest.fixture(scope="session")
def emulator() -> Iterator[LocalStack]:
    """Run a separate LocalStack, because the names here are those of a real installation."""
    own = LocalStack()
    try:
        own.start()
    except LocalStackMissingError as missing:
        skip_or_fail(missing)
    yield own
    own.stop()


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """Return the URL of moto's server, which has what LocalStack's community edition lacks."""
    with moto_server(str(HERE / "moto_server.py")) as url:
        yield url


@pytest.fixture(scope="session")
def schemas(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Return the variable that leads Terraform to a running provider, for its schemas."""
    initialized = Terraform(
        tools, copied(tmp_path_factory.mktemp("schemas") / "terraform"), "bootstrap"
    )
    initialized.init()
    with running_provider(initialized) as variable:
        yield variable


@pytest.fixture(scope="session")
def local(
    tools: Tools, emulator: LocalStack, tmp_path_factory: pytest.TempPathFactory
) -> Terraform:
    """Return environments/local, not applied yet."""
    copy = copied(tmp_path_factory.mktemp("local") / "terraform")
    return Terraform(tools, copy, "environments/local", AWS_ENDPOINT_URL=emulator.url)


@pytest.fixture(scope="session")
def dev(tools: Tools, moto: str, tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    """Return environments/dev with a local state and moto as its AWS, not applied yet."""
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
    """Return bootstrap/, not applied yet; its backend addresses moto's buckets by path."""
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
    pool: ThreadPoolExecutor,
    local: Terraform,
    dev: Terraform,
    bootstrap: Terraform,
    schemas: dict[str, str],
) -> dict[str, Future[str]]:
    def made(environment: Terraform, **variables: object) -> str:
        environment.run("init", "-input=false")
        environment.schemas = schemas
        return environment.apply(**variables)

    return {
        "local": pool.submit(made, local),
        "dev": pool.submit(made, dev, **DEV),
        "bootstrap": pool.submit(made, bootstrap, **BOOTSTRAP),
    }


@pytest.fixture(scope="session", autouse=True)
def _started_early(request: pytest.FixtureRequest) -> None:
    """Start the applies before the first test, if any test needs them."""
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
