"""Inline policies of a fixed name that deny, against moto's IAM: put, seen, undone, seen."""

import json
from typing import Any

import pytest

from countermand.actions import ALL
from countermand.actions.iam import deny_without_mfa, revoke_sessions
from countermand.core.errors import CannotRestore
from countermand.core.model import Subject, SubjectKind
from countermand.core.policies.evaluate import Holder, evaluate_policies
from support.accounts import READ, Account

USER, ROLE = SubjectKind.USER, SubjectKind.ROLE
REVOKE = revoke_sessions.POLICY_NAME
MFA = deny_without_mfa.POLICY_NAME
ACTIONS = [
    ("deny_without_mfa", USER, MFA),
    ("revoke_user_sessions", USER, REVOKE),
    ("revoke_role_sessions", ROLE, REVOKE),
]
NOON = "2026-11-23T12:00:00Z"


@pytest.fixture
def account(dynamodb: Any) -> Account:
    return Account(dynamodb.meta.endpoint_url)


def plan(account: Account, action: str, kind: SubjectKind, issued_at: str = NOON) -> Any:
    return account.plan(action, Subject(kind, account.name), issued_at=issued_at)


def put(account: Account, kind: SubjectKind, name: str, document: str) -> None:
    call = getattr(account.iam, f"put_{kind}_policy")
    entity = {f"{kind.capitalize()}Name": account.name}
    call(**entity, PolicyName=name, PolicyDocument=document)


def inline(account: Account, kind: SubjectKind) -> dict[str, Any]:
    entity = {f"{kind.capitalize()}Name": account.name}
    names = getattr(account.iam, f"list_{kind}_policies")(**entity)["PolicyNames"]
    get = getattr(account.iam, f"get_{kind}_policy")
    return {name: get(**entity, PolicyName=name)["PolicyDocument"] for name in names}


@pytest.mark.parametrize(("action", "kind", "name"), ACTIONS)
def test_inline_denial_is_put_and_undone(
    account: Account, action: str, kind: SubjectKind, name: str
) -> None:
    """The policy only denies, and undo deletes it."""
    params = plan(account, action, kind)
    assert params["previous"] == ""
    account.remediate_and_undo(action, params)
    assert inline(account, kind) == {}
    ALL[action].apply(account.cloud, params)
    (document,) = inline(account, kind).values()
    assert [statement["Effect"] for statement in document["Statement"]] == ["Deny"]
    assert list(inline(account, kind)) == [name]
    assert not evaluate_policies({name: document}, Holder("123456789012")).privilege.is_risk


@pytest.mark.parametrize(("action", "kind", "name"), ACTIONS)
def test_undo_restores_policy_of_same_name(
    account: Account, action: str, kind: SubjectKind, name: str
) -> None:
    """Undo restores a policy that had the name of the denial."""
    put(account, kind, name, READ)
    account.remediate_and_undo(action, plan(account, action, kind))
    assert inline(account, kind) == {name: json.loads(READ)}


@pytest.mark.parametrize(("action", "kind", "name"), ACTIONS)
def test_existing_denial_is_left_alone(
    account: Account, action: str, kind: SubjectKind, name: str
) -> None:
    """The action plans nothing when the denial exists."""
    assert name
    ALL[action].apply(account.cloud, plan(account, action, kind))
    assert plan(account, action, kind) is None


@pytest.mark.parametrize(("action", "kind", "name"), ACTIONS)
def test_deleted_principal_is_not_denied(
    account: Account, action: str, kind: SubjectKind, name: str
) -> None:
    """A principal that does not exist needs no action."""
    assert name
    params = {**plan(account, action, kind), f"{kind}_name": f"{account.name}-gone"}
    assert not ALL[action].apply(account.cloud, params)


def test_access_keys_work_without_mfa(account: Account) -> None:
    """The policy denies sessions without MFA, but no request with an access key."""
    params = plan(account, "deny_without_mfa", USER)
    (statement,) = json.loads(params["policy_document"])["Statement"]
    assert (statement["Action"], statement["Resource"]) == (["*"], ["*"])
    # A request with an access key has no such key: Bool is not met, BoolIfExists would be.
    assert statement["Condition"] == {"Bool": {"aws:MultiFactorAuthPresent": "false"}}


@pytest.mark.parametrize("kind", [USER, ROLE])
@pytest.mark.parametrize(
    ("issued_at", "before"),
    [
        (NOON, "2026-11-23T12:00:01Z"),
        ("2026-11-23T13:00:00+01:00", "2026-11-23T12:00:01Z"),
        ("2026-11-23T12:00:00", "2026-11-23T12:00:01Z"),
        ("2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"),
    ],
)
def test_session_of_event_is_denied(
    account: Account, kind: SubjectKind, issued_at: str, before: str
) -> None:
    """The revocation covers the second in which the session was issued."""
    action = f"revoke_{kind}_sessions"
    params = plan(account, action, kind, issued_at)
    ALL[action].apply(account.cloud, params)
    (statement,) = inline(account, kind)[REVOKE]["Statement"]
    assert statement["Condition"] == {"DateLessThan": {"aws:TokenIssueTime": before}}


@pytest.mark.parametrize("kind", [USER, ROLE])
@pytest.mark.parametrize(
    "issued_at", ["", "noon", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"]
)
def test_invalid_time_revokes_nothing(account: Account, kind: SubjectKind, issued_at: str) -> None:
    """The action refuses an event without a valid time of issue."""
    with pytest.raises(CannotRestore, match="does not say when"):
        plan(account, f"revoke_{kind}_sessions", kind, issued_at)


@pytest.mark.parametrize("kind", [USER, ROLE])
def test_later_revocation_is_kept(account: Account, kind: SubjectKind) -> None:
    """An earlier event never narrows a later revocation."""
    action = ALL[f"revoke_{kind}_sessions"]
    earlier = plan(account, action.info.name, kind, "2026-11-23T11:00:00Z")
    later = plan(account, action.info.name, kind)
    action.apply(account.cloud, later)
    before = inline(account, kind)
    assert plan(account, action.info.name, kind, "2026-11-23T11:00:00Z") is None
    assert not action.apply(account.cloud, earlier)
    action.undo(account.cloud, earlier)
    assert inline(account, kind) == before


@pytest.mark.parametrize("kind", [USER, ROLE])
@pytest.mark.parametrize(
    "change",
    [
        {"Effect": "Allow"},
        {"Action": ["s3:*"]},
        {"Resource": ["arn:aws:s3:::x"]},
        {"Condition": {"DateLessThan": {"aws:TokenIssueTime": "2027-01-01T00:00:00"}}},
        {"Condition": {"DateLessThan": {"aws:TokenIssueTime": ["2027-01-01T00:00:00Z"]}}},
        {"Condition": {}},
    ],
)
def test_false_revocation_is_replaced(
    account: Account, kind: SubjectKind, change: dict[str, Any]
) -> None:
    """Only the document that the console writes counts as a revocation."""
    action = ALL[f"revoke_{kind}_sessions"]
    params = plan(account, action.info.name, kind)
    statement = revoke_sessions._denial("2027-01-01T00:00:00Z")["Statement"][0] | change
    put(account, kind, REVOKE, json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert action.is_present(account.cloud, params)
    assert action.apply(account.cloud, params)
    assert not action.is_present(account.cloud, params)
