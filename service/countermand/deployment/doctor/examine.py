"""Run every check, also when another one fails. A check that cannot be made is never ok."""

from collections.abc import Callable, Iterator

from countermand.app import rules
from countermand.aws.clients import Clients
from countermand.aws.inspect import AwsSetup
from countermand.core.errors import ConfigError, CountermandError, Gone
from countermand.deployment.doctor import permissions, queue, routing, topic, trail, worker
from countermand.deployment.doctor.deployed import Deployed
from countermand.deployment.doctor.result import CheckResult, Status, unchecked
from countermand.settings import Settings, variable

type Check = Callable[[Deployed], Iterator[CheckResult]]

CHECKS: tuple[tuple[str, str, Check], ...] = (
    ("credentials", "aws sts get-caller-identity", worker.identity),
    ("event region", "aws sts get-caller-identity", worker.event_region),
    ("ledger", "aws dynamodb list-tables --region {region}", worker.ledger),
    ("log group", "aws logs describe-log-groups --region {region}", worker.log_group),
    ("queue", "aws sqs list-queues --region {region}", queue.queue),
    ("DLQ", "aws sqs list-queues --region {region}", queue.dlq),
    ("topic", "aws sns list-topics --region {region}", topic.topic),
    ("EventBridge rules", "aws events list-rules --region {region}", routing.routing),
    ("trail", "aws cloudtrail describe-trails --region {region}", trail.trail),
    ("permissions", "aws iam list-roles", permissions.permissions),
)
"""The name of each group, the command that shows what else its settings could name, and the check.
"""
_SETTINGS = {
    "ledger": "ledger_url",
    "log group": "log_group",
    "queue": "queue_url",
    "DLQ": "dlq_url",
    "topic": "topic_arn",
    "EventBridge rules": "rule_prefix",
    "permissions": "own_role_arn",
}


def examine(settings: Settings) -> list[CheckResult]:
    """Examine the deployment of these settings. Raises `NoAccess` without access to AWS."""
    clients = Clients(settings.region)
    caller = clients.caller()
    results: list[CheckResult] = []
    try:
        rule_set = rules(settings)
    except ConfigError as error:
        results.append(_invalid_rules(settings, error))
        rule_set = rules()  # the built-in rules need nearly the same from AWS
    else:
        results.append(worker.rules_in_force(rule_set))
    return results + checked(Deployed(settings, caller, AwsSetup(clients), rule_set))


def checked(deployed: Deployed) -> list[CheckResult]:
    """Return the results of all checks that ask AWS."""
    return [r for what, show, check in CHECKS for r in _results(what, show, check, deployed)]


def _invalid_rules(settings: Settings, error: ConfigError) -> CheckResult:
    first, *others = str(error).splitlines()
    detail = first + (f" (and {len(others)} more errors)" if others else "")
    folders = " ".join(settings.rules_folders)
    return CheckResult("rules", Status.FAILS, detail, f"countermand rules lint {folders}".strip())


def _results(what: str, show: str, check: Check, deployed: Deployed) -> list[CheckResult]:
    results: list[CheckResult] = []
    fix = show.format(region=deployed.settings.region)
    if what in _SETTINGS:
        fix += f"  # then set {variable(_SETTINGS[what])}"
    try:
        results.extend(check(deployed))
    except Gone as error:
        results.append(CheckResult(what, Status.FAILS, f"it does not exist ({error})", fix))
    except CountermandError as error:
        results.append(deployed.unanswered(what, error))
    except Exception as error:  # noqa: BLE001  what others wrote into AWS may be of any form
        results.append(unchecked(what, f"cannot read what AWS returned: {error!r}", fix))
    return results
