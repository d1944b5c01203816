"""FIFO queues, a topic before the queue, and a worker in another region, as `doctor` sees them."""

import json
from typing import Any

import pytest

from countermand.deployment.doctor.deployed import Deployed
from countermand.deployment.doctor.examine import checked
from countermand.deployment.doctor.result import Status
from support.aws_setup import (
    DLQ,
    IAM,
    QUEUE,
    READS,
    REGION,
    SETTINGS,
    Break,
    deployed,
    fake,
    from_eventbridge,
    from_rule,
    not_ok,
    options_of,
    policy,
    queue_attribute,
    rule_arn,
    statement,
    url_of,
)
from support.fakes import ACCOUNT

OTHER = "444455556666"


# --- FIFO queues, topics between, and a worker in another region


def fifo() -> Deployed:
    queue, dlq = f"{QUEUE}.fifo", f"{DLQ}.fifo"
    subject = deployed(queue_url=url_of(queue), dlq_url=url_of(dlq))
    aws = fake(subject)
    aws.queues |= {queue: {**aws.queues[QUEUE], "QueueArn": queue}, dlq: aws.queues[DLQ]}
    aws.queues[queue]["Policy"] = statement(Resource=queue)
    redrive = {"deadLetterTargetArn": dlq, "maxReceiveCount": 8}
    aws.queues[queue]["RedrivePolicy"] = json.dumps(redrive)
    for each in aws.sent.values():
        each[0] |= {"Arn": queue, "SqsParameters": {"MessageGroupId": "g"}}
    return subject


def test_a_fifo_queue_needs_a_group() -> None:
    subject = fifo()
    assert not_ok(checked(subject)).keys() == {"queue type"}
    del fake(subject).sent[IAM, REGION][0]["SqsParameters"]
    found = not_ok(checked(subject))["FIFO group"]
    assert found.status is Status.FAILS
    (fixed,) = json.loads(options_of(found.fix)["targets"])
    assert fixed["SqsParameters"] == {"MessageGroupId": "countermand"}


BETWEEN = f"arn:aws:sns:{REGION}:{ACCOUNT}:between"
OF_SNS = {"Service": "sns.amazonaws.com"}


def through_a_topic() -> Deployed:
    subject = deployed()
    aws = fake(subject)
    rules = [rule_arn(IAM), rule_arn(READS)]
    publish = policy(from_eventbridge("sns:Publish", BETWEEN, rules))
    aws.topics[BETWEEN] = {"TopicArn": BETWEEN, "Policy": publish}
    endpoint = {"Protocol": "sqs", "Endpoint": QUEUE, "SubscriptionArn": f"{BETWEEN}:1"}
    aws.subscribed[BETWEEN] = [endpoint]
    aws.subscribers[f"{BETWEEN}:1"] = {"RawMessageDelivery": "true"}
    for each in aws.sent.values():
        each[0]["Arn"] = BETWEEN
    of_rules = json.loads(statement())["Statement"][0]
    of_topic = {**of_rules, "Sid": "T", "Principal": OF_SNS, "Condition": from_rule(BETWEEN)}
    aws.queues[QUEUE]["Policy"] = policy(of_rules, of_topic)
    return subject


def test_a_topic_before_the_queue_may_be_well() -> None:
    assert not_ok(checked(through_a_topic())) == {}


