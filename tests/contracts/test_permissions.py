"""What the code calls, what `countermand iam-policy` prints, and nothing more."""

import ast
import inspect
import re
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from countermand import policies
from countermand.actions import ALL
from countermand.app import rules
from countermand.aws import dynamodb, iam, sns, sqs
from countermand.core.errors import ConfigError
from countermand.core.model import Mode
from countermand.leastprivilege import (
    LONGEST_PATTERN,
    Places,
    Policy,
    enforce_policy,
    routing_patterns,
    worker_policy,
)
from countermand.rulebook import BUILT_IN, load_rules

ACCOUNT = "111122223333"
PLACES = Places(
    partition="aws",
    account_id=ACCOUNT,
    queue_arn=f"arn:aws:sqs:us-east-1:{ACCOUNT}:countermand-events",
    topic_arn=f"arn:aws:sns:us-east-1:{ACCOUNT}:countermand-alerts",
    table_arn=f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/countermand",
    log_group_arn=f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/countermand/worker",
    user_scope="iam-test-*",
    role_scope="iam-test-*",
    group_scope="iam-test-*",
    policy_scope="iam-test-*",
)
RULES = rules()
NOT_THE_WORKERS = {
    "dynamodb:CreateTable",
    "dynamodb:DescribeTimeToLive",
    "dynamodb:UpdateTimeToLive",
}


def policy(mode: Mode) -> Policy:
    return worker_policy(mode, RULES, ALL, PLACES)


def allowed(mode: Mode) -> set[str]:
    statements = policy(mode)["Statement"]
    return {a for s in statements if s["Effect"] == "Allow" for a in s["Action"]}


# --- what the code calls is what it says that it calls


@pytest.mark.parametrize("module", [sqs, sns, dynamodb])
def test_an_adapter_names_every_call_that_it_makes(module: Any) -> None:
    source = Path(module.__file__).read_text()
    made = {f"{s}:{op}" for s, op in re.findall(r'translated\("(\w+)", "(\w+)"\)', source)}
    assert {call.removesuffix("Batch") for call in made} - NOT_THE_WORKERS == set(
        module.PERMISSIONS
    )


