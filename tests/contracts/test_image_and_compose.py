"""Names, settings, versions, and services agree between the code, the image, and compose."""

import ast
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

from countermand.actions import ALL as ACTIONS
from countermand.aws import cloud
from countermand.aws.cloud import service_of
from countermand.aws.provision import Names
from countermand.core.model import Mode
from countermand.settings import load as load_settings
from support.tools import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
QUEUES = "http://localstack:4566/000000000000"


def _environment(service: str) -> dict[str, str]:
    """Return the variables of a service; `${NAME:-default}` becomes its default."""
    written: dict[str, str] = SERVICES[service]["environment"]
    return {name: _default(text) for name, text in written.items()}


def _default(text: str) -> str:
    return text.partition(":-")[2].removesuffix("}") if text.startswith("${") else text


@pytest.mark.parametrize("service", ["worker", "attack"])
def test_the_settings_in_compose_mean_dry_run(service: str) -> None:
    settings = load_settings(_environment(service))
    assert settings.mode is Mode.DRY_RUN
    assert settings.ledger[0] == "dynamodb"


def test_the_worker_uses_what_provision_creates() -> None:
    settings, names = load_settings(_environment("worker")), Names()
    assert settings.queue_url == f"{QUEUES}/{names.queue}"
    assert settings.dlq_url == f"{QUEUES}/{names.dlq}"
    assert settings.topic_arn.endswith(f":{names.topic}")
    assert settings.rule_prefix == names.rule_prefix
    assert settings.log_group == names.log_group
    assert _environment("provision")["COUNTERMAND_LEDGER_URL"] == settings.ledger_url


def test_compose_has_the_emulators_of_the_tests() -> None:
    for service, package, lock in (
        ("localstack", "localstack-core", "localstack"),
        ("dynamodb", "moto", "dev"),
    ):
        version = SERVICES[service]["image"].rpartition(":")[2]
        assert f"\n{package}=={version} \\\n" in (ROOT / f"requirements/{lock}.txt").read_text()


def test_workers_and_stacks_can_share_a_machine() -> None:
    assert not any("container_name" in service for service in SERVICES.values())
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert all(port.startswith("127.0.0.1:${") for port in ports)


def test_every_image_in_compose_has_a_version() -> None:
    for service in SERVICES.values():
        tag = service["image"].rpartition(":")[2]
        assert "build" in service or tag[tag.startswith("v") :][0].isdigit(), service["image"]


def test_the_image_keeps_the_services_in_use() -> None:
    kept: frozenset[str] = runpy.run_path(str(ROOT / "docker/trim_botocore.py"))["KEPT"]
    assert _called() <= kept
    assert kept - _called() == {"s3", "sso", "sso-oidc", "signin"}


def _called() -> set[str]:
    """Return the service of every client that the code creates and of every call of an action."""
    actions = ACTIONS.values()
    found = {
        service_of(call)
        for action in actions
        for call in (*action.info.reads, *action.info.writes, *action.info.undo_calls)
    }
    for path in set(Path(ROOT / "service").rglob("*.py")) - {Path(cloud.__file__)}:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and _makes_a_client(node.func):
                first = node.args[0]
                assert isinstance(first, (ast.Constant, ast.Name)), ast.unparse(node)
                if isinstance(first, ast.Constant):
                    found.add(str(first.value))
    return found


def _makes_a_client(called: ast.expr) -> bool:
    """Match `clients.get()`, `self._clients.get()`, `clients.in_region()`, and `self.get()`."""
    if not isinstance(called, ast.Attribute) or called.attr not in {"get", "in_region"}:
        return False
    owner = ast.unparse(called.value)
    return owner.endswith("clients") or owner == "self"
