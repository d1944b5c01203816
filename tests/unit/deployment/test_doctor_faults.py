"""What `countermand doctor` says about a deployment that is broken in one place.

Each row breaks a setup that is well, and names the one check that must notice. A fix is a command:
its options name the things of the setup. The table is one, and longer than 300 lines.
"""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from countermand.core.errors import Denied
from countermand.deployment.doctor.examine import checked
from countermand.deployment.doctor.result import Status, exit_code
from support.aws_setup import (
    DLQ,
    IAM,
    KEY,
    QUEUE,
    READS,
    REGION,
    ROLE,
    TOPIC,
    TRAIL,
    UNDELIVERED,
    Break,
    FakeSetup,
    deployed,
    fake,
    from_rule,
    not_ok,
    options_of,
    policy,
    queue_attribute,
    rule_arn,
    statement,
    target,
)
from support.fakes import ACCOUNT

OTHER = "444455556666"


def test_a_deployment_that_is_well_has_no_findings() -> None:
    results = checked(deployed())
    assert not_ok(results) == {}
    assert exit_code(results) == 0
    assert len({result.what for result in results}) == len(results) > 25


def encrypted(key_policy: str, state: str = "Enabled", manager: str = "CUSTOMER") -> Break:
    def change(aws: FakeSetup) -> None:
        aws.queues[QUEUE]["KmsMasterKeyId"] = KEY
        aws.keys[KEY] = {
            "Arn": KEY,
            "KeyState": state,
            "KeyManager": manager,
            "Policy": key_policy,
        }

    return change


def the_rule(**changes: Any) -> Break:
    def change(aws: FakeSetup) -> None:
        aws.rules[IAM, REGION, "default"].update(changes)

    return change


def the_trail(**changes: Any) -> Break:
    def change(aws: FakeSetup) -> None:
        aws.found_trails[0].update(changes)

    return change


def selecting(**selectors: Any) -> Break:
    def change(aws: FakeSetup) -> None:
        aws.selected[TRAIL] = selectors

    return change


def on_another_bus(aws: FakeSetup) -> None:
    aws.rules[IAM, REGION, "security"] = aws.rules.pop((IAM, REGION, "default"))
    aws.buses = ["security"]


def no_rules(aws: FakeSetup) -> None:
    aws.rules.clear()


def no_trail(aws: FakeSetup) -> None:
    aws.found_trails.clear()


def stopped(aws: FakeSetup) -> None:
    aws.logging[TRAIL] = False


def unconfirmed(aws: FakeSetup) -> None:
    aws.subscribers[f"{TOPIC}:1"] = {"PendingConfirmation": "true"}


def without(things: str, name: Any) -> Break:
    return lambda aws: getattr(aws, things).pop(name)


def key_statement(**changes: Any) -> str:
    may = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
        "Resource": "*",
    }
    return policy({**may, **changes})


