"""Lambda functions that got code, a layer or callers, against moto's Lambda and IAM."""

import io
import json
import uuid
import zipfile
from typing import Any

import pytest

from countermand.actions import ALL
from countermand.core.errors import Benign, CannotRestore, Gone
from countermand.ports import Plan
from support.steps import (
    MOTO_ACCOUNT,
    MotoClients,
    Script,
    full_plan,
    make_admin,
    plan,
    remediate_and_undo,
)

THEIRS = "444455556666"
LIMIT, REMOVE = "limit_function_concurrency", "remove_function_permission"


class Function:
    """A function with a role of its own that may nothing."""

    def __init__(self, clients: MotoClients) -> None:
        self.clients, self.cloud = clients, clients.cloud()
        self.client = clients.get("lambda")
        self.name = f"iam-test-{uuid.uuid4().hex[:12]}"
        role = clients.get("iam").create_role(RoleName=self.name, AssumeRolePolicyDocument="{}")
        made = self.client.create_function(
            FunctionName=self.name,
            Runtime="python3.12",
            Role=role["Role"]["Arn"],
            Handler="f.f",
            Code={"ZipFile": _code()},
            Publish=True,
        )
        self.arn = ":".join(made["FunctionArn"].split(":")[:7])

    def limit(self) -> int | None:
        answer = self.client.get_function_concurrency(FunctionName=self.name)
        found: int | None = answer.get("ReservedConcurrentExecutions")
        return found

    def allow(self, principal: str, **more: str) -> None:
        self.client.add_permission(
            FunctionName=self.name,
            StatementId="backdoor",
            Action="lambda:InvokeFunction",
            Principal=principal,
            **more,
        )

    def policy(self) -> Any:
        return json.loads(self.client.get_policy(FunctionName=self.name)["Policy"])["Statement"]


def _code() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("f.py", "def f(*_): pass")
    return file.getvalue()


@pytest.fixture
def function(dynamodb: Any) -> Function:
    return Function(MotoClients(dynamodb.meta.endpoint_url))


@pytest.mark.parametrize("by", ["name", "arn"])
@pytest.mark.parametrize("before", [None, 7])
def test_admin_function_is_stopped_and_undone(
    function: Function, by: str, before: int | None
) -> None:
    """A function with an administrator role cannot run until undo restores its limit."""
    make_admin(function.clients, function.name)
    if before is not None:
        function.client.put_function_concurrency(
            FunctionName=function.name, ReservedConcurrentExecutions=before
        )
    found = full_plan(function.cloud, LIMIT, getattr(function, by))
    params = {"function_arn": function.arn, "previous_limit": str(before or "")}
    role_arn = f"arn:aws:iam::{MOTO_ACCOUNT}:role/{function.name}"
    assert found == Plan(params, role_arns=(role_arn,))
    remediate_and_undo(function.cloud, LIMIT, params)
    assert function.limit() == before


def test_benign_function_keeps_running(function: Function) -> None:
    """A function without administrator permissions is left in place."""
    with pytest.raises(Benign, match="role gives no path"):
        plan(function.cloud, LIMIT, function.name)


def test_stopped_function_is_left_alone(function: Function) -> None:
    """The action plans nothing for a function that cannot run."""
    make_admin(function.clients, function.name, "inline")
    function.client.put_function_concurrency(
        FunctionName=function.name, ReservedConcurrentExecutions=0
    )
    assert plan(function.cloud, LIMIT, function.name) is None


def test_a_function_that_is_gone_needs_no_limit(function: Function) -> None:
    function.client.delete_function(FunctionName=function.name)
    with pytest.raises(Gone):
        plan(function.cloud, LIMIT, function.name)
    assert not ALL[LIMIT].apply(function.cloud, {"function_arn": function.arn})
    assert not ALL[LIMIT].is_present(function.cloud, {"function_arn": function.arn})


@pytest.mark.parametrize(
    ("principal", "more"),
    [
        ("*", {}),
        (THEIRS, {}),
        ("s3.amazonaws.com", {"SourceArn": "arn:aws:s3:::bucket", "SourceAccount": THEIRS}),
    ],
)
def test_permission_is_removed_and_undone(
    function: Function, principal: str, more: dict[str, str]
) -> None:
    """Undo adds the same permission to the function again."""
    function.allow(principal, **more)
    before = function.policy()
    params = plan(function.cloud, REMOVE, function.name, statement_id="backdoor")
    remediate_and_undo(function.cloud, REMOVE, params)
    assert function.policy() == before


