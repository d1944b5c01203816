"""The policies that Terraform renders.

They equal the output of `countermand iam-policy`, allow no more, and deny nothing that the worker
needs.
"""

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import pytest

from contracts import test_permissions as printed
from countermand.actions import ALL
from countermand.core.model import Mode
from countermand.deployment.iam_policy import enforce_policy, worker_policy
from support.authorizer import authorized, effects
from support.terraforming import DEV, EMAIL, Terraform

MOTO = "123456789012"
ACCOUNT = printed.ACCOUNT
IAM, QUEUE = "module.guardrail.module.iam", "module.guardrail.module.queue"
OPERATOR = f"arn:aws:iam::{ACCOUNT}:role/on-call"
BREAK_GLASS = f"arn:aws:iam::{ACCOUNT}:user/iam-test-break-glass"
WORKER = f"arn:aws:iam::{ACCOUNT}:role/countermand-worker"
MALLORY = f"arn:aws:iam::{ACCOUNT}:user/mallory"
RULE = f"arn:aws:events:us-east-1:{ACCOUNT}:rule/countermand-iam"
QUEUE_ARN = printed.VALUES.queue_arn
TOPIC_ARN = printed.VALUES.topic_arn

type Resources = Mapping[str, dict[str, Any]]


def _planned(dev: Terraform, mode: Mode) -> Resources:
    """Return resources by address, with the account ID of the cases."""
    resources = dev.would_be(
        **DEV,
        mode=str(mode),
        scopes={"resource": printed.VALUES.resource_scope, "account": ACCOUNT},
        operator_arns=[OPERATOR.replace(ACCOUNT, MOTO)],
        break_glass_arns=[BREAK_GLASS.replace(ACCOUNT, MOTO)],
    )
    there: dict[str, dict[str, Any]] = json.loads(json.dumps(resources).replace(MOTO, ACCOUNT))
    return there


@pytest.fixture(scope="session")
def planned(dev_applied: Terraform) -> Mapping[str, Resources]:
    return {str(mode): _planned(dev_applied, mode) for mode in Mode}


def _statements(resources: Resources, *names: str) -> list[dict[str, Any]]:
    return [
        statement
        for address, values in sorted(resources.items())
        if address.startswith(tuple(f"{IAM}.{name}" for name in names)) and "policy" in values
        for statement in json.loads(values["policy"])["Statement"]
    ]


def _of_the_worker(resources: Resources) -> dict[str, Any]:
    """Return all policies of the worker role as one document."""
    names = [f"aws_iam_role_policy.{name}" for name in ("work", "never", "alert_key")]
    return {"Statement": _statements(resources, *names, "aws_iam_policy.enforce")}


def _cases(test: Any) -> Any:
    """Return the table of a parametrized test."""
    (mark,) = [mark for mark in test.pytestmark if mark.name == "parametrize"]
    return mark.args[1]


# --- the worker role


@pytest.mark.parametrize("mode", Mode)
def test_the_role_has_the_policies_of_the_command(
    planned: Mapping[str, Resources], mode: Mode
) -> None:
    rendered = _statements(planned[mode], "aws_iam_role_policy.work", "aws_iam_policy.enforce")
    wanted = worker_policy(mode, printed.RULES, ALL, printed.VALUES)["Statement"]
    assert _by_sid(rendered) == _by_sid(wanted)


