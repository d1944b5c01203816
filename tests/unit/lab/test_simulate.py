"""Whether the commands for emulators can tell an emulator from AWS."""

import pytest

from countermand.aws.clients import Clients
from countermand.core.errors import ConfigError
from countermand.lab.simulate import on_emulator

LOCAL = "http://127.0.0.1:4566"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_IAM", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize("region", ["us-east-1", "cn-north-1", "us-gov-west-1", "eu-west-1"])
def test_without_an_endpoint_it_is_aws(region: str) -> None:
    assert not on_emulator(Clients(region))


def test_one_endpoint_for_all_is_an_emulator(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_ENDPOINT_URL", LOCAL)
    assert on_emulator(Clients("us-east-1"))


def test_an_endpoint_that_is_ignored_is_aws(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_ENDPOINT_URL", LOCAL)
    environment.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    assert not on_emulator(Clients("us-east-1"))


@pytest.mark.parametrize(
    "variables",
    [
        {"AWS_ENDPOINT_URL_IAM": LOCAL},
        {"AWS_ENDPOINT_URL": LOCAL, "AWS_ENDPOINT_URL_IAM": "https://iam.amazonaws.com"},
    ],
)
def test_half_an_emulator_is_refused(
    environment: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, url in variables.items():
        environment.setenv(name, url)
    with pytest.raises(ConfigError, match="AWS_ENDPOINT_URL"):
        on_emulator(Clients("us-east-1"))
