"""Create the AWS setup of a worker in an emulator: EventBridge rules, queues, topic, log group.

The demo, Docker Compose and the tests use it. Terraform creates the production setup, with the
policies that an emulator does not enforce. A second run changes nothing.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from countermand.aws.clients import Clients
from countermand.aws.errors import translated
from countermand.core.rules.routing import Route

_DAY = 86_400
_DEFAULT_BUS = "default"  # exists in every account


@dataclass(frozen=True, slots=True)
class Names:
    """The names in the setup; the defaults are those of Terraform."""

    bus: str = _DEFAULT_BUS
    rule_prefix: str = "countermand"
    """The first part of the name of an EventBridge rule: `countermand-iam` for `aws.iam`."""
    queue: str = "countermand-events"
    dlq: str = "countermand-events-dlq"
    topic: str = "countermand-alerts"
    machine_queue: str = "countermand-alerts-machine"
    log_group: str = "/countermand/worker"
    email: str = "security@example.com"
    max_receives: int = 8


@dataclass(frozen=True, slots=True)
class Stack:
    """The URLs, ARNs and names of a provisioned setup."""

    queue_url: str
    dlq_url: str
    topic_arn: str
    machine_queue_url: str
    bus: str
    rule_prefix: str
    log_group: str

    def environment(self) -> Mapping[str, str]:
        """Return the settings of a worker on this stack."""
        return {
            "COUNTERMAND_QUEUE_URL": self.queue_url,
            "COUNTERMAND_DLQ_URL": self.dlq_url,
            "COUNTERMAND_TOPIC_ARN": self.topic_arn,
            "COUNTERMAND_RULE_PREFIX": self.rule_prefix,
            "COUNTERMAND_LOG_GROUP": self.log_group,
        }


def provision(clients: Clients, routes: Mapping[str, Route], names: Names | None = None) -> Stack:
    """Create the whole setup, with one EventBridge rule for each of the named routes."""
    names = names or Names()
    dlq_url, dlq_arn = _queue(clients, names.dlq, {"MessageRetentionPeriod": str(14 * _DAY)})
    rules = {f"{names.rule_prefix}-{name}": route for name, route in routes.items()}
    rule_arns = _rules(clients, names.bus, rules)
    redrive = {"deadLetterTargetArn": dlq_arn, "maxReceiveCount": names.max_receives}
    queue_url, queue_arn = _queue(
        clients,
        names.queue,
        {
            "MessageRetentionPeriod": str(7 * _DAY),
            "VisibilityTimeout": "60",
            "RedrivePolicy": json.dumps(redrive),
        },
    )
    _allow(clients, queue_url, queue_arn, "events.amazonaws.com", *rule_arns)
    for rule in rules:
        _target(clients, names.bus, rule, queue_arn)
    topic_arn = _topic(clients, names.topic)
    machine_url, machine_arn = _queue(clients, names.machine_queue, {})
    _allow(clients, machine_url, machine_arn, "sns.amazonaws.com", topic_arn)
    _subscribe(clients, topic_arn, "email", names.email)
    _subscribe(clients, topic_arn, "sqs", machine_arn)
    _log_group(clients, names.log_group)
    return Stack(
        queue_url, dlq_url, topic_arn, machine_url, names.bus, names.rule_prefix, names.log_group
    )


def _queue(clients: Clients, name: str, attributes: Mapping[str, str]) -> tuple[str, str]:
    sqs = clients.get("sqs")
    with translated("sqs", "CreateQueue"):
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
    if attributes:
        with translated("sqs", "SetQueueAttributes"):
            sqs.set_queue_attributes(QueueUrl=url, Attributes=dict(attributes))
    with translated("sqs", "GetQueueAttributes"):
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return url, answer["Attributes"]["QueueArn"]


def _allow(clients: Clients, url: str, arn: str, service: str, *source_arns: str) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": list(source_arns)}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    with translated("sqs", "SetQueueAttributes"):
        clients.get("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


def _rules(clients: Clients, bus: str, rules: Mapping[str, Route]) -> list[str]:
    events = clients.get("events")
    if bus != _DEFAULT_BUS:
        with translated("events", "CreateEventBus"), suppress(_exists(events)):
            events.create_event_bus(Name=bus)
    arns = []
    for name, route in rules.items():
        with translated("events", "PutRule"):
            answer = events.put_rule(
                Name=name,
                EventBusName=bus,
                EventPattern=json.dumps(route.pattern),
                State=route.state.value,
            )
        arns.append(str(answer["RuleArn"]))
    return arns


def _target(clients: Clients, bus: str, rule: str, queue_arn: str) -> None:
    with translated("events", "PutTargets"):
        clients.get("events").put_targets(
            Rule=rule, EventBusName=bus, Targets=[{"Id": "countermand-queue", "Arn": queue_arn}]
        )


def _topic(clients: Clients, name: str) -> str:
    with translated("sns", "CreateTopic"):
        return str(clients.get("sns").create_topic(Name=name)["TopicArn"])


def _log_group(clients: Clients, name: str) -> None:
    logs = clients.get("logs")
    with translated("logs", "CreateLogGroup"), suppress(_exists(logs)):
        logs.create_log_group(logGroupName=name)


def _exists(client: Any) -> type[Exception]:
    already: type[Exception] = client.exceptions.ResourceAlreadyExistsException
    return already


def _subscribe(clients: Clients, topic_arn: str, protocol: str, endpoint: str) -> None:
    with translated("sns", "Subscribe"):
        clients.get("sns").subscribe(
            TopicArn=topic_arn, Protocol=protocol, Endpoint=endpoint, ReturnSubscriptionArn=True
        )
