"""What `countermand doctor` says about settings, its own reads, permissions, and patterns."""

import json
import re
import subprocess
from typing import Any

import pytest

from countermand.aws.clients import Caller
from countermand.aws.inspect import PERMISSIONS
from countermand.core.errors import Denied, Gone, NoAccess, Transient
from countermand.core.model import Mode
from countermand.core.rules.rule import RuleSet
from countermand.deployment.doctor import worker
from countermand.deployment.doctor.deployed import repeated
from countermand.deployment.doctor.examine import checked
from countermand.deployment.doctor.result import Status, exit_code
from countermand.deployment.doctor.routing import allows
from countermand.deployment.doctor.senders import send_statement
from support.aws_setup import (
    IAM,
    QUEUE,
    READS,
    REGION,
    ROLE,
    RULES,
    TOPIC,
    deployed,
    fake,
    not_ok,
    options_of,
    policy,
    queue_attribute,
    rule_arn,
    target,
)
from support.fakes import ACCOUNT

OTHER = "444455556666"


# --- a check that cannot be made


ASKED = (
    "queue",
    "queue_by_arn",
    "topic",
    "subscriptions",
    "subscription",
    "rule",
    "targets",
    "trails",
    "trail_is_logging",
    "selectors",
    "log_group_exists",
    "table",
    "refused",
)


@pytest.mark.parametrize("call", ASKED)
@pytest.mark.parametrize(
    ("error", "fix"),
    [
        (Denied("x:Y failed: AccessDenied"), "aws iam put-role-policy"),
        (NoAccess("x:Y failed: no answer. Run `this`"), "Run `this`"),
        (Transient("x:Y failed: Throttling"), "countermand doctor"),
        (KeyError("Policy"), ""),
    ],
    ids=("denied", "unreachable", "throttled", "odd"),
)
def test_a_read_that_fails_is_never_ok(call: str, error: Exception, fix: str) -> None:
    """The checks that need the read say so, and the exit code is not 0."""
    subject = deployed()
    fake(subject).errors[call] = error
    results = checked(subject)
    failed = [r for r in results if r.status is Status.NOT_CHECKED]
    assert failed
    assert all(result.fix.startswith(fix) for result in failed)
    assert all("Traceback" not in result.detail for result in failed)
    assert exit_code(results) == 3


