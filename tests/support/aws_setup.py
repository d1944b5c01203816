"""An AWS setup that is well in every part, for a test of `doctor` to break."""

import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from countermand.actions import ALL
from countermand.aws.clients import Caller
from countermand.aws.inspect import AwsSetup
from countermand.core.errors import Gone
from countermand.core.rules.routing import Route
from countermand.core.rules.rule import Rule, RuleSet
from countermand.deployment.doctor.deployed import Deployed
from countermand.deployment.doctor.result import CheckResult, Status
from countermand.ledger.dynamodb_table import table_definition
from countermand.rules.rulebook import BUILT_IN, load_rule
from countermand.settings import Settings
from support.fakes import ACCOUNT
from support.tools import ROOT

REGION = "us-east-1"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:events"
DLQ = f"{QUEUE}-dlq"
UNDELIVERED = f"arn:aws:sqs:{REGION}:{ACCOUNT}:undelivered"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:alerts"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
TRAIL = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/audit"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/countermand-worker"


def url_of(arn: str) -> str:
    _, _, _, region, account_id, name = arn.split(":")
    return f"https://sqs.{region}.amazonaws.com/{account_id}/{name}"


def rule_arn(name: str, region: str = REGION) -> str:
    return f"arn:aws:events:{region}:{ACCOUNT}:rule/{name}"


def policy(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def from_eventbridge(action: str, resource: str, sources: Sequence[str]) -> dict[str, Any]:
    return {
        "Sid": "FromRules",
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": action,
        "Resource": resource,
        "Condition": {"ArnEquals": {"aws:SourceArn": list(sources)}},
    }


class FakeSetup(AwsSetup):
    """What AWS would answer, as attributes that a test changes. Every call is recorded."""

    def __init__(self, routes: Mapping[str, Route], region: str = REGION) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.errors: dict[str, Exception] = {}
        self.emulated = False
        rules = [rule_arn(name, region) for name in routes]
        self.queues: dict[str, dict[str, str]] = {
            QUEUE: {
                "QueueArn": QUEUE,
                "MessageRetentionPeriod": "604800",
                "MaximumMessageSize": "1048576",
                "DelaySeconds": "0",
                "SqsManagedSseEnabled": "true",
                "Policy": policy(from_eventbridge("sqs:SendMessage", QUEUE, rules)),
                "RedrivePolicy": json.dumps({"deadLetterTargetArn": DLQ, "maxReceiveCount": 8}),
            },
            DLQ: {
                "QueueArn": DLQ,
                "MessageRetentionPeriod": "1209600",
                "ApproximateNumberOfMessages": "0",
            },
            UNDELIVERED: {
                "QueueArn": UNDELIVERED,
                "MessageRetentionPeriod": "1209600",
                "Policy": policy(from_eventbridge("sqs:SendMessage", UNDELIVERED, rules)),
            },
        }
        self.keys: dict[str, dict[str, str]] = {}
        self.topics: dict[str, dict[str, str]] = {TOPIC: {"TopicArn": TOPIC}}
        self.subscribed: dict[str, list[dict[str, str]]] = {
            TOPIC: [{"Protocol": "email", "Endpoint": "a@b", "SubscriptionArn": f"{TOPIC}:1"}]
        }
        self.subscribers: dict[str, dict[str, str]] = {f"{TOPIC}:1": {}}
        self.rules: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.sent: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for name, route in routes.items():
            described = {"EventPattern": route.pattern, "State": str(route.state)}
            self.rules[name, region, "default"] = described
            to = {"Id": "q", "Arn": QUEUE, "DeadLetterConfig": {"Arn": UNDELIVERED}}
            self.sent[name, region] = [to]
        self.buses: list[str] = []
        self.logs = {"/countermand/worker"}
        self.tables = {
            "ledger": {
                **table_definition("ledger"),
                "TableStatus": "ACTIVE",
                "TimeToLiveStatus": "ENABLED",
            }
        }
        self.found_trails: list[dict[str, Any]] = [
            {"Name": "audit", "TrailARN": TRAIL, "HomeRegion": REGION, "IsMultiRegionTrail": True}
        ]
        self.logging = {TRAIL: True}
        self.selected: dict[str, dict[str, Any]] = {
            TRAIL: {"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": True}]}
        }
        self.lacking: set[str] = set()

    def _asked(self, *call: str) -> None:
        self.calls.append(call)
        if (error := self.errors.get(call[0])) is not None:
            raise error

    def _get[T](self, found: Mapping[str, T], name: str) -> T:
        if name not in found:
            raise Gone(f"{name}: NotFound")
        return found[name]

    @property
    def is_emulated(self) -> bool:
        return self.emulated

    def queue(self, url: str) -> Mapping[str, str]:
        self._asked("queue", url)
        return self._get({url_of(arn): each for arn, each in self.queues.items()}, url)

    def queue_by_arn(self, arn: str) -> Mapping[str, str]:
        self._asked("queue_by_arn", arn)
        return {**self._get(self.queues, arn), "QueueUrl": url_of(arn)}

    def key(self, key_id: str) -> Mapping[str, str]:
        self._asked("key", key_id)
        return self._get(self.keys, key_id)

    def topic(self, arn: str) -> Mapping[str, str]:
        self._asked("topic", arn)
        return self._get(self.topics, arn)

    def subscriptions(self, arn: str) -> list[Mapping[str, str]]:
        self._asked("subscriptions", arn)
        return list(self.subscribed.get(arn, []))

    def subscription(self, arn: str) -> Mapping[str, str]:
        self._asked("subscription", arn)
        return self.subscribers[arn]

    def rule(self, name: str, region: str, bus: str = "default") -> Mapping[str, Any] | None:
        self._asked("rule", name, region, bus)
        return self.rules.get((name, region, bus))

    def other_buses(self, region: str) -> Sequence[str]:
        self._asked("other_buses", region)
        return self.buses

    def targets(self, name: str, region: str) -> list[Mapping[str, Any]]:
        self._asked("targets", name, region)
        return list(self.sent[name, region])

    def trails(self, region: str) -> list[Mapping[str, Any]]:
        self._asked("trails", region)
        return list(self.found_trails)

    def trail_is_logging(self, arn: str, region: str) -> bool:
        self._asked("trail_is_logging", arn, region)
        return self.logging[arn]

    def selectors(self, arn: str, region: str) -> Mapping[str, Any]:
        self._asked("selectors", arn, region)
        return self.selected[arn]

    def log_group_exists(self, name: str) -> bool:
        self._asked("log_group_exists", name)
        return name in self.logs

    def table(self, name: str) -> Mapping[str, Any]:
        self._asked("table", name)
        return self._get(self.tables, name)

    def refused(
        self, role_arn: str, actions: Sequence[str], resource: str, sent: Mapping[str, str]
    ) -> Sequence[str]:
        self._asked("refused", role_arn, *actions, resource, *sent)
        return [action for action in actions if action in self.lacking]