@pytest.mark.parametrize(
    ("broken", "what", "status", "says"),
    [
        (
            lambda aws: aws.topics[BETWEEN].pop("Policy"),
            "topic before the queue",
            Status.FAILS,
            "there is no policy",
        ),
        (
            lambda aws: aws.topics[BETWEEN].update(KmsMasterKeyId="alias/aws/sns"),
            "its encryption",
            Status.FAILS,
            "alias/aws/sns",
        ),
        (
            lambda aws: aws.subscribers[f"{BETWEEN}:1"].update(PendingConfirmation="true"),
            "its subscription",
            Status.FAILS,
            "not confirmed",
        ),
        (
            lambda aws: aws.subscribers[f"{BETWEEN}:1"].update(FilterPolicy='{"a": ["b"]}'),
            "its subscription",
            Status.FAILS,
            "drops events",
        ),
        (
            queue_attribute("Policy", statement()),
            "its subscription",
            Status.FAILS,
            "does not let the topic send",
        ),
        (
            lambda aws: aws.subscribers[f"{BETWEEN}:1"].update(RawMessageDelivery="false"),
            "raw delivery",
            Status.WARNING,
            "unwraps",
        ),
    ],
)
def test_a_topic_that_loses_events_is_seen(
    broken: Break, what: str, status: Status, says: str
) -> None:
    subject = through_a_topic()
    broken(fake(subject))
    found = not_ok(checked(subject))
    assert found.keys() == {what}
    assert found[what].status is status
    assert says in found[what].detail
    assert found[what].fix


def test_a_topic_that_does_not_feed_the_queue_is_lost() -> None:
    subject = through_a_topic()
    fake(subject).subscribed[BETWEEN] = []
    assert "do not send to" in not_ok(checked(subject))["rule targets"].detail


EAST, WEST = "us-east-1", "eu-west-1"
BUS = f"arn:aws:events:{WEST}:{ACCOUNT}:event-bus/default"
FORWARD = f"arn:aws:iam::{ACCOUNT}:role/countermand-forward"


def forwarded() -> Deployed:
    """A worker in Ireland, to which rules in us-east-1 forward IAM's events."""

    def moved(text: str) -> str:
        return text.replace(EAST, WEST)

    places: dict[str, Any] = {
        name: moved(SETTINGS[name]) for name in ("queue_url", "dlq_url", "topic_arn")
    }
    subject = deployed(**places, region=WEST, event_region=EAST)
    aws = fake(subject)
    aws.queues = json.loads(moved(json.dumps(aws.queues)))
    aws.topics = json.loads(moved(json.dumps(aws.topics)))
    aws.subscribed = json.loads(moved(json.dumps(aws.subscribed)))
    aws.subscribers = json.loads(moved(json.dumps(aws.subscribers)))
    for name, route in subject.routes.items():
        aws.sent[name, WEST] = json.loads(moved(json.dumps(aws.sent[name, WEST])))
        described = {"EventPattern": route.pattern, "State": str(route.state)}
        aws.rules[name, EAST, "default"] = described
        aws.sent[name, EAST] = [{"Id": "bus", "Arn": BUS, "RoleArn": FORWARD}]
    return subject


def test_a_worker_in_another_region_may_be_well() -> None:
    results = checked(forwarded())
    assert not_ok(results) == {}
    assert {f"EventBridge rules ({WEST})", f"EventBridge rules ({EAST})"} <= {
        result.what for result in results
    }


@pytest.mark.parametrize(
    ("broken", "what", "says"),
    [
        (
            lambda aws: aws.sent[IAM, EAST].clear(),
            f"forwarding ({EAST})",
            f"do not send to {BUS}",
        ),
        (
            lambda aws: aws.sent[IAM, EAST][0].pop("RoleArn"),
            f"forwarding ({EAST})",
            "have no role",
        ),
        (
            lambda aws: aws.lacking.add("events:PutEvents"),
            "forwarding role",
            "may not put events",
        ),
        (
            lambda aws: aws.rules[IAM, EAST, "default"].update(State="DISABLED"),
            f"rules enabled ({EAST})",
            f"disabled: {IAM}",
        ),
        (
            lambda aws: aws.rules.pop((IAM, WEST, "default")),
            f"EventBridge rules ({WEST})",
            f"missing: {IAM}",
        ),
    ],
)
def test_a_break_in_the_forwarding_is_seen(broken: Break, what: str, says: str) -> None:
    subject = forwarded()
    broken(fake(subject))
    found = not_ok(checked(subject))
    assert found.keys() == {what}
    assert says in found[what].detail
    assert "--region" in found[what].fix or "iam" in found[what].fix