def test_fix_of_a_denied_read_grants_all_reads() -> None:
    subject = deployed()
    fake(subject).errors["queue"] = Denied("sqs:GetQueueAttributes failed: AccessDenied")
    (first, *_) = [r for r in checked(subject) if r.status is Status.NOT_CHECKED]
    given = options_of(first.fix)
    assert given["role-name"] == "countermand-worker"
    (allowed,) = json.loads(given["policy-document"])["Statement"]
    assert (allowed["Effect"], allowed["Action"]) == ("Allow", list(PERMISSIONS))
    user = deployed(Caller(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/team/alice"))
    assert user.grant().startswith("aws iam put-user-policy --user-name alice ")


def test_an_emulator_has_nothing_to_fix_there() -> None:
    subject = deployed()
    fake(subject).emulated = True
    results = checked(subject)
    assert {r.what for r in results if r.status is Status.NOT_CHECKED} == {"trail", "permissions"}
    assert exit_code(results) == 0


# --- settings against AWS


def test_credentials_of_another_account_fail() -> None:
    subject = deployed(account_id=OTHER)
    found = not_ok(checked(subject))
    assert found["account"].fix == f"export COUNTERMAND_ACCOUNT_ID={ACCOUNT}"
    assert f"the rules are of {OTHER}" in found["queue address"].detail


def test_a_worker_without_a_role_is_unknown() -> None:
    user = Caller(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/alice")
    found = not_ok(checked(deployed(user, own_role_arn=None)))
    assert found["worker role"].status is Status.FAILS
    assert found["worker role"].fix == f"export COUNTERMAND_OWN_ROLE_ARN={ROLE}"
    assert found["permissions"].status is Status.NOT_CHECKED
    assert found["permissions"].fix == found["worker role"].fix


@pytest.mark.parametrize(
    ("partition", "region", "home"),
    [
        ("aws-us-gov", "us-gov-east-1", "us-gov-west-1"),
        ("aws-cn", "cn-northwest-1", "cn-north-1"),
        ("aws", "eu-west-1", "us-east-1"),
    ],
)
def test_event_region_without_iam_events_fails(partition: str, region: str, home: str) -> None:
    topic = f"arn:{partition}:sns:{region}:{ACCOUNT}:alerts"
    queue = f"https://sqs.{region}.amazonaws.com/{ACCOUNT}/events"
    place: dict[str, Any] = {
        "topic_arn": topic,
        "queue_url": queue,
        "dlq_url": None,
        "region": region,
    }
    subject = deployed(**place, event_region=region)
    (found,) = worker.event_region(subject)
    assert found.status is Status.FAILS
    assert found.fix == f"export COUNTERMAND_EVENT_REGION={home}"
    (found,) = worker.event_region(deployed(**place, event_region=home))
    assert found.status is Status.OK


def test_rules_without_any_rule_fail() -> None:
    found = worker.rules_in_force(RuleSet(()))
    assert (found.status, found.detail[:7]) == (Status.FAILS, "0 rules")
    assert worker.rules_in_force(RULES).detail == "2 in force"


# --- a fix repairs what its check is about


def test_fix_of_the_queue_policy_keeps_the_rest() -> None:
    """The policy that the fix sets lets EventBridge send, and keeps every other statement."""
    subject = deployed()
    kept = {
        "Sid": "Tls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": "*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    queue_attribute("Policy", policy(kept))(fake(subject))
    fix = not_ok(checked(subject))["queue policy"].fix
    attributes = json.loads(options_of(fix)["attributes"])
    assert kept in json.loads(attributes["Policy"])["Statement"]
    queue_attribute("Policy", attributes["Policy"])(fake(subject))
    assert not_ok(checked(subject)) == {}


def test_fix_of_a_transformer_keeps_the_target() -> None:
    subject = deployed()
    before = dict(fake(subject).sent[IAM, REGION][0])
    target(InputPath="$.detail")(fake(subject))
    fix = not_ok(checked(subject))["target input"].fix
    assert json.loads(options_of(fix)["targets"]) == [before]


def test_fix_of_read_only_events_keeps_the_pattern() -> None:
    subject = deployed()
    fake(subject).rules[READS, REGION, "default"]["State"] = "ENABLED"
    given = options_of(not_ok(checked(subject))["read-only events"].fix)
    assert given["state"] == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
    assert json.loads(given["event-pattern"]) == subject.routes[READS].pattern


# --- permissions


@pytest.mark.parametrize("mode", Mode)
def test_permissions_are_those_of_the_policy(mode: Mode) -> None:
    """The simulator is asked for each statement, with the keys that its condition demands."""
    subject = deployed(mode=mode)
    assert not_ok(checked(subject)) == {}
    asked = [call for call in fake(subject).calls if call[0] == "refused"]
    assert all(call[1] == ROLE for call in asked)
    named = {word for call in asked for word in call[2:]}
    assert {"sqs:ReceiveMessage", QUEUE, "sns:Publish", TOPIC, "iam:GetUser"} <= named
    assert ("iam:DetachUserPolicy" in named) is (mode is Mode.ENFORCE)
    assert ("iam:PolicyARN" in named) is (mode is Mode.ENFORCE)


def test_no_permission_is_needed_for_what_is_not_used() -> None:
    subject = deployed(ledger_url="sqlite:/tmp", log_group=None)
    fake(subject).lacking |= {"dynamodb:GetItem", "logs:PutLogEvents"}
    assert "permissions" not in not_ok(checked(subject))


def test_fix_of_a_missing_dlq_keeps_the_target() -> None:
    """The first command creates the queue, with a policy for the rules; the next ones use it."""
    subject = deployed()
    for each in fake(subject).sent.values():
        del each[0]["DeadLetterConfig"]
    create, *puts = not_ok(checked(subject))["target DLQ"].fix.split(" && ")
    attributes = json.loads(options_of(create)["attributes"])
    name = options_of(create)["queue-name"]
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"
    fake(subject).queues[arn] = {"QueueArn": arn, "Policy": attributes["Policy"]}
    for put in puts:
        given = options_of(put)
        fake(subject).sent[given["rule"], given["region"]] = json.loads(given["targets"])
    assert not_ok(checked(subject)) == {}


def test_fix_of_many_rules_is_a_loop() -> None:
    """Commands that differ only in the rule are one line; others stay as they are."""
    same = {name: f"aws events enable-rule --name {name} --region r" for name in ("a", "b", "c")}
    loop = 'for rule in a b c; do aws events enable-rule --name "$rule" --region r; done'
    assert repeated(same) == loop
    shell = loop.replace("aws events", "echo")
    done = subprocess.run(["/bin/sh", "-c", shell], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"enable-rule --name {name} --region r" for name in "abc"]
    assert repeated({**same, "d": "ls"}).split(" && ") == [*same.values(), "ls"]
    assert repeated({}) == ""


def test_statement_for_many_rules_is_a_glob() -> None:
    """It names the prefix, and never every rule of the account."""
    rules = [rule_arn(f"countermand-{n}") for n in range(9)]
    (glob,) = send_statement("events", "sqs:SendMessage", QUEUE, rules)["Condition"]["ArnLike"][
        "aws:SourceArn"
    ]
    assert glob == rule_arn("countermand-*")
    others = [rule_arn(name) for name in ("a", "b", "c", "d", "e")]
    statement = send_statement("events", "sqs:SendMessage", QUEUE, others)
    assert statement["Condition"]["ArnLike"]["aws:SourceArn"] == others


def test_fix_of_a_missing_trail_has_real_names() -> None:
    subject = deployed()
    fake(subject).found_trails.clear()
    fix = not_ok(checked(subject))["trail"].fix
    assert fix.startswith(f"aws s3 mb s3://countermand-trail-{ACCOUNT} --region us-east-1 && ")
    assert fix.endswith("aws cloudtrail start-logging --name countermand --region us-east-1")
    assert "--is-multi-region-trail" in fix


def test_a_prefix_that_no_rule_has_is_asked_about() -> None:
    subject = deployed(rule_prefix="other")
    fake(subject).rules.clear()
    assert "COUNTERMAND_RULE_PREFIX=other" in not_ok(checked(subject))["EventBridge rules"].detail


@pytest.mark.parametrize("call", ["queue", "topic", "table"])
def test_no_fix_has_a_blank_to_fill_in(call: str) -> None:
    """A fix can be pasted: where nobody can know a name, it is a command that lists the names."""
    subject = deployed()
    fake(subject).errors[call] = Gone("x:Y: NotFound")
    for result in not_ok(checked(subject)).values():
        assert not re.search(r"\b(URL|ARN|TABLE|BUCKET|PREFIX|NAME)\b", result.fix)


# --- patterns

WANTED: dict[str, Any] = {
    "source": ["aws.sts"],
    "detail": {"eventName": ["AssumeRole", "AssumeRoot"], "externalId": [{"exists": False}]},
    "$or": [{"detail": {"a": ["x"]}}, {"detail": {"b": ["y"]}}],
}


@pytest.mark.parametrize(
    ("change", "well"),
    [
        ({}, True),
        ({"source": ["aws.sts", "aws.iam"]}, True),
        ({"source": ["aws.iam"]}, False),
        ({"account": ["111122223333"]}, False),
        ({"detail": {"eventName": ["GetCallerIdentity", "AssumeRole", "AssumeRoot"]}}, True),
        ({"detail": {"eventName": ["AssumeRole"]}}, False),
        ({"detail": {"eventName": ["AssumeRole", "AssumeRoot"], "errorCode": ["x"]}}, False),
        ({"detail": {"externalId": [{"exists": True}]}}, False),
        ({"detail": []}, False),
        ({"$or": [{"detail": {"a": ["x"]}}, {"detail": {"c": ["z"]}}]}, False),
        ({"$or": [*WANTED["$or"], {"detail": {"c": ["z"]}}]}, True),
    ],
)
def test_a_rule_may_be_wider_and_not_narrower(change: Any, well: bool) -> None:
    assert allows(WANTED | change, WANTED) is well
