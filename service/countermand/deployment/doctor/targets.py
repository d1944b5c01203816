"""What each EventBridge rule sends, and where: the queue itself, or a topic before it.

A target that changes the event, that is elsewhere, or whose own DLQ refuses EventBridge loses
events, and nothing else says so.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from countermand.core.errors import CountermandError, Gone
from countermand.core.policies.services import Access
from countermand.deployment.doctor.deployed import Deployed, command, listed, repeated
from countermand.deployment.doctor.result import CheckResult, Status, verdict, warning
from countermand.deployment.doctor.senders import (
    encryption,
    policy_row,
    refusal,
    send_statement,
    with_statement,
)

type Target = Mapping[str, Any]

_TEXTS, _TRANSFORMER = ("Input", "InputPath"), "InputTransformer"
_CHANGES = (*_TEXTS, _TRANSFORMER)
_WHOLE_EVENT = "$"
_FEWEST_RETRIES, _SHORTEST_RETRY_SECONDS = 10, 3_600


@dataclass
class _Found:
    """The rules with one fault, and the commands that fix them."""

    fixes: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return list(self.fixes)

    def add(self, name: str, fix: str) -> None:
        self.fixes[name] = fix


def sending(deployed: Deployed, targets: Mapping[str, Sequence[Target]]) -> Iterator[CheckResult]:
    """Check the targets of the rules that must send to the queue."""
    region, queue = deployed.settings.region, deployed.queue_arn
    topics = _topics_before(deployed, targets)
    ours = {
        name: next((t for t in each if t["Arn"] == queue or t["Arn"] in topics), None)
        for name, each in targets.items()
    }
    lost = _Found()
    for name, target in ours.items():
        if target is None:
            to = {"Id": "countermand-queue", "Arn": queue, **_group_of(queue)}
            lost.add(name, _put_target(name, to, region))
    astray = sorted({t["Arn"] for n in lost.names for t in targets[n] if _alike(t["Arn"], queue)})
    note = f", but the queue of another account or region: {listed(astray)}" if astray else ""
    yield _row("rule targets", len(targets), lost, f"do not send to {queue}{note}")
    sent = {name: target for name, target in ours.items() if target is not None}
    yield from _as_they_are(sent, region)
    yield from _kept(deployed, sent, region)
    if queue.endswith(".fifo"):
        yield _grouped(sent, region)
    for arn in sorted(topics):
        yield from _through(deployed, arn, [n for n, t in sent.items() if t["Arn"] == arn])


def forwarding(
    deployed: Deployed, targets: Mapping[str, Sequence[Target]]
) -> Iterator[CheckResult]:
    """Check the rules that must forward events to the bus of the worker's region."""
    settings = deployed.settings
    region, name_of_bus = settings.event_region, f"{settings.region}:{deployed.account_id}"
    bus = f"arn:{deployed.partition}:events:{name_of_bus}:event-bus/default"
    what = f"forwarding ({region})"
    lost, without_role = _Found(), _Found()
    role = (
        f"arn:{deployed.partition}:iam::{deployed.account_id}:role/{settings.rule_prefix}-forward"
    )
    to = {"Id": "countermand-bus", "Arn": bus, "RoleArn": role}
    for name, each in targets.items():
        target = next((t for t in each if t["Arn"] == bus), None)
        if target is None:
            lost.add(name, _put_target(name, to, region))
        elif not target.get("RoleArn"):
            without_role.add(name, _put_target(name, {**target, "RoleArn": role}, region))
    yield _row(what, len(targets), lost, f"do not send to {bus}")
    if without_role.names:
        how = "have no role: AWS needs one to send to another region"
        yield _row(what, len(targets), without_role, how)
    ours = {n: t for n, each in targets.items() for t in each if t["Arn"] == bus}
    yield from _as_they_are(ours, region)
    roles = {str(target["RoleArn"]) for target in ours.values() if target.get("RoleArn")}
    yield from _may_forward(deployed, sorted(roles), bus)


def _may_forward(deployed: Deployed, roles: list[str], bus: str) -> Iterator[CheckResult]:
    for role in roles:
        try:
            refused = deployed.aws.refused(role, ["events:PutEvents"], bus, {})
        except CountermandError as error:
            yield deployed.unanswered("forwarding role", error)
            continue
        statement = {"Effect": "Allow", "Action": "events:PutEvents", "Resource": bus}
        options = {
            "role-name": role.rpartition("/")[2],
            "policy-name": "put-events",
            "policy-document": {"Version": "2012-10-17", "Statement": [statement]},
        }
        wrong = f"{role} may not put events on {bus}" if refused else None
        yield verdict("forwarding role", role, wrong, command("iam put-role-policy", options))