FILES = ("admin_policy_attached_to_user", "role_assumed_from_another_account")
RULES = RuleSet(
    rule
    for name in FILES
    if isinstance(rule := load_rule(next(BUILT_IN.rglob(f"{name}.yaml")), ALL), Rule)
)
IAM, READS = "countermand-iam", "countermand-rule-role_assumed_from_another_account"
SESSION = Caller(ACCOUNT, f"arn:aws:sts::{ACCOUNT}:assumed-role/countermand-worker/i-1")
SETTINGS: dict[str, Any] = {
    "queue_url": url_of(QUEUE),
    "dlq_url": url_of(DLQ),
    "topic_arn": TOPIC,
    "own_role_arn": ROLE,
    "ledger_url": "dynamodb:ledger",
    "log_group": "/countermand/worker",
}


def deployed(caller: Caller | None = None, **changes: Any) -> Deployed:
    """A deployment that is well, with a fake of AWS."""
    caller, settings = caller or SESSION, Settings(**(SETTINGS | changes))
    draft = Deployed(settings, caller, FakeSetup({}), RULES)
    return Deployed(settings, caller, FakeSetup(draft.routes, settings.region), RULES)


def fake(subject: Deployed) -> FakeSetup:
    assert isinstance(subject.aws, FakeSetup)
    return subject.aws


@cache
def documented() -> frozenset[str]:
    """The checks that the page on troubleshooting names."""
    text = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    rows = text.partition("## The checks")[2].partition("\n## ")[0].splitlines()
    return frozenset(name for row in rows for name in re.findall(r"`([^`]+)`", row.split(" | ")[0]))


def not_ok(results: list[CheckResult]) -> dict[str, CheckResult]:
    """The rows that are not ok; every row must be on the page on troubleshooting."""
    assert {result.what.partition(" (")[0] for result in results} <= documented()
    return {result.what: result for result in results if result.status is not Status.OK}


def options_of(fix: str) -> dict[str, str]:
    """The options of the first command of a fix, as a shell would read them."""
    words = shlex.split(fix.partition(" && ")[0].partition("  #")[0])
    return {words[n][2:]: words[n + 1] for n in range(len(words) - 1) if words[n][:2] == "--"}


type Break = Callable[[FakeSetup], None]


def queue_attribute(name: str, value: str | None, arn: str = QUEUE) -> Break:
    def change(aws: FakeSetup) -> None:
        aws.queues[arn].pop(name, None)
        if value is not None:
            aws.queues[arn][name] = value

    return change


def target(**changes: Any) -> Break:
    def change(aws: FakeSetup) -> None:
        aws.sent[IAM, REGION][0].update(changes)

    return change


def statement(**changes: Any) -> str:
    rules = [rule_arn(IAM), rule_arn(READS)]
    return policy({**from_eventbridge("sqs:SendMessage", QUEUE, rules), **changes})


def from_rule(arn: str) -> Mapping[str, Any]:
    return {"ArnEquals": {"aws:SourceArn": arn}}
