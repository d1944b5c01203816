"""Rules of EventBridge that were disabled, against moto's."""

import uuid
from typing import Any

import pytest

from countermand.actions import ALL
from countermand.core.errors import CannotRestore
from support.steps import MotoClients, plan, remediate_and_undo


@pytest.fixture
def clients(dynamodb: Any) -> MotoClients:
    return MotoClients(dynamodb.meta.endpoint_url)


@pytest.fixture
def rule(clients: MotoClients) -> str:
    """An enabled rule on the default bus."""
    name = f"iam-test-{uuid.uuid4().hex[:12]}"
    clients.get("events").put_rule(Name=name, EventPattern='{"source": ["aws.iam"]}')
    return name


@pytest.mark.parametrize(
    "evidence", [{}, {"event_bus": "default"}, {"event_bus": "arn:aws:events:::event-bus/default"}]
)
def test_a_disabled_rule_is_enabled_again(
    clients: MotoClients, rule: str, evidence: dict[str, str]
) -> None:
    clients.get("events").disable_rule(Name=rule)
    params = plan(clients.cloud(), "enable_event_rule", rule, **evidence)
    remediate_and_undo(clients.cloud(), "enable_event_rule", params)


def test_an_enabled_rule_is_left_alone(clients: MotoClients, rule: str) -> None:
    assert plan(clients.cloud(), "enable_event_rule", rule) is None


def test_a_rule_of_another_bus_is_left_to_people(clients: MotoClients, rule: str) -> None:
    with pytest.raises(CannotRestore, match="default event bus"):
        plan(clients.cloud(), "enable_event_rule", rule, event_bus="orders")


def test_deleted_rule_cannot_be_enabled(clients: MotoClients, rule: str) -> None:
    """An EventBridge rule that was deleted needs no action."""
    clients.get("events").delete_rule(Name=rule)
    action, params = ALL["enable_event_rule"], {"rule": rule}
    assert not action.is_present(clients.cloud(), params)
    assert not action.apply(clients.cloud(), params)