def test_the_reads_of_principals_are_those_that_the_adapter_names() -> None:
    names = {
        node.args[0].value
        for node in ast.walk(ast.parse(Path(iam.__file__).read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"_call", "_pages"}
        and isinstance(node.args[0], ast.Constant)
    }
    made = {"iam:" + "".join(part.capitalize() for part in str(name).split("_")) for name in names}
    assert made == {call for calls in iam.PERMISSIONS.values() for call in calls}


@pytest.mark.parametrize("name", ALL)
def test_an_action_calls_only_what_it_names(name: str) -> None:
    action = ALL[name]
    source = inspect.getsource(sys.modules[type(action).__module__])
    literal = set(re.findall(r'"([a-z-]+:[A-Z]\w+)"', source))
    named = {*action.read_permissions, *action.permissions, *action.undo_permissions}
    others = {
        permission
        for other in ALL.values()
        if type(other).__module__ == type(action).__module__
        for permission in (
            *other.read_permissions,
            *other.permissions,
            *other.undo_permissions,
        )
    }
    assert literal <= named | others


def test_the_reads_of_managed_policies_are_those_that_the_module_names() -> None:
    made = set(re.findall(r'call\("(iam:\w+)"', inspect.getsource(policies)))
    assert made == set(policies.PERMISSIONS)
    assert made <= allowed(Mode.OBSERVE)


def test_rules_that_ask_about_no_policy_need_no_read_of_policies(tmp_path: Path) -> None:
    of_admins = (BUILT_IN / "admin_policy_attached_to_user.yaml").read_text()
    (tmp_path / "admin_policy_attached_to_user.yaml").write_text(of_admins)
    document = worker_policy(Mode.ENFORCE, load_rules(tmp_path, ALL), ALL, PLACES)
    assert not any(permission in str(document) for permission in policies.PERMISSIONS)
    assert "policy/iam-test-" not in str(document)


# --- the policy


def test_dry_run_may_write_nothing_to_iam() -> None:
    for action in allowed(Mode.DRY_RUN):
        if action.startswith("iam:"):
            assert action.startswith(("iam:Get", "iam:List")), action


def test_enforce_adds_the_writes_of_the_enabled_actions_and_no_more() -> None:
    writes = {
        permission
        for rule in RULES.rules
        if rule.remediation is not None and rule.mode is not Mode.OBSERVE
        for permission in ALL[rule.remediation].permissions
    }
    assert allowed(Mode.ENFORCE) - allowed(Mode.DRY_RUN) <= writes
    assert "iam:DetachUserPolicy" in allowed(Mode.ENFORCE)


def test_the_writes_alone_are_what_enforce_adds() -> None:
    extra = [
        s for s in policy(Mode.ENFORCE)["Statement"] if s not in policy(Mode.DRY_RUN)["Statement"]
    ]
    assert enforce_policy(RULES, ALL, PLACES)["Statement"] == extra


@pytest.mark.parametrize("mode", Mode)
def test_no_action_is_a_wildcard_and_the_worker_cannot_grant(mode: Mode) -> None:
    for action in allowed(mode):
        assert "*" not in action
        assert not action.startswith(("iam:Create", "iam:Pass", "iam:Tag", "sts:"))


@pytest.mark.parametrize("mode", Mode)
def test_what_is_attached_or_put_can_only_deny(mode: Mode) -> None:
    for statement in policy(mode)["Statement"]:
        granting = [a for a in statement["Action"] if a.startswith(("iam:Attach", "iam:Put"))]
        if granting and statement["Effect"] == "Allow":
            ((arns,),) = [keys.values() for keys in statement["Condition"].values()]
            assert all("Deny" in arn or "Quarantine" in arn for arn in arns)


def test_a_rule_that_is_off_needs_no_write(tmp_path: Path) -> None:
    off = tmp_path / "overrides.yaml"
    names = ("admin_policy_attached_to_user", "customer_policy_attached_to_user")
    off.write_text("\n".join(f"{name}: {{enabled: false}}" for name in names))
    rule_set = load_rules(BUILT_IN, ALL, overrides=off)
    document = enforce_policy(rule_set, ALL, PLACES)
    assert "iam:DetachUserPolicy" not in str(document)


# --- a simulated authoriser


def authorised(document: Policy, action: str, resource: str, **context: str) -> bool:
    """IAM's evaluation of one policy: an explicit Deny wins, else an Allow is needed.

    Names in Resource are compared with case, actions without, and `*` crosses slashes.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
    """
    effects = {
        s["Effect"]
        for s in document["Statement"]
        if any(fnmatchcase(action.lower(), a.lower()) for a in s["Action"])
        and any(fnmatchcase(resource, r) for r in s["Resource"])
        and _met(s.get("Condition", {}), context)
    }
    return effects == {"Allow"}


def _met(condition: dict[str, dict[str, list[str]]], context: dict[str, str]) -> bool:
    present = {name.replace("_", ":"): value for name, value in context.items()}
    return all(
        operator == "ArnEquals" and any(fnmatchcase(present.get(key, ""), v) for v in values)
        for operator, keys in condition.items()
        for key, values in keys.items()
    )


def user(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:user/{name}"


def role(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def group(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:group/{name}"


def own(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:policy/{name}"


ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
OWN_ADMIN = f"arn:aws:iam::{ACCOUNT}:policy/AdministratorAccess"
DETACH = "iam:DetachUserPolicy"


@pytest.mark.parametrize(
    ("mode", "action", "resource", "policy_arn", "allow"),
    [
        # detaching: only listed policies, only in scope, only at path /
        ("enforce", DETACH, user("iam-test-user"), ADMIN, True),
        ("enforce", DETACH, user("iam-test-"), ADMIN, True),
        ("enforce", DETACH, user("iam-test-user"), "arn:aws:iam::aws:policy/IAMFullAccess", True),
        ("enforce", DETACH, user("iam-test-user"), "arn:aws:iam::aws:policy/PowerUserAccess", True),
        ("enforce", DETACH, user("iam-test-/evil"), ADMIN, False),
        ("enforce", DETACH, user("iam-test-a/b/evil"), ADMIN, False),
        ("enforce", DETACH, user("dev/iam-test-bob"), ADMIN, False),
        ("enforce", DETACH, user("alice"), ADMIN, False),
        ("enforce", DETACH, user("IAM-TEST-user"), ADMIN, False),
        ("enforce", DETACH, user("xiam-test-user"), ADMIN, False),
        ("enforce", DETACH, "arn:aws:iam::999999999999:user/iam-test-user", ADMIN, False),
        ("enforce", DETACH, f"arn:aws-cn:iam::{ACCOUNT}:user/iam-test-user", ADMIN, False),
        ("enforce", DETACH, user("iam-test-user"), "arn:aws:iam::aws:policy/ReadOnlyAccess", False),
        ("enforce", DETACH, user("iam-test-user"), f"{ADMIN}-Amplify", False),
        ("enforce", DETACH, user("iam-test-user"), OWN_ADMIN, False),
        ("enforce", DETACH, user("iam-test-user"), own("iam-test-innocent"), True),
        ("enforce", DETACH, user("alice"), own("iam-test-innocent"), False),
        ("dry-run", DETACH, user("iam-test-user"), own("iam-test-innocent"), False),
        ("observe", "iam:GetPolicy", own("any/policy"), None, True),
        ("observe", "iam:GetPolicyVersion", own("any/policy"), None, True),
        ("enforce", "iam:CreatePolicyVersion", own("iam-test-innocent"), None, False),
        ("enforce", DETACH, user("iam-test-user"), "arn:aws:iam::aws:policy/AWSDenyAll", False),
        ("enforce", DETACH, user("iam-test-user"), None, False),
        ("dry-run", DETACH, user("iam-test-user"), ADMIN, False),
        ("observe", DETACH, user("iam-test-user"), ADMIN, False),
        ("enforce", "iam:DetachRolePolicy", role("iam-test-r"), ADMIN, True),
        ("enforce", "iam:DetachRolePolicy", role("iam-test-/r"), ADMIN, False),
        ("enforce", "iam:DetachRolePolicy", role("aws-reserved/iam-test-r"), ADMIN, False),
        ("enforce", "iam:DetachGroupPolicy", group("iam-test-g"), ADMIN, True),
        ("enforce", "iam:DetachGroupPolicy", group("admins"), ADMIN, False),
        # no way to grant, to take over, to hide
        ("enforce", "iam:AttachUserPolicy", user("iam-test-user"), ADMIN, False),
        ("enforce", "iam:TagUser", user("iam-test-user"), None, False),
        ("enforce", "iam:DeleteUser", user("iam-test-user"), None, False),
        ("enforce", "iam:CreateUser", user("iam-test-user"), None, False),
        ("enforce", "iam:PassRole", role("countermand"), None, False),
        ("enforce", "sts:AssumeRole", role("admin"), None, False),
        ("enforce", "sqs:PurgeQueue", PLACES.queue_arn, None, False),
        ("enforce", "sqs:SendMessage", PLACES.queue_arn, None, False),
        ("enforce", "sqs:SetQueueAttributes", PLACES.queue_arn, None, False),
        ("enforce", "dynamodb:DeleteItem", PLACES.table_arn, None, False),
        ("enforce", "dynamodb:Scan", PLACES.table_arn, None, False),
        ("enforce", "dynamodb:DeleteTable", PLACES.table_arn, None, False),
        ("enforce", "sns:Subscribe", PLACES.topic_arn, None, False),
        # what it needs
        ("observe", "sqs:ReceiveMessage", PLACES.queue_arn, None, True),
        ("observe", "sqs:ReceiveMessage", f"{PLACES.queue_arn}-dlq", None, False),
        ("observe", "sns:Publish", PLACES.topic_arn, None, True),
        ("observe", "sns:Publish", f"{PLACES.topic_arn}-other", None, False),
        ("observe", "dynamodb:Query", f"{PLACES.table_arn}/index/by-day", None, True),
        ("observe", "dynamodb:PutItem", f"{PLACES.table_arn}-other", None, False),
        ("observe", "iam:GetUser", user("anybody/at/all"), None, True),
        ("observe", "iam:GetUser", "arn:aws:iam::999999999999:user/anybody", None, False),
        ("observe", "iam:ListUsers", user("*"), None, False),
        ("observe", "logs:PutLogEvents", f"{PLACES.log_group_arn}:log-stream:a", None, True),
        ("observe", "logs:DeleteLogGroup", f"{PLACES.log_group_arn}:*", None, False),
    ],
)  # fmt: skip
def test_the_policy_allows_what_is_needed_and_nothing_beside(
    mode: str, action: str, resource: str, policy_arn: str | None, allow: bool
) -> None:
    context = {"iam_PolicyARN": policy_arn} if policy_arn is not None else {}
    assert authorised(policy(Mode(mode)), action, resource, **context) is allow


# --- routing


def test_the_patterns_route_every_call_of_every_rule_and_fit_eventbridge() -> None:
    patterns = routing_patterns(RULES)
    for rule in RULES.rules:
        (source,) = rule.file.when["source"]
        (pattern,) = [p for p in patterns if p["source"] == [source]]
        wanted = rule.file.when["detail"]["eventName"]
        assert set(wanted) <= set(pattern["detail"].get("eventName", wanted))


def test_a_pattern_that_eventbridge_would_refuse_is_refused_here(tmp_path: Path) -> None:
    template = (BUILT_IN / "admin_policy_attached_to_user.yaml").read_text()
    names = ", ".join(f"SomeRatherLongCallNumber{n}" for n in range(100))
    text = template.replace("[AttachUserPolicy]", f"[{names}]")
    (tmp_path / "admin_policy_attached_to_user.yaml").write_text(text)
    with pytest.raises(ConfigError, match=f"more than the {LONGEST_PATTERN}"):
        routing_patterns(load_rules(tmp_path, ALL))
