"""environments/dev, with every module, applied to moto's server."""

import json
import re
from typing import Any

import pytest

from countermand.settings import Settings
from countermand.settings import load as load_settings
from support.terraforming import DEV, IMAGE, ROOT, Terraform

WORKER = "module.guardrail.module.worker"
# moto adds spaces to the first attribute and does not store the other two.
FORGOTTEN = {
    "module.guardrail.module.queue.aws_sqs_queue.this": {"redrive_policy"},
    f"{WORKER}.aws_ecs_service.worker": {"availability_zone_rebalancing"},
    f"{WORKER}.aws_vpc_security_group_ingress_rule.endpoints[0]": {"description"},
}


@pytest.fixture(scope="session")
def made(dev_applied: Terraform) -> dict[str, dict[str, Any]]:
    return dev_applied.resources()


@pytest.fixture(scope="session")
def container(made: dict[str, dict[str, Any]]) -> dict[str, Any]:
    task = made[f"{WORKER}.aws_ecs_task_definition.worker"]
    (only,) = json.loads(task["container_definitions"])
    found: dict[str, Any] = only
    return found


def test_a_second_plan_shows_only_moto_gaps(dev_applied: Terraform) -> None:
    assert dev_applied.differences(**DEV) == FORGOTTEN


def test_it_has_every_part(made: dict[str, dict[str, Any]]) -> None:
    kinds = {address.split(".")[-2] for address in made}
    assert kinds >= {
        "aws_cloudtrail",
        "aws_cloudwatch_event_rule",
        "aws_cloudwatch_metric_alarm",
        "aws_dynamodb_table",
        "aws_ecs_service",
        "aws_kms_key",
        "aws_s3_bucket",
        "aws_sns_topic",
        "aws_sqs_queue",
        "aws_vpc",
        "aws_vpc_endpoint",
    }


def test_only_enforce_may_write_to_iam(
    dev_applied: Terraform, made: dict[str, dict[str, Any]]
) -> None:
    assert [address for address in made if ".aws_iam_policy." in address] == []
    changes = dev_applied.changes(**DEV, mode="enforce")
    created = {address for address, actions in changes.items() if actions == ("create",)}
    assert created
    assert all(
        address.startswith("module.guardrail.module.iam.")
        and address.split(".")[-1].startswith("enforce[")
        for address in created
    )
    # Only the task and the role's description contain the mode.
    others = changes.keys() - created - FORGOTTEN.keys()
    assert others == {
        "module.guardrail.module.iam.aws_iam_role.worker",
        f"{WORKER}.aws_ecs_task_definition.worker",
    }


def test_the_service_accepts_the_tasks_settings(container: dict[str, Any]) -> None:
    given = {each["name"]: each["value"] for each in container["environment"]}
    settings = load_settings(given)
    assert settings.mode == "dry-run"
    assert settings.ledger[0] == "dynamodb"


def test_the_task_runs_a_read_only_image(
    container: dict[str, Any],
) -> None:
    """The task runs a read-only image by digest."""
    assert container["image"] == IMAGE
    assert container["readonlyRootFilesystem"] is True
    assert container["user"] == "10001:10001"
    assert container["linuxParameters"]["capabilities"]["drop"] == ["ALL"]
    assert container.get("secrets", []) == []


def test_the_stop_timeout_exceeds_the_drain(container: dict[str, Any]) -> None:
    assert container["stopTimeout"] > Settings.model_fields["drain_seconds"].default


def test_the_task_has_the_images_health_check(container: dict[str, Any]) -> None:
    written = (ROOT / "docker" / "Dockerfile").read_text()
    (command,) = re.findall(r"^HEALTHCHECK.*\\\n\s+CMD (\[.*\])$", written, re.MULTILINE)
    assert container["healthCheck"]["command"] == ["CMD", *json.loads(command)]
    (user,) = re.findall(r"^USER (\S+)$", written, re.MULTILINE)
    assert container["user"] == user
