"""Whether the queue can take events and hand them on: address, encryption, policy, DLQ."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from countermand.aws.sqs import PERMISSIONS
from countermand.core.errors import Gone
from countermand.core.policies.services import Access
from countermand.deployment.doctor.deployed import Deployed, command
from countermand.deployment.doctor.result import (
    CheckResult,
    Status,
    unchecked,
    verdict,
    warning,
)
from countermand.deployment.doctor.senders import (
    denied_role,
    encryption,
    policy_row,
    refusal,
    send_statement,
    sparing,
    with_statement,
)
from countermand.deployment.doctor.worker import name_the_role

_EVENTBRIDGE = "events.amazonaws.com"
_SOURCE_KEYS = frozenset(
    {"aws:sourcearn", "aws:sourceaccount", "aws:principalarn", "aws:principalaccount"}
)
_BINDING_OPERATORS = frozenset({"ArnEquals", "ArnLike", "StringEquals", "StringLike"})
_HOUR, _DAY = 3_600, 86_400
_LARGEST_EVENT = 256 * 1024
_MOST_RECEIVES = 20
_RECEIVES = 8


def queue(deployed: Deployed) -> Iterator[CheckResult]:
    """Check the queue that the worker reads."""
    settings = deployed.settings
    url, attributes = settings.queue_url, deployed.aws.queue(settings.queue_url)
    arn = attributes["QueueArn"]
    yield CheckResult("queue", Status.OK, arn)
    yield _address(deployed, arn)
    turn_off = _set(deployed, url, {"KmsMasterKeyId": "", "SqsManagedSseEnabled": "true"})
    plain = "with a key of SQS" if attributes.get("SqsManagedSseEnabled") == "true" else "none"
    yield from encryption(
        deployed, "queue encryption", attributes.get("KmsMasterKeyId"), plain, turn_off
    )
    yield _sending(deployed, url, attributes)
    yield _openness(deployed, url, attributes)
    yield _reading(deployed, url, attributes)
    yield from _limits(deployed, url, attributes)
    yield from _redrive(deployed, url, attributes)


def _set(deployed: Deployed, url: str, attributes: Mapping[str, Any]) -> str:
    options = {"queue-url": url, "attributes": dict(attributes)}
    return command("sqs set-queue-attributes", options, deployed.settings.region)


def _address(deployed: Deployed, arn: str) -> CheckResult:
    """The queue must be where EventBridge can reach it: in the region and account of the rules."""
    _, _, _, region, account_id, _ = arn.split(":", 5)
    settings, wrong = deployed.settings, None
    if region != settings.region:
        wrong = f"the queue is in {region}, but the worker runs in {settings.region}"
    elif account_id != deployed.account_id:
        wrong = f"the queue is of account {account_id}, but the rules are of {deployed.account_id}"
    fix = command("sqs list-queues", {}, settings.region) + "  # then set COUNTERMAND_QUEUE_URL"
    return verdict("queue address", f"{region}, account {account_id}", wrong, fix)


def _sending(deployed: Deployed, url: str, attributes: Mapping[str, str]) -> CheckResult:
    """Whether EventBridge may send, for each of the EventBridge rules."""
    arn, policy = attributes["QueueArn"], attributes.get("Policy", "")
    rules = [deployed.rule_arn(name, deployed.settings.region) for name in deployed.routes]
    answer = refusal(policy, "events", "sqs:SendMessage", arn, rules)
    statement = send_statement("events", "sqs:SendMessage", arn, rules)
    fixed = json.dumps(with_statement(policy, statement), separators=(",", ":"))
    well = f"lets EventBridge send for {len(rules)} rules"
    return policy_row("queue policy", answer, well, _set(deployed, url, {"Policy": fixed}))


def _reading(deployed: Deployed, url: str, attributes: Mapping[str, str]) -> CheckResult:
    """Whether the queue policy denies the worker what its own policy allows."""
    what, role = "queue reader", deployed.worker_role
    if role is None:
        return unchecked(what, "the worker role is not known", name_the_role(deployed))
    policy = attributes.get("Policy", "")
    denial = denied_role(policy, role, PERMISSIONS, attributes["QueueArn"])
    if denial is None:
        return CheckResult(what, Status.OK, "the queue policy denies the worker role nothing")
    fixed = json.dumps(sparing(policy, role), separators=(",", ":"))
    fix = _set(deployed, url, {"Policy": fixed})
    if denial.access is Access.UNSURE:
        return warning(what, f"{denial.why} to {role}", fix)
    return CheckResult(what, Status.FAILS, f"{denial.why} to {role}", fix)


def _openness(deployed: Deployed, url: str, attributes: Mapping[str, str]) -> CheckResult:
    """Whether anyone else may send, and so forge events."""
    policy = json.loads(attributes.get("Policy") or "{}")
    statements = _listed(policy.get("Statement", []))
    opened = [s for s in statements if s.get("Effect") == "Allow" and _is_open(s)]
    bound = [s for s in statements if s not in opened]
    fixed = json.dumps({**policy, "Statement": bound}, separators=(",", ":"))
    names = ", ".join(str(s.get("Sid", "without Sid")) for s in opened)
    wrong = f"anyone can send, by statement {names}" if opened else None
    return verdict(
        "queue senders",
        "only who the policy names",
        wrong,
        _set(deployed, url, {"Policy": fixed}),
    )


def _is_open(statement: Mapping[str, Any]) -> bool:
    principals = _principals(statement)
    everyone = "*" in principals or "NotPrincipal" in statement or _EVENTBRIDGE in principals
    return everyone and not _bound(statement)


def _listed(one_or_many: Any) -> list[Any]:  # noqa: ANN401  a policy's own choice
    return one_or_many if isinstance(one_or_many, list) else [one_or_many]


def _principals(statement: Mapping[str, Any]) -> set[str]:
    principal = statement.get("Principal", {})
    if isinstance(principal, str):
        return {principal}
    return {name for names in principal.values() for name in _listed(names)}


def _bound(statement: Mapping[str, Any]) -> bool:
    """Whether a condition demands one of ours as the source: it must name it, not allow everything.

    An operator with `IfExists`, or a negated one, allows a sender without such a key.
    """
    return any(
        key.lower() in _SOURCE_KEYS and all(value not in ("", "*") for value in _listed(values))
        for operator, keys in statement.get("Condition", {}).items()
        if operator in _BINDING_OPERATORS
        for key, values in keys.items()
    )


def _limits(deployed: Deployed, url: str, attributes: Mapping[str, str]) -> Iterator[CheckResult]:
    """Check how long and how large a message may be."""
    kept = int(attributes.get("MessageRetentionPeriod", 0))
    longest = int(attributes.get("MaximumMessageSize", 0))
    week = _set(deployed, url, {"MessageRetentionPeriod": str(7 * _DAY)})
    if _HOUR <= kept < _DAY:
        text = f"{kept // _HOUR} h: a worker that is down for longer loses events"
        yield warning("queue retention", text, week)
    else:
        wrong = None if kept >= _DAY else f"{kept} s: events are lost before a worker reads them"
        yield verdict("queue retention", f"{kept // _DAY} days", wrong, week)
    too_small = longest < _LARGEST_EVENT
    yield verdict(
        "message size",
        f"{longest // 1024} KiB",
        f"{longest} bytes: SQS refuses larger events" if too_small else None,
        _set(deployed, url, {"MaximumMessageSize": str(_LARGEST_EVENT)}),
    )
    if (delay := int(attributes.get("DelaySeconds", 0))) > 0:
        fix = _set(deployed, url, {"DelaySeconds": "0"})
        yield warning("queue delay", f"each event waits {delay} s before a worker sees it", fix)
    if attributes["QueueArn"].endswith(".fifo"):
        text = "FIFO: a message that is retried holds up all that follow in its group"
        name = attributes["QueueArn"].rpartition(":")[2].removesuffix(".fifo")
        fix = command("sqs create-queue", {"queue-name": name}, deployed.settings.region)
        yield warning("queue type", text, f"{fix}  # then set COUNTERMAND_QUEUE_URL")


def _redrive(deployed: Deployed, url: str, attributes: Mapping[str, str]) -> Iterator[CheckResult]:
    """Check that a message which can never be handled leaves the queue."""
    redrive = json.loads(attributes.get("RedrivePolicy") or "{}")
    receives = int(redrive.get("maxReceiveCount", 0))
    target = redrive.get("deadLetterTargetArn") or _dlq_arn(deployed, attributes["QueueArn"])
    wrong = None
    if not redrive:
        wrong = "none: a message that cannot be handled stays on the queue"
    elif not 1 < receives <= _MOST_RECEIVES:
        wrong = f"after {receives} receives: retries need between 2 and {_MOST_RECEIVES}"
    policy = {"deadLetterTargetArn": target, "maxReceiveCount": _RECEIVES}
    fix = _set(deployed, url, {"RedrivePolicy": json.dumps(policy, separators=(",", ":"))})
    yield verdict("redrive to the DLQ", f"after {receives} receives", wrong, fix)


def _dlq_arn(deployed: Deployed, arn: str) -> str:
    """Return the ARN of the DLQ that the settings name, or of the one that Terraform makes."""
    if deployed.settings.dlq_url is not None:
        return deployed.arn_of(deployed.settings.dlq_url)
    name = arn.removesuffix(".fifo")
    return f"{name}-dlq" + arn[len(name) :]


def dlq(deployed: Deployed) -> Iterator[CheckResult]:
    """Check the dead-letter queue that the queue's redrive policy names."""
    settings = deployed.settings
    source = deployed.aws.queue(settings.queue_url)
    redrive = json.loads(source.get("RedrivePolicy") or "{}")
    arn = redrive.get("deadLetterTargetArn", "")
    if not arn:
        return
    try:
        found = deployed.aws.queue_by_arn(arn)
    except Gone:
        fix = command("sqs create-queue", {"queue-name": arn.rpartition(":")[2]}, settings.region)
        yield CheckResult("DLQ", Status.FAILS, f"{arn} does not exist", fix)
        return
    yield _named(deployed, arn, found["QueueUrl"])
    yield _refuses(deployed, source["QueueArn"], found)
    keeps, queue_keeps = (int(q.get("MessageRetentionPeriod", 0)) for q in (found, source))
    yield verdict(
        "DLQ retention",
        f"{keeps // _DAY} days",
        f"{keeps} s, not longer than the {queue_keeps} s of the queue: the age counts from the "
        "first send"
        if keeps <= queue_keeps
        else None,
        _set(deployed, found["QueueUrl"], {"MessageRetentionPeriod": str(14 * _DAY)}),
    )
    if (held := int(found.get("ApproximateNumberOfMessages", 0))) > 0:
        fix = command("sqs start-message-move-task", {"source-arn": arn}, settings.region)
        text = f"holds {held} messages: read one, fix the cause, and move them to the queue"
        yield warning("DLQ messages", text, fix)


def _named(deployed: Deployed, arn: str, url: str) -> CheckResult:
    given = deployed.settings.dlq_url
    other = given is not None and deployed.arn_of(given) != arn
    return verdict(
        "DLQ",
        arn,
        f"the queue's redrive policy names {arn}, not COUNTERMAND_DLQ_URL" if other else None,
        f"export COUNTERMAND_DLQ_URL={url}",
    )


def _refuses(deployed: Deployed, source: str, found: Mapping[str, str]) -> CheckResult:
    allow = json.loads(found.get("RedriveAllowPolicy") or "{}")
    refused = allow.get("redrivePermission") == "denyAll" or (
        allow.get("redrivePermission") == "byQueue"
        and source not in _listed(allow.get("sourceQueueArns", []))
    )
    policy = {"redrivePermission": "byQueue", "sourceQueueArns": [source]}
    text = json.dumps(policy, separators=(",", ":"))
    return verdict(
        "DLQ sources",
        "accepts the queue",
        "its RedriveAllowPolicy does not accept the queue" if refused else None,
        _set(deployed, found["QueueUrl"], {"RedriveAllowPolicy": text}),
    )