def _as_they_are(sent: Mapping[str, Target], region: str) -> Iterator[CheckResult]:
    """Check that a target gets the event unchanged, and by its own policy."""
    changed, with_role = _Found(), _Found()
    for name, target in sent.items():
        plain = {key: value for key, value in target.items() if key not in _CHANGES}
        if any(target.get(key) not in {None, _WHOLE_EVENT} for key in _TEXTS) or target.get(
            _TRANSFORMER
        ):
            changed.add(name, _put_target(name, plain, region))
        if target.get("RoleArn") and ":sqs:" in target["Arn"]:
            del plain["RoleArn"]
            with_role.add(name, _put_target(name, plain, region))
    how = "change the event by an input path or transformer, so that it cannot be parsed"
    yield _row("target input", len(sent), changed, how)
    if with_role.names:
        text = f"{listed(with_role.names)}: SQS decides by the queue policy, a role can break it"
        yield warning("target role", text, repeated(with_role.fixes))


def _kept(deployed: Deployed, sent: Mapping[str, Target], region: str) -> Iterator[CheckResult]:
    """Check what becomes of an event that EventBridge could not deliver."""
    without = [n for n, t in sent.items() if not t.get("DeadLetterConfig", {}).get("Arn")]
    queues: dict[str, list[str]] = {}
    for name, target in sent.items():
        if arn := target.get("DeadLetterConfig", {}).get("Arn"):
            queues.setdefault(arn, []).append(name)
    for arn, names in queues.items():
        again = _own_dlq(deployed, names, sent, region)
        yield _keeps(deployed, arn, names, region, again)
    if without:
        text = f"none for {listed(without)}: an event that EventBridge cannot deliver is lost"
        yield warning("target DLQ", text, _own_dlq(deployed, without, sent, region))
    hasty = [n for n, t in sent.items() if _is_hasty(t.get("RetryPolicy") or {})]
    if hasty:
        plain = {n: {k: v for k, v in sent[n].items() if k != "RetryPolicy"} for n in hasty}
        fixes = {name: _put_target(name, plain[name], region) for name in hasty}
        text = f"{listed(hasty)}: EventBridge gives up within the hour"
        yield warning("target retries", text, repeated(fixes))


def _own_dlq(
    deployed: Deployed, names: Sequence[str], sent: Mapping[str, Target], region: str
) -> str:
    """Return the commands that create a DLQ for these rules, and give it to their targets."""
    name = f"{deployed.settings.rule_prefix}-undelivered"
    arn = f"arn:{deployed.partition}:sqs:{region}:{deployed.account_id}:{name}"
    rules = [deployed.rule_arn(each, region) for each in names]
    statement = send_statement("events", "sqs:SendMessage", arn, rules)
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))
    attributes = {"MessageRetentionPeriod": str(14 * 86_400), "Policy": policy}
    made = command("sqs create-queue", {"queue-name": name, "attributes": attributes}, region)
    given = {
        each: _put_target(each, {**sent[each], "DeadLetterConfig": {"Arn": arn}}, region)
        for each in names
    }
    return f"{made} && {repeated(given)}"


def _is_hasty(retry: Mapping[str, int]) -> bool:
    return (
        retry.get("MaximumRetryAttempts", _FEWEST_RETRIES) < _FEWEST_RETRIES
        or retry.get("MaximumEventAgeInSeconds", _SHORTEST_RETRY_SECONDS) < _SHORTEST_RETRY_SECONDS
    )


def _keeps(deployed: Deployed, arn: str, names: list[str], region: str, again: str) -> CheckResult:
    """Check the DLQ of some targets; `again` makes another one."""
    what = "target DLQ"
    if arn.split(":")[3] != region:
        text = f"{arn} is not in {region}, the region of the rule"
        return CheckResult(what, Status.FAILS, text, again)
    if arn.endswith(".fifo"):
        text = f"{arn} is a FIFO queue, which EventBridge does not use as a DLQ"
        return CheckResult(what, Status.FAILS, text, again)
    try:
        found = deployed.aws.queue_by_arn(arn)
    except Gone:
        return CheckResult(what, Status.FAILS, f"{arn} does not exist", again)
    except CountermandError as error:
        return deployed.unanswered(what, error)
    rules = [deployed.rule_arn(name, region) for name in names]
    policy = found.get("Policy", "")
    answer = refusal(policy, "events", "sqs:SendMessage", arn, rules)
    statement = send_statement("events", "sqs:SendMessage", arn, rules)
    fixed = json.dumps(with_statement(policy, statement), separators=(",", ":"))
    options = {"queue-url": found["QueueUrl"], "attributes": {"Policy": fixed}}
    return policy_row(what, answer, arn, command("sqs set-queue-attributes", options, region))