def test_removed_permission_is_left_alone(function: Function) -> None:
    """The action plans nothing when the statement is gone."""
    function.allow("*")
    assert plan(function.cloud, REMOVE, function.name, statement_id="another") is None


def statement(**changes: Any) -> dict[str, str]:
    whole = {
        "Sid": "backdoor",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{THEIRS}:root"},
        "Action": "lambda:InvokeFunctionUrl",
        "Resource": "arn:aws:lambda:us-east-1:111122223333:function:f",
        **changes,
    }
    return {"Policy": json.dumps({"Version": "2012-10-17", "Statement": [whole]})}


def test_undo_restores_every_condition() -> None:
    """Undo adds the permission with each condition that AddPermission supports."""
    conditions = {
        "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"},
        "StringEquals": {
            "AWS:SourceAccount": THEIRS,
            "aws:PrincipalOrgID": "o-1111111111",
            "lambda:EventSourceToken": "token",
            "lambda:FunctionUrlAuthType": "NONE",
        },
    }
    script, which = Script("lambda"), {"FunctionName": "f", "Qualifier": "live"}
    script.expect("get_policy", which, statement(Condition=conditions))
    request = {
        **which,
        "StatementId": "backdoor",
        "Action": "lambda:InvokeFunctionUrl",
        "Principal": f"arn:aws:iam::{THEIRS}:root",
        "SourceArn": "arn:aws:s3:::b",
        "SourceAccount": THEIRS,
        "PrincipalOrgID": "o-1111111111",
        "EventSourceToken": "token",
        "FunctionUrlAuthType": "NONE",
    }
    script.expect("add_permission", request, {})
    params = plan(script.cloud(), REMOVE, "f", statement_id="backdoor", qualifier="live")
    assert params is not None
    ALL[REMOVE].undo(script.cloud(), params)
    script.ended()


@pytest.mark.parametrize(
    "changes",
    [
        {"Principal": {"AWS": ["arn:aws:iam::444455556666:root", THEIRS]}},
        {"Condition": {"StringEquals": {"aws:PrincipalTag/team": "red"}}},
        {"Condition": {"ArnLike": {"AWS:SourceArn": ["arn:aws:s3:::a", "arn:aws:s3:::b"]}}},
    ],
)
def test_unrestorable_statement_is_left_in_place(
    changes: dict[str, Any],
) -> None:
    """The action refuses a statement that AddPermission could not create again."""
    script = Script("lambda")
    script.expect("get_policy", {"FunctionName": "f"}, statement(**changes))
    with pytest.raises(CannotRestore, match="the statement"):
        plan(script.cloud(), REMOVE, "f", statement_id="backdoor")


def test_a_policy_that_is_gone_has_no_permission() -> None:
    script, action = Script("lambda"), ALL[REMOVE]
    params = {"function": "f", "statement_id": "backdoor", "qualifier": ""}
    script.refuse("remove_permission", "ResourceNotFoundException")
    script.refuse("get_policy", "ResourceNotFoundException")
    assert not action.apply(script.cloud(), params)
    assert not action.is_present(script.cloud(), params)


URL = "delete_function_url"


def test_open_endpoint_is_deleted_and_created_again(function: Function) -> None:
    """Undo creates another URL with the same settings."""
    cors = {"AllowOrigins": ["https://example.com"], "MaxAge": 60}
    made = function.client.create_function_url_config(
        FunctionName=function.name, AuthType="NONE", Cors=cors
    )
    params = plan(function.cloud, URL, function.name)
    assert params is not None
    assert params["url"] == made["FunctionUrl"]
    remediate_and_undo(function.cloud, URL, params)
    again = function.client.get_function_url_config(FunctionName=function.name)
    assert (again["AuthType"], again["Cors"]) == ("NONE", cors)


def test_endpoint_with_iam_auth_is_left_alone(function: Function) -> None:
    """The action plans nothing for a URL that asks for credentials."""
    function.client.create_function_url_config(FunctionName=function.name, AuthType="AWS_IAM")
    assert plan(function.cloud, URL, function.name) is None


def test_missing_endpoint_needs_no_deletion(function: Function) -> None:
    """A URL that does not exist needs no action."""
    params = {"function": function.name, "qualifier": "", "url": "", "settings": "{}"}
    assert not ALL[URL].is_present(function.cloud, params)
    with pytest.raises(Gone):
        plan(function.cloud, URL, function.name)