def _by_sid(statements: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    assert len({s["Sid"] for s in statements}) == len(statements)
    return {s["Sid"]: s for s in statements}


@pytest.mark.parametrize(
    ("mode", "action", "resource", "policy_arn", "allow"),
    _cases(printed.test_the_policy_allows_only_what_is_needed),
)
def test_the_role_allows_only_what_is_needed(
    planned: Mapping[str, Resources],
    mode: str,
    action: str,
    resource: str,
    policy_arn: str | None,
    allow: bool,
) -> None:
    context = {"iam_PolicyARN": policy_arn} if policy_arn is not None else {}
    assert authorized(_of_the_worker(planned[mode]), action, resource, **context) is allow


def test_no_deny_blocks_what_enforce_allows(
    planned: Mapping[str, Resources],
) -> None:
    """Cover every call of every enabled action on a target in scope. One of them restores a deny
    policy, which a Deny of iam:Attach* would block.
    """
    role = _of_the_worker(planned["enforce"])
    stopped = [
        (action, resource)
        for statement in enforce_policy(printed.RULES, ALL, printed.VALUES)["Statement"]
        if statement["Effect"] == "Allow"
        for action in statement["Action"]
        for resource in statement["Resource"]
        for context in _contexts(statement)
        if not authorized(role, action, resource.replace("*", "x"), **context)
    ]
    assert stopped == []
    assert authorized(
        role,
        "iam:AttachUserPolicy",
        f"arn:aws:iam::{ACCOUNT}:user/iam-test-x",
        iam_PolicyARN="arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3",
    )


def test_no_deny_blocks_any_action(
    planned: Mapping[str, Resources],
) -> None:
    everywhere = [
        call
        for statement in _of_the_worker(planned["enforce"])["Statement"]
        if statement["Effect"] == "Deny" and "Condition" not in statement
        if statement.get("Resource") == "*"
        for call in statement["Action"]
    ]
    needed = {permission for action in ALL.values() for permission in action.info.writes}
    assert everywhere
    assert [p for p in sorted(needed) if any(fnmatchcase(p, call) for call in everywhere)] == []


def _contexts(statement: Mapping[str, Any]) -> list[dict[str, str]]:
    keys = [pair for keys in statement.get("Condition", {}).values() for pair in keys.items()]
    return [{key.replace(":", "_"): arn} for key, arns in keys for arn in arns] or [{}]


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("iam:CreateUser", printed.user("iam-test-new")),
        ("iam:CreatePolicyVersion", f"arn:aws:iam::{ACCOUNT}:policy/iam-test-p"),
        ("iam:CreateAccessKey", printed.user("iam-test-u")),
        ("iam:AddUserToGroup", printed.group("iam-test-g")),
        ("iam:PassRole", printed.role("iam-test-r")),
        ("iam:TagUser", printed.user("iam-test-u")),
        ("iam:UntagUser", printed.user("alice")),
        ("iam:UpdateAccessKey", printed.user("alice")),
        ("iam:RemoveUserFromGroup", printed.group("admins")),
        ("iam:AttachUserPolicy", printed.user("iam-test-u")),
        ("iam:PutUserPolicy", printed.user("alice")),
        ("iam:UpdateAssumeRolePolicy", printed.role("admin")),
        ("iam:DeleteRolePolicy", WORKER),
        ("iam:DetachRolePolicy", WORKER),
        ("sts:AssumeRole", printed.role("admin")),
        ("iam:DetachUserPolicy", BREAK_GLASS),
        ("iam:DeleteUserPolicy", BREAK_GLASS),
    ],
)
def test_forbidden_calls_are_denied_explicitly(
    planned: Mapping[str, Resources], action: str, resource: str
) -> None:
    for mode in Mode:
        role = _of_the_worker(planned[mode])
        assert "Deny" in effects(role, action, resource, iam_PolicyARN=printed.ADMIN)


# --- the principals that may assume it


