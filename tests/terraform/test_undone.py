"""Destroying both environments leaves nothing. The name of the file makes it run last."""

import json
from concurrent.futures import Future
from fnmatch import fnmatchcase

import pytest

from support.terraforming import Terraform

WITHOUT_PERMISSION = {"sts:GetCallerIdentity"}
MANY = 100
"""Minimum number of different calls that creating and destroying everything takes."""


@pytest.mark.parametrize("name", ["local", "dev"])
def test_destroy_leaves_nothing(
    name: str, destroying: dict[str, Future[str]], local: Terraform, dev: Terraform
) -> None:
    assert "Destroy complete!" in destroying[name].result()
    assert {"local": local, "dev": dev}[name].resources() == {}


def test_the_terraform_role_allows_every_call(
    destroying: dict[str, Future[str]], dev: Terraform, bootstrap_applied: Terraform
) -> None:
    destroying["dev"].result()
    role = bootstrap_applied.resources()["aws_iam_role_policy.terraform"]
    allowed = [a for s in json.loads(role["policy"])["Statement"] for a in _listed(s["Action"])]
    calls = dev.called() - WITHOUT_PERMISSION
    assert len(calls) > MANY
    assert [c for c in calls if not any(fnmatchcase(c, action) for action in allowed)] == []


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
