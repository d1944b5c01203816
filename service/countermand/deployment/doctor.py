"""`countermand doctor`: check the AWS setup, and print a fix for each problem.

Each check reads AWS and never changes it. A check that cannot be made is a failed one.
"""

import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from countermand.app import rules
from countermand.aws.clients import Caller, Clients
from countermand.aws.inspect import AwsSetup
from countermand.core.rules.routing import Route, RouteState, routes_of
from countermand.core.rules.rule import RuleSet
from countermand.settings import Settings

_EVENTBRIDGE = "events.amazonaws.com"
_SOURCE_KEYS = frozenset(
    {"aws:sourcearn", "aws:sourceaccount", "aws:principalarn", "aws:principalaccount"}
)
_BINDING_OPERATORS = frozenset({"ArnEquals", "ArnLike", "StringEquals", "StringLike"})
_GRANT = "grant the operator's role the read that failed"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check: its name, whether it passed, what was found, and the fix."""

    what: str
    ok: bool
    detail: str
    fix: str = ""


def examine(settings: Settings) -> list[CheckResult]:
    """Run every check, also when another one fails."""
    clients = Clients(settings.region)
    aws_setup = AwsSetup(clients)
    caller = clients.caller()  # without access to AWS there is nothing to check
    checks: list[tuple[str, Callable[[], Iterator[CheckResult]]]] = [
        ("credentials", lambda: _credentials(settings, caller)),
        ("queue", lambda: _queue(settings, aws_setup)),
        ("topic", lambda: _topic(settings, aws_setup)),
        ("rules", lambda: _rules(settings, aws_setup, rules(settings))),
    ]
    return [result for what, check in checks for result in _checked(what, check)]


def _checked(what: str, check: Callable[[], Iterator[CheckResult]]) -> list[CheckResult]:
    results: list[CheckResult] = []
    try:
        results.extend(check())
    except Exception as error:  # noqa: BLE001  what others wrote into AWS may be of any form
        results.append(CheckResult(what, ok=False, detail=str(error), fix=_fix(what)))
    return results


def _fix(what: str) -> str:
    variables = {
        "queue": "COUNTERMAND_QUEUE_URL",
        "topic": "COUNTERMAND_TOPIC_ARN",
        "rules": "COUNTERMAND_RULE_PREFIX",
        "credentials": "the AWS credentials",
    }
    return f"check {variables[what]} and AWS_ENDPOINT_URL, or {_GRANT}"


def _credentials(settings: Settings, caller: Caller) -> Iterator[CheckResult]:
    yield CheckResult("credentials", ok=True, detail=f"{caller.arn}")
    guarded = settings.account_id or caller.account_id
    yield CheckResult(
        "account",
        ok=guarded == caller.account_id,
        detail=f"guards {guarded}, credentials are of {caller.account_id}",
        fix="set COUNTERMAND_ACCOUNT_ID to the account of the credentials, or unset it",
    )
    own = settings.own_role_arn or caller.role_arn
    yield CheckResult(
        "worker role",
        ok=own is not None,
        detail=own or f"{caller.arn} is not a role session",
        fix="set COUNTERMAND_OWN_ROLE_ARN, so that the worker recognizes its own changes",
    )


def _queue(settings: Settings, aws_setup: AwsSetup) -> Iterator[CheckResult]:
    queue = aws_setup.queue(settings.queue_url)
    yield CheckResult("queue", ok=True, detail=queue["QueueArn"])
    redrive = json.loads(queue.get("RedrivePolicy", "{}"))
    receives = int(redrive.get("maxReceiveCount", 0))
    yield CheckResult(
        "redrive to the DLQ",
        ok=1 < receives <= 20,  # noqa: PLR2004
        detail=f"after {receives} receives"
        if receives
        else "none: a malformed message stays on the queue",
        fix="set the queue's RedrivePolicy to a DLQ with a maxReceiveCount of 8",
    )
    yield _queue_policy(queue)
    if settings.dlq_url is None:
        return
    dlq = aws_setup.queue(settings.dlq_url)
    yield CheckResult(
        "DLQ",
        ok=redrive.get("deadLetterTargetArn") == dlq["QueueArn"],
        detail=f"{dlq['QueueArn']} holds {dlq.get('ApproximateNumberOfMessages', '?')} messages",
        fix="COUNTERMAND_DLQ_URL must be the DLQ that the queue's RedrivePolicy names",
    )
    keeps, queue_keeps = (int(q.get("MessageRetentionPeriod", 0)) for q in (dlq, queue))
    yield CheckResult(
        "DLQ retention",
        ok=keeps > queue_keeps,
        detail=f"{keeps} s, the queue's is {queue_keeps} s",
        fix="keep messages in the DLQ (14 days) for longer than in the queue (7 days)",
    )


def _queue_policy(queue: Mapping[str, str]) -> CheckResult:
    statements = _listed(json.loads(queue.get("Policy", "{}")).get("Statement", []))
    grants = [s for s in statements if s.get("Effect") == "Allow"]
    allowed = [s for s in grants if _EVENTBRIDGE in _principals(s) and _bound(s)]
    open_to_all = [
        s for s in grants if "*" in _principals(s) or "NotPrincipal" in s if not _bound(s)
    ]
    unbound = [s for s in grants if _EVENTBRIDGE in _principals(s) and not _bound(s)]
    return CheckResult(
        "queue policy",
        ok=bool(allowed) and not open_to_all and not unbound,
        detail="open to everyone" if open_to_all else f"{len(allowed)} grants to EventBridge",
        fix="allow sqs:SendMessage to events.amazonaws.com with aws:SourceArn = the rule, only",
    )


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


def _topic(settings: Settings, aws_setup: AwsSetup) -> Iterator[CheckResult]:
    topic = aws_setup.topic(settings.topic_arn)
    yield CheckResult("topic", ok=True, detail=topic["TopicArn"])
    subscriptions = aws_setup.subscriptions(settings.topic_arn)
    pending = [
        f"{s['Protocol']}:{s['Endpoint']}"
        for s in subscriptions
        if aws_setup.subscription_pending(s["SubscriptionArn"])
    ]
    confirmed = len(subscriptions) - len(pending)
    yield CheckResult(
        "subscriptions",
        ok=confirmed > 0 and not pending,
        detail=f"{confirmed} confirmed, pending: {', '.join(pending) or 'none'}",
        fix="subscribe an email address to the topic, and confirm with the link in the email",
    )


def _rules(settings: Settings, aws_setup: AwsSetup, rule_set: RuleSet) -> Iterator[CheckResult]:
    """Yield one result a question, with the EventBridge rules that fail it."""
    region = settings.event_region
    routes = {f"{settings.rule_prefix}-{name}": r for name, r in routes_of(rule_set).items()}
    found = {name: aws_setup.rule(name, region) for name in routes}
    there = {name: rule for name, rule in found.items() if rule is not None}
    yield _all_of(
        "EventBridge rules",
        len(routes),
        [name for name in routes if name not in there],
        "missing",
        "create them as `countermand rules event-pattern` prints them, or check "
        f"COUNTERMAND_RULE_PREFIX, or {_GRANT}",
    )
    disabled = [name for name, r in there.items() if not str(r.get("State")).startswith("ENABLED")]
    names = disabled or ["NAME"]
    yield _all_of(
        "EventBridge rules enabled",
        len(there),
        disabled,
        "disabled",
        " && ".join(f"aws events enable-rule --name {name} --region {region}" for name in names),
    )
    yield _reads({name: routes[name] for name in there}, there, region)
    narrow = [
        name
        for name, rule in there.items()
        if not _allows(rule["EventPattern"], routes[name].pattern)
    ]
    yield _all_of(
        "rule patterns",
        len(there),
        narrow,
        "too narrow",
        "give them the patterns that `countermand rules event-pattern` prints",
    )
    queue_arn = aws_setup.queue(settings.queue_url)["QueueArn"]
    lost = [name for name in there if queue_arn not in aws_setup.targets(name, region)]
    yield _all_of(
        "rule targets",
        len(there),
        lost,
        "without the queue",
        f"add the queue {queue_arn} as a target of each",
    )


def _reads(
    routes: Mapping[str, Route], there: Mapping[str, Mapping[str, Any]], region: str
) -> CheckResult:
    """Only PutRule sets that state, and it forgets a pattern that it is not given."""
    reading = {name: r for name, r in routes.items() if r.state is RouteState.WITH_READS}
    without = [name for name in reading if there[name].get("State") != RouteState.WITH_READS]
    pattern = shlex.quote(json.dumps(reading[without[0]].pattern)) if without else "PATTERN"
    return _all_of(
        "EventBridge rules get read-only events",
        len(reading),
        without,
        f"not {RouteState.WITH_READS}",
        f"terraform apply; or each: aws events put-rule --name {(without or ['NAME'])[0]} "
        f"--region {region} --state {RouteState.WITH_READS} --event-pattern {pattern}",
    )


def _all_of(what: str, number: int, wrong: list[str], how: str, fix: str) -> CheckResult:
    detail = f"{how}: {', '.join(wrong)}" if wrong else f"{number} of {number}"
    return CheckResult(what, ok=not wrong, detail=detail, fix=fix)


def _allows(found: Any, wanted: Any) -> bool:  # noqa: ANN401  parts of patterns
    """Whether a pattern allows all that the wanted one does. It may be wider: leave fields
    open, and list more values and alternatives.
    """
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        return all(key in wanted and _allows(found[key], wanted[key]) for key in found)
    if isinstance(found, list) and isinstance(wanted, list):
        return all(value in found for value in wanted)
    return bool(found == wanted)
