"""environments/local on LocalStack: applied, compared with `countermand provision`, attacked."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from countermand.app import rules
from countermand.aws.clients import Clients
from countermand.aws.lab import Lab
from countermand.aws.provision import Names, provision
from countermand.core.envelope import ADMIN_POLICY, attach_event
from countermand.core.parse import CLOUDTRAIL_CALL
from countermand.core.rules.routing import routes_of
from countermand.lab.localstack import LocalStack, emails
from support.running import Worker, aws_environment, decision, eventually
from support.terraforming import EMAIL, Terraform

OTHER_ACCOUNT = "111111111111"
SAME_ATTRIBUTES = ("MessageRetentionPeriod", "VisibilityTimeout", "RedrivePolicy")


@pytest.fixture
def aws(emulator: LocalStack, local_applied: Terraform) -> Iterator[Clients]:
    assert local_applied.folder.is_dir()
    with aws_environment(emulator.url):
        yield Clients("us-east-1")


def test_a_second_plan_is_empty(local_applied: Terraform) -> None:
    assert local_applied.changes() == {}


def test_it_creates_what_provision_creates(
    aws: Clients, local_applied: Terraform, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_terraform = _seen(aws)
    assert len(by_terraform["rules"]) == len(routes_of(rules()))
    # LocalStack uses a key of 12 digits as the account ID, so the same names do not collide.
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", OTHER_ACCOUNT)
    clients = Clients("us-east-1")
    stack = provision(clients, routes_of(rules()), Names())
    assert by_terraform == _seen(clients)
    printed = json.dumps(local_applied.outputs()["environment"])
    assert json.loads(printed.replace("000000000000", OTHER_ACCOUNT)) == stack.environment()


def test_an_attack_is_reverted(
    aws: Clients, emulator: LocalStack, local_applied: Terraform, tmp_path: Path
) -> None:
    """An attack is detected, reverted and alerted."""
    lab, user = Lab(aws), "iam-test-terraform"
    settings = {
        **local_applied.outputs()["environment"],
        "COUNTERMAND_MODE": "enforce",
        "COUNTERMAND_POLL_SECONDS": "1",
        "COUNTERMAND_LEDGER_URL": f"sqlite:{tmp_path / 'ledger.sqlite3'}",
        "COUNTERMAND_OWN_ROLE_ARN": "arn:aws:iam::000000000000:role/countermand-worker",
    }
    others = {k: v for k, v in os.environ.items() if not k.startswith("COUNTERMAND_")}
    worker = Worker(others | settings, tmp_path)
    try:
        assert eventually(worker.ready), worker.log_file.read_text()
        lab.create_user(user, {})
        lab.attach(user, ADMIN_POLICY)
        record = attach_event("000000000000", user)
        lab.put_event(record, CLOUDTRAIL_CALL)
        decided = decision(worker, str(record["eventID"]))
        assert decided["verdict"] == "remediate"
        assert eventually(lambda: not lab.has_policy(user, ADMIN_POLICY))
        assert eventually(lambda: emails(emulator.url, EMAIL))
    finally:
        worker.stop()


def _seen(clients: Clients) -> dict[str, Any]:
    """Return the resources of an installation, without the ID of their account."""
    account = clients.caller().account_id
    names = Names()
    found = {
        "queues": {name: _queue(clients, name) for name in (names.queue, names.dlq)},
        "machine": _queue(clients, names.machine_queue),
        "rules": _rules(clients, names.rule_prefix),
        "subscriptions": _subscriptions(clients, names.topic, account),
        "log groups": _log_groups(clients, names.log_group),
    }
    text = json.dumps(found, sort_keys=True)
    seen: dict[str, Any] = json.loads(text.replace(account, "ACCOUNT"))
    return seen


def _queue(clients: Clients, name: str) -> dict[str, Any]:
    sqs = clients.get("sqs")
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    statements = json.loads(attributes.get("Policy", '{"Statement": []}'))["Statement"]
    return {
        **{key: attributes.get(key) for key in SAME_ATTRIBUTES if key != "RedrivePolicy"},
        "redrive": json.loads(attributes.get("RedrivePolicy", "null")),
        # Terraform's policies may deny more, but not allow more.
        "senders": [
            (s["Principal"], s["Action"], s["Resource"], _sources(s["Condition"]))
            for s in statements
            if s["Effect"] == "Allow"
        ],
    }


def _sources(condition: dict[str, Any]) -> list[str]:
    """Return the ARNs that may send."""
    allowed = condition["ArnEquals"]["aws:SourceArn"]
    return [allowed] if isinstance(allowed, str) else sorted(allowed)


def _rules(clients: Clients, prefix: str) -> dict[str, Any]:
    """Return state, pattern, and targets of each EventBridge rule."""
    events = clients.get("events")
    return {
        rule["Name"]: (
            rule["State"],
            json.loads(rule["EventPattern"]),
            [
                (target["Id"], target["Arn"])
                for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
            ],
        )
        for rule in events.list_rules(NamePrefix=f"{prefix}-")["Rules"]
    }


def _subscriptions(clients: Clients, topic: str, account: str) -> list[tuple[str, str]]:
    answer = clients.get("sns").list_subscriptions_by_topic(
        TopicArn=f"arn:aws:sns:us-east-1:{account}:{topic}"
    )
    return sorted((each["Protocol"], each["Endpoint"]) for each in answer["Subscriptions"])


def _log_groups(clients: Clients, name: str) -> list[str]:
    answer = clients.get("logs").describe_log_groups(logGroupNamePrefix=name)
    return [group["logGroupName"] for group in answer["logGroups"]]