STALE = rule_arn("another-rule")
DENY = {"Effect": "Deny", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
ONLY_OTHERS = {
    "Sid": "NobodyElse",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "sqs:ReceiveMessage",
    "Resource": QUEUE,
    "Condition": {"ArnNotEquals": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/old"}},
}
ONLY_ROOT = key_statement(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, Action="kms:*")
NO_REDRIVE = json.dumps({"redrivePermission": "denyAll"})
OTHER_SOURCE = json.dumps({"redrivePermission": "byQueue", "sourceQueueArns": [DLQ]})
READ_SELECTOR = [{"ReadWriteType": "ReadOnly", "IncludeManagementEvents": True}]
DATA_SELECTOR = [{"ReadWriteType": "All", "IncludeManagementEvents": False}]


def advanced(*fields: Mapping[str, Any]) -> Break:
    return selecting(AdvancedEventSelectors=[{"FieldSelectors": list(fields)}])


MANAGEMENT = {"Field": "eventCategory", "Equals": ["Management"]}
BROKEN: tuple[tuple[str, Break, str, str, str], ...] = (
    # id, what is broken, the check that fails, what it says, an option of its fix
    (
        "aws key",
        queue_attribute("KmsMasterKeyId", "alias/aws/sqs"),
        "queue encryption",
        "alias/aws/sqs, which EventBridge may not use",
        "attributes",
    ),
    (
        "aws key by id",
        encrypted("", manager="AWS"),
        "queue encryption",
        "which EventBridge may not use",
        "attributes",
    ),
    (
        "key policy",
        encrypted(ONLY_ROOT),
        "queue encryption",
        "no statement allows kms:GenerateDataKey",
        "policy",
    ),
    (
        "key half",
        encrypted(key_statement(Action="kms:GenerateDataKey")),
        "queue encryption",
        "no statement allows kms:Decrypt",
        "policy",
    ),
    (
        "key of other rule",
        encrypted(key_statement(Condition=from_rule(STALE))),
        "queue encryption",
        "no statement allows",
        "policy",
    ),
    (
        "key disabled",
        encrypted(key_statement(), "Disabled"),
        "queue encryption",
        "is Disabled",
        "key-id",
    ),
    (
        "key deleted",
        encrypted(key_statement(), "PendingDeletion"),
        "queue encryption",
        "is PendingDeletion",
        "key-id",
    ),
    (
        "no policy",
        queue_attribute("Policy", None),
        "queue policy",
        "there is no policy",
        "attributes",
    ),
    (
        "policy of other rule",
        queue_attribute("Policy", statement(Condition=from_rule(STALE))),
        "queue policy",
        f"({rule_arn(IAM)})",
        "attributes",
    ),
    (
        "policy of one rule",
        queue_attribute("Policy", statement(Condition=from_rule(rule_arn(IAM)))),
        "queue policy",
        f"({rule_arn(READS)})",
        "attributes",
    ),
    (
        "policy of other account",
        queue_attribute(
            "Policy", statement(Condition={"StringEquals": {"aws:SourceAccount": OTHER}})
        ),
        "queue policy",
        "no statement allows",
        "attributes",
    ),
    (
        "policy denies",
        queue_attribute("Policy", policy(json.loads(statement())["Statement"][0], DENY)),
        "queue policy",
        "statement 2 denies it",
        "attributes",
    ),
    (
        "policy for sns",
        queue_attribute("Policy", statement(Principal={"Service": "sns.amazonaws.com"})),
        "queue policy",
        "no statement allows",
        "attributes",
    ),
    (
        "reader denied",
        queue_attribute("Policy", policy(json.loads(statement())["Statement"][0], ONLY_OTHERS)),
        "queue reader",
        "statement NobodyElse denies sqs:ReceiveMessage",
        "attributes",
    ),
    (
        "anyone",
        queue_attribute(
            "Policy",
            policy(
                json.loads(statement())["Statement"][0], {**DENY, "Effect": "Allow", "Sid": "All"}
            ),
        ),
        "queue senders",
        "by statement All",
        "attributes",
    ),
    (
        "any rule",
        queue_attribute("Policy", statement(Condition={})),
        "queue senders",
        "by statement FromRules",
        "attributes",
    ),
    (
        "short retention",
        queue_attribute("MessageRetentionPeriod", "60"),
        "queue retention",
        "60 s",
        "attributes",
    ),
    (
        "small messages",
        queue_attribute("MaximumMessageSize", "1024"),
        "message size",
        "1024 bytes",
        "attributes",
    ),
    (
        "no redrive",
        queue_attribute("RedrivePolicy", None),
        "redrive to the DLQ",
        "none: a message",
        "attributes",
    ),
    (
        "redrive at once",
        queue_attribute(
            "RedrivePolicy", json.dumps({"deadLetterTargetArn": DLQ, "maxReceiveCount": 1})
        ),
        "redrive to the DLQ",
        "after 1 receives",
        "attributes",
    ),
    (
        "other dlq",
        queue_attribute(
            "RedrivePolicy", json.dumps({"deadLetterTargetArn": UNDELIVERED, "maxReceiveCount": 8})
        ),
        "DLQ",
        "not COUNTERMAND_DLQ_URL",
        "",
    ),
    ("dlq gone", without("queues", DLQ), "DLQ", "does not exist", "queue-name"),
    (
        "dlq retention",
        queue_attribute("MessageRetentionPeriod", "604800", DLQ),
        "DLQ retention",
        "not longer than",
        "attributes",
    ),
    (
        "dlq denies",
        queue_attribute("RedriveAllowPolicy", NO_REDRIVE, DLQ),
        "DLQ sources",
        "does not accept",
        "attributes",
    ),
    (
        "dlq of others",
        queue_attribute("RedriveAllowPolicy", OTHER_SOURCE, DLQ),
        "DLQ sources",
        "does not accept",
        "attributes",
    ),
    ("topic gone", without("topics", TOPIC), "topic", "does not exist", ""),
    ("unconfirmed", unconfirmed, "subscriptions", "not confirmed: email:a@b", "topic-arn"),
    (
        "no rule",
        without("rules", (IAM, REGION, "default")),
        "EventBridge rules",
        f"missing: {IAM}",
        "event-pattern",
    ),
    ("no rules", no_rules, "EventBridge rules", "missing", "event-pattern"),
    ("another bus", on_another_bus, "EventBridge rules", "on the bus security", "event-pattern"),
    ("disabled", the_rule(State="DISABLED"), "rules enabled", f"disabled: {IAM}", "name"),
    (
        "no reads",
        lambda aws: aws.rules[READS, REGION, "default"].update(State="ENABLED"),
        "read-only events",
        READS,
        "state",
    ),
    (
        "pattern",
        the_rule(EventPattern={"source": ["aws.ec2"]}),
        "rule patterns",
        f"too narrow: {IAM}",
        "event-pattern",
    ),
    (
        "no target",
        lambda aws: aws.sent[IAM, REGION].clear(),
        "rule targets",
        f"do not send to {QUEUE}",
        "targets",
    ),
    (
        "target account",
        target(Arn=QUEUE.replace(ACCOUNT, OTHER)),
        "rule targets",
        "the queue of another account",
        "targets",
    ),
    (
        "target region",
        target(Arn=QUEUE.replace(REGION, "eu-west-1")),
        "rule targets",
        "the queue of another account or region",
        "targets",
    ),
    ("input path", target(InputPath="$.detail"), "target input", "change the event", "targets"),
    ("input", target(Input="{}"), "target input", "change the event", "targets"),
    (
        "transformer",
        target(InputTransformer={"InputTemplate": "<x>"}),
        "target input",
        "change the event",
        "targets",
    ),
    (
        "dlq policy",
        queue_attribute("Policy", None, UNDELIVERED),
        "target DLQ",
        "there is no policy",
        "attributes",
    ),
    (
        "dlq region",
        target(DeadLetterConfig={"Arn": UNDELIVERED.replace(REGION, "eu-west-1")}),
        "target DLQ",
        "is not in us-east-1",
        "",
    ),
    ("dlq fifo", target(DeadLetterConfig={"Arn": f"{UNDELIVERED}.fifo"}), "target DLQ", "FIFO", ""),
    ("log group", lambda aws: aws.logs.clear(), "log group", "does not exist", "log-group-name"),
    ("table", without("tables", "ledger"), "ledger", "there is no table ledger", "table-name"),
    (
        "other table",
        lambda aws: aws.tables["ledger"].update(KeySchema=[]),
        "ledger",
        "another key",
        "",
    ),
    (
        "index",
        lambda aws: aws.tables["ledger"].update(GlobalSecondaryIndexes=[]),
        "ledger",
        "lacks the index by_account_id",
        "",
    ),
    (
        "table deleting",
        lambda aws: aws.tables["ledger"].update(TableStatus="DELETING"),
        "ledger",
        "is DELETING",
        "",
    ),
    ("no trail", no_trail, "trail", "no trail in us-east-1", "region"),
    ("stopped", stopped, "trail", "does not log", "name"),
    (
        "trail elsewhere",
        the_trail(HomeRegion="eu-west-1", IsMultiRegionTrail=False),
        "trail",
        "covers only eu-west-1",
        "name",
    ),
    (
        "no globals",
        the_trail(IncludeGlobalServiceEvents=False),
        "trail",
        "leaves out global services",
        "name",
    ),
    (
        "read selector",
        selecting(EventSelectors=READ_SELECTOR),
        "trail",
        "does not log management",
        "trail-name",
    ),
    (
        "data selector",
        selecting(EventSelectors=DATA_SELECTOR),
        "trail",
        "does not log management",
        "trail-name",
    ),
    ("no selector", selecting(EventSelectors=[]), "trail", "does not log management", "trail-name"),
    (
        "advanced data",
        advanced({"Field": "eventCategory", "Equals": ["Data"]}),
        "trail",
        "does not log management",
        "trail-name",
    ),
    (
        "advanced reads",
        advanced(MANAGEMENT, {"Field": "readOnly", "Equals": ["true"]}),
        "trail",
        "does not log management",
        "trail-name",
    ),
    (
        "advanced source",
        advanced(MANAGEMENT, {"Field": "eventSource", "NotEquals": ["iam.amazonaws.com"]}),
        "trail",
        "does not log management",
        "trail-name",
    ),
    (
        "permission",
        lambda aws: aws.lacking.add("sqs:DeleteMessage"),
        "permissions",
        f"{ROLE} lacks sqs:DeleteMessage",
        "place",
    ),
)


@pytest.mark.parametrize(
    ("broken", "what", "says", "option"),
    [row[1:] for row in BROKEN],
    ids=[row[0] for row in BROKEN],
)
def test_what_is_broken_fails_with_its_fix(
    broken: Break, what: str, says: str, option: str
) -> None:
    """What keeps events from arriving fails in one check, and in no other."""
    subject = deployed()
    broken(fake(subject))
    results = checked(subject)
    found = not_ok(results)
    assert found[what].status is Status.FAILS
    assert says in found[what].detail
    assert exit_code(results) == 1
    assert found[what].fix
    assert option == "" or option in options_of(found[what].fix)
    others = {other for other, result in found.items() if result.status is Status.FAILS} - {what}
    assert others <= {"rule targets"}, others


def encrypted_topic(aws: FakeSetup) -> None:
    aws.topics[TOPIC]["KmsMasterKeyId"] = KEY
    aws.keys[KEY] = {"Arn": KEY, "KeyState": "Enabled", "KeyManager": "CUSTOMER", "Policy": ""}
    aws.lacking.add("kms:GenerateDataKey")


RISKY: tuple[tuple[str, Break, str, str], ...] = (
    (
        "key condition",
        encrypted(key_statement(Condition=from_rule(rule_arn(IAM)))),
        "queue encryption",
        "under a condition",
    ),
    (
        "unknown condition",
        queue_attribute(
            "Policy",
            statement(
                Condition={"StringEquals": {"aws:SourceOrgID": "o-1", "aws:SourceAccount": ACCOUNT}}
            ),
        ),
        "queue policy",
        "under a condition",
    ),
    ("hours", queue_attribute("MessageRetentionPeriod", "7200"), "queue retention", "2 h"),
    ("delay", queue_attribute("DelaySeconds", "30"), "queue delay", "30 s"),
    (
        "dlq holds",
        queue_attribute("ApproximateNumberOfMessages", "3", DLQ),
        "DLQ messages",
        "holds 3 messages",
    ),
    (
        "no ttl",
        lambda aws: aws.tables["ledger"].update(TimeToLiveStatus="DISABLED"),
        "ledger retention",
        "no TTL",
    ),
    ("target role", target(RoleArn=ROLE), "target role", "a role can break it"),
    ("no target dlq", target(DeadLetterConfig={}), "target DLQ", f"none for {IAM}"),
    ("no retries", target(RetryPolicy={"MaximumRetryAttempts": 0}), "target retries", "gives up"),
    (
        "short retries",
        target(RetryPolicy={"MaximumEventAgeInSeconds": 60}),
        "target retries",
        "gives up",
    ),
    ("topic key", encrypted_topic, "worker key", "may lack kms:GenerateDataKey"),
    ("one region", the_trail(IsMultiRegionTrail=False), "trail", "covers only us-east-1"),
)


@pytest.mark.parametrize(
    ("risky", "what", "says"), [row[1:] for row in RISKY], ids=[row[0] for row in RISKY]
)
def test_what_could_go_wrong_is_a_warning(risky: Break, what: str, says: str) -> None:
    """A warning has a fix too, and the exit code stays 0."""
    subject = deployed()
    risky(fake(subject))
    results = checked(subject)
    (found,) = [result for result in results if result.status is not Status.OK]
    assert (found.what, found.status) == (what, Status.WARNING)
    assert says in found.detail
    assert found.fix
    assert exit_code(results) == 0


@pytest.mark.parametrize(
    "selectors",
    [
        {"EventSelectors": [{"ReadWriteType": "WriteOnly", "IncludeManagementEvents": True}]},
        {"AdvancedEventSelectors": [{"FieldSelectors": [MANAGEMENT]}]},
        {
            "AdvancedEventSelectors": [
                {"FieldSelectors": [MANAGEMENT, {"Field": "readOnly", "Equals": ["false"]}]}
            ]
        },
    ],
)
def test_trail_of_management_writes_is_enough(selectors: dict[str, Any]) -> None:
    subject = deployed()
    selecting(**selectors)(fake(subject))
    assert not_ok(checked(subject)) == {}


def test_fix_of_a_denied_reader_spares_the_role() -> None:
    """The roles that the Deny spares stay, and everybody else is still denied."""
    subject = deployed()
    theft = policy(json.loads(statement())["Statement"][0], ONLY_OTHERS)
    queue_attribute("Policy", theft)(fake(subject))
    fix = not_ok(checked(subject))["queue reader"].fix
    fixed = json.loads(options_of(fix)["attributes"])["Policy"]
    queue_attribute("Policy", fixed)(fake(subject))
    assert not_ok(checked(subject)) == {}
    spared = json.loads(fixed)["Statement"][1]["Condition"]["ArnNotEquals"]["aws:PrincipalArn"]
    assert spared == [f"arn:aws:iam::{ACCOUNT}:role/old", ROLE]


def test_one_good_trail_among_many_is_enough() -> None:
    subject = deployed()
    aws = fake(subject)
    aws.found_trails.insert(0, {"Name": "old", "TrailARN": "arn:old", "HomeRegion": REGION})
    aws.logging["arn:old"] = False
    assert not_ok(checked(subject)) == {}


def test_trail_of_the_organization_need_not_be_readable() -> None:
    subject = deployed()
    the_trail(IsOrganizationTrail=True)(fake(subject))
    fake(subject).errors["selectors"] = Denied("cloudtrail:GetEventSelectors failed: AccessDenied")
    assert not_ok(checked(subject)) == {}
