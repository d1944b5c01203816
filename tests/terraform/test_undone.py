"""Both environments are destroyed, and nothing is left. Last, by its name."""

from concurrent.futures import Future

import pytest

from terraforming import Terraform


@pytest.mark.parametrize("name", ["local", "dev"])
def test_destroy_leaves_nothing(
    name: str, destroying: dict[str, Future[str]], local: Terraform, dev: Terraform
) -> None:
    assert "Destroy complete!" in destroying[name].result()
    assert {"local": local, "dev": dev}[name].resources() == {}
