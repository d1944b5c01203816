"""The deployment under examination: its settings, its names, and who asks about it."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from countermand.aws.clients import Caller
from countermand.aws.inspect import PERMISSIONS, AwsSetup
from countermand.core.errors import CountermandError, Denied, NoAccess
from countermand.core.rules.routing import Route, routes_of
from countermand.core.rules.rule import RuleSet
from countermand.deployment.doctor.result import CheckResult, unchecked
from countermand.settings import Settings
from countermand.settings.queue_url import read_queue_url

_RULE = '"$rule"'
_WORTH_A_LOOP = 3


@dataclass(frozen=True)
class Deployed:
    """What the checks ask about."""

    settings: Settings
    caller: Caller
    aws: AwsSetup
    rules: RuleSet

    @cached_property
    def partition(self) -> str:
        """The partition of the topic, such as `aws-us-gov`."""
        return self.settings.topic_arn.split(":")[1]

    @cached_property
    def account_id(self) -> str:
        """The account that the worker guards."""
        return self.settings.account_id or self.caller.account_id

    @cached_property
    def worker_role(self) -> str | None:
        """The ARN of the worker role, or None if neither settings nor credentials name it."""
        return self.settings.own_role_arn or self.caller.role_arn

    @cached_property
    def queue_arn(self) -> str:
        """The ARN of the queue that the URL names."""
        return self.arn_of(self.settings.queue_url)

    @cached_property
    def routes(self) -> Mapping[str, Route]:
        """The EventBridge rules that the detection rules need, by their full name."""
        prefix = self.settings.rule_prefix
        return {f"{prefix}-{name}": route for name, route in routes_of(self.rules).items()}

    def arn_of(self, queue_url: str) -> str:
        """Return the ARN of a queue by its URL. An emulator's URL may lack the account."""
        queue = read_queue_url(queue_url)
        region, account_id = queue.region or self.settings.region, queue.account_id
        return f"arn:{self.partition}:sqs:{region}:{account_id or self.account_id}:{queue.name}"

    def rule_arn(self, name: str, region: str) -> str:
        """Return the ARN of an EventBridge rule of the default bus."""
        return f"arn:{self.partition}:events:{region}:{self.account_id}:rule/{name}"

    def unanswered(self, what: str, error: CountermandError) -> CheckResult:
        """Return the row of a check whose read failed, with what makes the read possible."""
        if isinstance(error, Denied):
            return unchecked(what, f"{error} for {self.caller.arn}", self.grant())
        why, _, advice = str(error).partition(". ")
        if isinstance(error, NoAccess):
            return unchecked(what, why, advice)
        return unchecked(what, str(error), "countermand doctor  # once more")

    def grant(self) -> str:
        """Return the command that allows the caller all reads of `doctor`."""
        kind, _, name = self.caller.arn.rpartition(":")[2].partition("/")
        if (role := self.caller.role_arn) is not None:
            kind, name = "role", role.rpartition("/")[2]
        statement = {"Effect": "Allow", "Action": list(PERMISSIONS), "Resource": "*"}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        options = {f"{kind}-name": name.rpartition("/")[2], "policy-name": "countermand-doctor"}
        return command(f"iam put-{kind}-policy", options | {"policy-document": policy})


def command(call: str, options: Mapping[str, Any], region: str | None = None) -> str:
    """Return a command of the AWS CLI, to paste into a shell. Objects become JSON."""
    given = {**options, **({"region": region} if region is not None else {})}
    words = [f"aws {call}"]
    for name, value in given.items():
        text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
        words.append(f"--{name} {shlex.quote(text)}")
    return " ".join(words)


def repeated(commands: Mapping[str, str]) -> str:
    """Return the commands by rule as one line; many that differ only in the rule are a loop."""
    name, first = next(iter(commands.items()), ("", ""))
    body = first.replace(f" {name} ", f" {_RULE} ", 1)
    same = all(body.replace(_RULE, rule, 1) == text for rule, text in commands.items())
    if len(commands) < _WORTH_A_LOOP or not same:
        return " && ".join(commands.values())
    return f"for rule in {' '.join(commands)}; do {body}; done"


def listed(names: list[str] | tuple[str, ...], most: int = 3) -> str:
    """Return the first names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