@pytest.mark.parametrize(
    ("service", "account", "source", "allow"),
    [
        ("ecs-tasks.amazonaws.com", ACCOUNT, f"arn:aws:ecs:us-east-1:{ACCOUNT}:task/c/1", True),
        ("ecs-tasks.amazonaws.com", "9" * 12, f"arn:aws:ecs:us-east-1:{'9' * 12}:task/c/1", False),
        ("ecs-tasks.amazonaws.com", ACCOUNT, f"arn:aws:ecs:eu-west-1:{ACCOUNT}:task/c/1", False),
        ("lambda.amazonaws.com", ACCOUNT, f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f", False),
    ],
)  # fmt: skip
def test_only_our_tasks_assume_the_role(
    planned: Mapping[str, Resources],
    service: str,
    account: str,
    source: str,
    allow: bool,
) -> None:
    """Only tasks of this account assume the role."""
    trust = json.loads(planned["dry-run"][f"{IAM}.aws_iam_role.worker"]["assume_role_policy"])
    context = {"aws_SourceAccount": account, "aws_SourceArn": source}
    asked = f"Service {service}"
    assert authorized(trust, "sts:AssumeRole", WORKER, principal=asked, **context) is allow


# --- the queue and the topic

EVENTS = "Service events.amazonaws.com"
THEIRS = RULE.replace(ACCOUNT, "9" * 12)
PLAIN_HTTP = {"SecureTransport": "false"}


@pytest.mark.parametrize(
    ("action", "principal", "context", "expected"),
    [
        ("SendMessage", EVENTS, {"SourceArn": RULE, "SourceAccount": ACCOUNT}, {"Allow"}),
        # another EventBridge rule, in this account and in another
        ("SendMessage", EVENTS, {"SourceArn": f"{RULE}-x", "SourceAccount": ACCOUNT}, {"Deny"}),
        ("SendMessage", EVENTS, {"SourceArn": THEIRS, "SourceAccount": "9" * 12}, {"Deny"}),
        ("SendMessage", EVENTS, {"SourceArn": RULE, "SourceAccount": "9" * 12}, set()),
        # another service, and principals with their own policies
        ("SendMessage", "Service sns.amazonaws.com", {"SourceArn": TOPIC_ARN}, {"Deny"}),
        ("SendMessage", f"AWS {MALLORY}", {"PrincipalArn": MALLORY}, {"Deny"}),
        ("SendMessage", f"AWS {WORKER}", {"PrincipalArn": WORKER}, {"Deny"}),
        ("SendMessage", f"AWS {OPERATOR}", {"PrincipalArn": OPERATOR}, set()),
        # where the queue denies nothing, the principal's own policy decides
        ("ReceiveMessage", f"AWS {WORKER}", {"PrincipalArn": WORKER}, set()),
        ("ReceiveMessage", f"AWS {MALLORY}", {"PrincipalArn": MALLORY}, {"Deny"}),
        ("DeleteMessage", f"AWS {MALLORY}", {"PrincipalArn": MALLORY}, {"Deny"}),
        ("PurgeQueue", f"AWS {MALLORY}", {"PrincipalArn": MALLORY}, {"Deny"}),
        ("ReceiveMessage", f"AWS {WORKER}", {"PrincipalArn": WORKER, **PLAIN_HTTP}, {"Deny"}),
    ],
)
def test_only_our_rules_send(
    planned: Mapping[str, Resources],
    action: str,
    principal: str,
    context: dict[str, str],
    expected: set[str],
) -> None:
    """Only our rules send, and only the worker receives."""
    document = json.loads(planned["dry-run"][f"{QUEUE}.aws_sqs_queue.this"]["policy"])
    keys = {f"aws_{key}": value for key, value in context.items()}
    found = effects(document, f"sqs:{action}", QUEUE_ARN, principal=principal, **keys)
    assert (found & {"Deny"} or found) == expected


@pytest.mark.parametrize(
    ("action", "principal", "context", "allow"),
    [
        ("sns:Publish", WORKER, {}, True),
        ("sns:Publish", MALLORY, {}, False),
        ("sns:Publish", WORKER, {"aws_SecureTransport": "false"}, False),
    ],
)
def test_only_the_worker_publishes_alerts(
    planned: Mapping[str, Resources],
    action: str,
    principal: str,
    context: dict[str, str],
    allow: bool,
) -> None:
    keys = {"aws_PrincipalArn": principal, "aws_PrincipalIsAWSService": "false", **context}
    document = _topic(planned)
    assert authorized(document, action, TOPIC_ARN, principal=f"AWS {principal}", **keys) is allow


@pytest.mark.parametrize(("address", "denied"), [("mallory@example.org", True), (EMAIL, False)])
def test_only_the_given_addresses_subscribe(
    planned: Mapping[str, Resources], address: str, denied: bool
) -> None:
    found = effects(_topic(planned), "sns:Subscribe", TOPIC_ARN, sns_Endpoint=address)
    assert ("Deny" in found) is denied


def _topic(planned: Mapping[str, Resources]) -> dict[str, Any]:
    address = "module.guardrail.module.alerts.aws_sns_topic_policy.this"
    document: dict[str, Any] = json.loads(planned["dry-run"][address]["policy"])
    return document