def _grouped(sent: Mapping[str, Target], region: str) -> CheckResult:
    without = _Found()
    for name, target in sent.items():
        if ":sqs:" in target["Arn"] and not target.get("SqsParameters", {}).get("MessageGroupId"):
            without.add(name, _put_target(name, {**target, **_group_of(target["Arn"])}, region))
    return _row("FIFO group", len(sent), without, "have no message group, which FIFO queues need")


def _group_of(queue: str) -> Mapping[str, Any]:
    if not queue.endswith(".fifo"):
        return {}
    return {"SqsParameters": {"MessageGroupId": "countermand"}}


def _topics_before(deployed: Deployed, targets: Mapping[str, Sequence[Target]]) -> frozenset[str]:
    """Return the topics among the targets that the queue is subscribed to."""
    arns = {t["Arn"] for each in targets.values() for t in each if ":sns:" in t["Arn"]}
    return frozenset(arn for arn in arns if _subscription(deployed, arn) is not None)


def _subscription(deployed: Deployed, topic: str) -> Mapping[str, str] | None:
    subscribed = deployed.aws.subscriptions(topic)
    return next((s for s in subscribed if s["Endpoint"] == deployed.queue_arn), None)


def _through(deployed: Deployed, topic: str, names: list[str]) -> Iterator[CheckResult]:
    """Check a topic between rules and queue: who may publish, and what it hands on."""
    region, rules = (
        deployed.settings.region,
        [deployed.rule_arn(name, deployed.settings.region) for name in names],
    )
    found = deployed.aws.topic(topic)
    answer = refusal(found.get("Policy", ""), "events", "sns:Publish", topic, rules)
    statement = send_statement("events", "sns:Publish", topic, rules)
    fixed = json.dumps(with_statement(found.get("Policy", ""), statement), separators=(",", ":"))
    options = {"topic-arn": topic, "attribute-name": "Policy", "attribute-value": fixed}
    fix = command("sns set-topic-attributes", options, region)
    yield policy_row("topic before the queue", answer, topic, fix)
    options = {"topic-arn": topic, "attribute-name": "KmsMasterKeyId", "attribute-value": ""}
    off = command("sns set-topic-attributes", options, region)
    key = found.get("KmsMasterKeyId")
    yield from encryption(deployed, "its encryption", key, "none", off)
    yield from _handed_on(deployed, topic, region)


def _handed_on(deployed: Deployed, topic: str, region: str) -> Iterator[CheckResult]:
    subscription = _subscription(deployed, topic)
    if subscription is None:
        return
    arn = subscription["SubscriptionArn"]
    state = deployed.aws.subscription(arn)
    queue = deployed.aws.queue(deployed.settings.queue_url)
    access, why = refusal(
        queue.get("Policy"), "sns", "sqs:SendMessage", deployed.queue_arn, [topic]
    )
    wrong, name, value = None, "FilterPolicy", "{}"
    if state.get("PendingConfirmation") == "true":
        wrong = "it is not confirmed"
    elif state.get("FilterPolicy", "{}") != "{}":
        wrong = "its filter policy drops events"
    elif access is Access.REFUSED:
        wrong = f"the queue policy does not let the topic send: {why}"
    options = {"subscription-arn": arn, "attribute-name": name, "attribute-value": value}
    fix = command("sns set-subscription-attributes", options, region)
    yield verdict("its subscription", arn, wrong, fix)
    if state.get("RawMessageDelivery") != "true":
        options |= {"attribute-name": "RawMessageDelivery", "attribute-value": "true"}
        fix = command("sns set-subscription-attributes", options, region)
        text = "SNS wraps each event; the worker unwraps it, at the cost of its size"
        yield warning("raw delivery", text, fix)


def _alike(arn: str, queue: str) -> bool:
    return ":sqs:" in arn and arn.rpartition(":")[2] == queue.rpartition(":")[2]


def _put_target(name: str, target: Target, region: str) -> str:
    return command("events put-targets", {"rule": name, "targets": [dict(target)]}, region)


def _row(what: str, number: int, wrong: _Found, how: str) -> CheckResult:
    detail = f"{listed(wrong.names)} {how}" if wrong.names else None
    return verdict(what, f"{number} of {number}", detail, repeated(wrong.fixes))
