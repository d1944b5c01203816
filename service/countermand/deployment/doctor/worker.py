"""What the worker itself needs: identity, event region, rules, ledger, and log group."""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from countermand.core.errors import Gone
from countermand.core.regions import iam_region
from countermand.core.rules.pattern import exact_values
from countermand.core.rules.rule import RuleSet
from countermand.deployment.doctor.deployed import Deployed, command
from countermand.deployment.doctor.result import (
    CheckResult,
    Status,
    unchecked,
    verdict,
    warning,
)
from countermand.ledger.dynamodb_table import table_definition
from countermand.ledger.sqlite_file import NEWEST_SCHEMA, schema_of
from countermand.settings import variable

_IAM = "aws.iam"


def identity(deployed: Deployed) -> Iterator[CheckResult]:
    """Check who the credentials are of, and which role the worker has."""
    caller = deployed.caller
    yield CheckResult("credentials", Status.OK, caller.arn)
    guarded = deployed.account_id
    yield verdict(
        "account",
        f"guards {guarded}",
        None
        if guarded == caller.account_id
        else f"guards {guarded}, but the credentials are of {caller.account_id}",
        f"export COUNTERMAND_ACCOUNT_ID={caller.account_id}",
    )
    own = deployed.worker_role
    yield verdict(
        "worker role",
        own or "",
        None if own is not None else f"unknown: {caller.arn} is not a role session",
        name_the_role(deployed),
    )


def name_the_role(deployed: Deployed) -> str:
    """Return the command that names the worker role, by the name that Terraform gives it."""
    role = f"role/{deployed.settings.rule_prefix}-worker"
    arn = f"arn:{deployed.partition}:iam::{deployed.account_id}:{role}"
    return f"export {variable('own_role_arn')}={arn}"


def event_region(deployed: Deployed) -> Iterator[CheckResult]:
    """Check that IAM's events can appear in the event region."""
    region, home = deployed.settings.event_region, iam_region(deployed.partition)
    if home is None:
        yield unchecked("event region", f"the partition {deployed.partition} is not known")
        return
    sources = [exact_values(rule.file.when, "source") or () for rule in deployed.rules.rules]
    about_iam = sum(_IAM in of for of in sources)
    wrong = f"IAM reports its calls in {home} only, and {about_iam} rules are about them"
    yield verdict(
        "event region",
        region,
        wrong if about_iam and region != home else None,
        f"export COUNTERMAND_EVENT_REGION={home}",
    )


def rules_in_force(rules: RuleSet) -> CheckResult:
    """Check that there is something to detect."""
    number = len(rules.every)
    wrong = "0 rules are enabled: nothing would be detected" if number == 0 else None
    fix = "unset COUNTERMAND_RULE_OVERRIDES COUNTERMAND_RULES_FOLDERS"
    return verdict("rules", f"{number} in force", wrong, fix)


def ledger(deployed: Deployed) -> Iterator[CheckResult]:
    """Check that the ledger is there and can be used."""
    kind, name = deployed.settings.ledger
    if kind == "dynamodb":
        yield from _table(deployed, name)
    else:
        yield _file(Path(name))


def _table(deployed: Deployed, name: str) -> Iterator[CheckResult]:
    region = deployed.settings.region
    definition = table_definition(name)
    try:
        table = deployed.aws.table(name)
    except Gone:
        options = {
            "table-name": name,
            "billing-mode": definition["BillingMode"],
            "attribute-definitions": definition["AttributeDefinitions"],
            "key-schema": definition["KeySchema"],
            "global-secondary-indexes": definition["GlobalSecondaryIndexes"],
        }
        fix = command("dynamodb create-table", options, region)
        yield CheckResult("ledger", Status.FAILS, f"there is no table {name} in {region}", fix)
        return
    status = table["TableStatus"]
    there = {index["IndexName"] for index in table.get("GlobalSecondaryIndexes", ())}
    missing = {i["IndexName"] for i in definition["GlobalSecondaryIndexes"]} - there
    wrong = None
    if table["KeySchema"] != definition["KeySchema"]:
        wrong = f"table {name} has another key: it is not a ledger"
    elif missing:
        wrong = f"table {name} lacks the index {', '.join(sorted(missing))}"
    elif status not in {"ACTIVE", "UPDATING"}:
        wrong = f"table {name} is {status}"
    fix = command("dynamodb list-tables", {}, region) + "  # then set COUNTERMAND_LEDGER_URL"
    yield verdict("ledger", f"table {name}", wrong, fix)
    if wrong is None and table["TimeToLiveStatus"] not in {"ENABLED", "ENABLING"}:
        ttl = {"Enabled": True, "AttributeName": "expires_at"}
        options = {"table-name": name, "time-to-live-specification": ttl}
        fix = command("dynamodb update-time-to-live", options, region)
        yield warning("ledger retention", "no TTL: decisions are stored for good", fix)


def _file(path: Path) -> CheckResult:
    """Look at the file without opening it for writing: a worker may be using it."""
    if not path.exists():
        folder = next(f for f in path.absolute().parents if f.exists())
        if not os.access(folder, os.W_OK):
            fix = f"chmod u+w {folder}  # as its owner"
            return CheckResult("ledger", Status.FAILS, f"{folder} may not be written to", fix)
        text = f"{path} does not exist yet; the worker creates it at its first start"
        return warning("ledger", text, "countermand doctor  # in the worker's container")
    try:
        schema = schema_of(path)
    except (sqlite3.Error, OSError) as error:
        fix = f"mv {path} {path}.broken  # the worker begins a new one"
        return CheckResult("ledger", Status.FAILS, f"{path} is not a ledger: {error}", fix)
    if schema > NEWEST_SCHEMA:
        text = f"{path} was written by a newer version (schema {schema})"
        fix = "pip install --upgrade countermand"
        return CheckResult("ledger", Status.FAILS, text, fix)
    if not os.access(path, os.W_OK):
        fix = f"chmod u+w {path}  # as its owner"
        return CheckResult("ledger", Status.FAILS, f"{path} may not be written to", fix)
    return CheckResult("ledger", Status.OK, str(path))


def log_group(deployed: Deployed) -> Iterator[CheckResult]:
    """Check that the log group exists, if one is set."""
    name, region = deployed.settings.log_group, deployed.settings.region
    if name is None:
        yield CheckResult("log group", Status.OK, "none set: standard output only")
        return
    exists = deployed.aws.log_group_exists(name)
    wrong = None if exists else f"{name} does not exist in {region}: its copy of the log is lost"
    fix = command("logs create-log-group", {"log-group-name": name}, region)
    yield verdict("log group", name, wrong, fix)
