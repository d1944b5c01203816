"""`countermand attack` and `countermand provision`, on a stack that was there before them."""

import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from countermand.lab.localstack import LocalStack
from support.running import Site


@pytest.fixture
def ledger(dynamodb: Any) -> Iterator[str]:
    """The variable that leads every process of the test to a DynamoDB."""
    name = "AWS_ENDPOINT_URL_DYNAMODB"
    os.environ[name] = dynamodb.meta.endpoint_url
    yield "dynamodb:attacked"
    del os.environ[name]


def test_provision_creates_the_ledger_of_the_settings(
    site: Site, dynamodb: Any, ledger: str
) -> None:
    site.extra = {"COUNTERMAND_LEDGER_URL": ledger}
    for _ in range(2):  # the second time changes nothing
        done = site.countermand(None, "provision")
        assert done.returncode == 0, done.stderr
        assert f"COUNTERMAND_LEDGER_URL={ledger}" in done.stdout.splitlines()
    table = dynamodb.describe_table(TableName="attacked")["Table"]
    assert table["TableStatus"] == "ACTIVE"


def test_the_attack_runs_on_a_dry_run_stack(site: Site, ledger: str) -> None:
    """The worker of a running stack stays in dry run."""
    site.extra = {"COUNTERMAND_LEDGER_URL": ledger}
    made = site.countermand(None, "provision").stdout
    site.extra |= dict(line.split("=", 1) for line in made.splitlines())
    worker = site.start()
    done = site.countermand(worker, "attack")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Everything happened as expected." in done.stdout
    assert "FAIL" not in done.stdout
    told = {line["message"] for line in worker.log}
    assert "Dry run enabled - remediation skipped" in told
    assert "Remediation applied" not in told


def test_the_attack_refuses_an_enforcing_worker(site: Site, ledger: str) -> None:
    site.extra = {"COUNTERMAND_LEDGER_URL": ledger, "COUNTERMAND_MODE": "enforce"}
    refused = site.countermand(None, "attack")
    assert refused.returncode == 2
    assert "COUNTERMAND_MODE: is enforce" in refused.stderr


def test_the_attack_refuses_an_unshared_ledger(site: Site) -> None:
    """The attack reads the decisions that the worker writes."""
    refused = site.countermand(None, "attack")
    assert refused.returncode == 2
    assert "COUNTERMAND_LEDGER_URL: the worker of steps C and D" in refused.stderr


@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:9"])
def test_the_attack_accepts_only_localstack(
    site: Site, ledger: str, localstack: LocalStack, endpoint: str
) -> None:
    del localstack
    site.extra = {"COUNTERMAND_LEDGER_URL": ledger, "AWS_ENDPOINT_URL": endpoint}
    refused: subprocess.CompletedProcess[str] = site.countermand(None, "attack")
    assert refused.returncode == 2
    assert "it is for LocalStack only" in refused.stderr
