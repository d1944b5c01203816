"""Run every check, also when another one fails. A check that cannot be made is never ok."""

from collections.abc import Callable, Iterator

from countermand.app import rules
from countermand.aws.clients import Clients
from countermand.aws.inspect import AwsSetup
from countermand.core.errors import ConfigError, CountermandError, Gone
from countermand.deployment.doctor import permissions, queue, routing, topic, trail, worker
from countermand.deployment.doctor.deployed import Deployed
from countermand.deployment.doctor.result import CheckResult, Status, unchecked
from countermand.settings import Settings

type Check = Callable[[Deployed], Iterator[CheckResult]]

CHECKS: tuple[tuple[str, str, Check], ...] = (
    ("credentials", "", worker.identity),
    ("event region", "", worker.event_region),
    ("ledger", "export COUNTERMAND_LEDGER_URL=dynamodb:TABLE", worker.ledger),
    ("log group", "unset COUNTERMAND_LOG_GROUP", worker.log_group),
    ("queue", "export COUNTERMAND_QUEUE_URL=URL  # aws sqs list-queues", queue.queue),
    ("DLQ", "export COUNTERMAND_DLQ_URL=URL  # aws sqs list-queues", queue.dlq),
    ("topic", "export COUNTERMAND_TOPIC_ARN=ARN  # aws sns list-topics", topic.topic),
    ("EventBridge rules", "export COUNTERMAND_RULE_PREFIX=PREFIX", routing.routing),
    ("trail", "aws cloudtrail describe-trails", trail.trail),
    ("permissions", "countermand iam-policy --help", permissions.permissions),
)
"""The name of each group, the fix if what its settings name does not exist, and the check."""


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
    return [r for what, fix, check in CHECKS for r in _results(what, fix, check, deployed)]


def _invalid_rules(settings: Settings, error: ConfigError) -> CheckResult:
    first, *others = str(error).splitlines()
    detail = first + (f" (and {len(others)} more errors)" if others else "")
    folders = " ".join(settings.rules_folders)
    return CheckResult("rules", Status.FAILS, detail, f"countermand rules lint {folders}".strip())


def _results(what: str, fix: str, check: Check, deployed: Deployed) -> list[CheckResult]:
    results: list[CheckResult] = []
    try:
        results.extend(check(deployed))
    except Gone as error:
        results.append(CheckResult(what, Status.FAILS, f"it does not exist ({error})", fix))
    except CountermandError as error:
        results.append(deployed.unanswered(what, error))
    except Exception as error:  # noqa: BLE001  what others wrote into AWS may be of any form
        results.append(unchecked(what, f"cannot read what AWS returned: {error!r}", fix))
    return results
