"""Actions on the console password of a user, against moto's IAM. Neither can be undone."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from botocore.stub import ANY, Stubber

from countermand.actions import ALL
from countermand.aws.clients import Clients
from countermand.aws.cloud import AwsCloud
from countermand.core.errors import CannotRestore, Gone, Transient
from countermand.core.model import Call, Mode, Step, StepStatus, Subject, SubjectKind
from countermand.metrics import Metrics
from countermand.pipeline.remediate import Remediator
from support.accounts import Account
from support.fakes import FrozenClock
from support.steps import new_client

DELETE, SCRAMBLE = ALL["delete_login_profile"], ALL["scramble_login_profile"]
MADE = datetime(2026, 11, 23, 12, tzinfo=UTC)
PARAMS = {"user_name": "iam-test-user", "created": MADE.isoformat()}


@pytest.fixture
def account(dynamodb: Any) -> Account:
    return Account(dynamodb.meta.endpoint_url)


def subject(account: Account) -> Subject:
    return Subject(SubjectKind.USER, account.name)


def set_password(account: Account) -> None:
    account.iam.create_login_profile(UserName=account.name, Password="Correct-horse-1")


def test_password_is_deleted_without_undo(account: Account) -> None:
    """Undo says what an administrator must do."""
    set_password(account)
    params = account.plan(DELETE.info.name, subject(account))
    assert params is not None
    assert DELETE.is_present(account.cloud, params)
    assert DELETE.apply(account.cloud, params)
    assert not DELETE.is_present(account.cloud, params)
    with pytest.raises(CannotRestore, match="then a new password"):
        DELETE.undo(account.cloud, params)
    assert not DELETE.is_present(account.cloud, params)


def test_newer_password_is_left_alone(account: Account) -> None:
    """The action deletes no profile that is newer than the plan."""
    set_password(account)
    params = account.plan(DELETE.info.name, subject(account))
    assert params is not None
    earlier = datetime.fromisoformat(params["created"]) - timedelta(seconds=1)
    older = {**params, "created": earlier.isoformat()}
    assert not DELETE.is_present(account.cloud, older)
    assert not DELETE.apply(account.cloud, older)
    assert DELETE.is_present(account.cloud, params)


@pytest.mark.parametrize("name", [DELETE.info.name, SCRAMBLE.info.name])
def test_a_user_without_password_needs_nothing(account: Account, name: str) -> None:
    with pytest.raises(Gone):
        account.plan(name, subject(account))
    params = {"user_name": account.name, "created": MADE.isoformat()}
    assert not ALL[name].is_present(account.cloud, params)
    assert not ALL[name].apply(account.cloud, params)


def test_password_is_scrambled_without_undo(
    account: Account,
) -> None:
    """Undo says what an administrator must do."""
    set_password(account)
    params = account.plan(SCRAMBLE.info.name, subject(account))
    assert params == {"user_name": account.name}
    assert SCRAMBLE.is_present(account.cloud, params)
    assert SCRAMBLE.apply(account.cloud, params)
    assert not SCRAMBLE.is_present(account.cloud, params)
    with pytest.raises(CannotRestore, match="then a new password"):
        SCRAMBLE.undo(account.cloud, params)
    assert not SCRAMBLE.is_present(account.cloud, params)


# --- what moto does not do: botocore checks every call and answer


class StubbedIam:
    """IAM's answers in order."""

    def __init__(self) -> None:
        self.client = new_client("iam")
        self.stub = Stubber(self.client)
        self.stub.activate()
        self.cloud = AwsCloud(cast("Clients", self))

    def get(self, service: str) -> Any:
        assert service == "iam"
        return self.client

    def has_profile(self) -> None:
        profile = {"UserName": "iam-test-user", "CreateDate": MADE}
        self.stub.add_response("get_login_profile", {"LoginProfile": profile})


def test_new_password_is_deleted_on_retry() -> None:
    """IAM refuses to delete a new profile for some seconds, so the step is retried."""
    iam = StubbedIam()
    remediator = Remediator(ALL, iam.cloud, FrozenClock(), Metrics())
    step = Step(
        Call(DELETE.info.name, PARAMS), "login_profile_created_for_another_user", Mode.ENFORCE
    )
    iam.has_profile()
    iam.stub.add_client_error("delete_login_profile", "EntityTemporarilyUnmodifiable")
    first = remediator.run(step)
    assert (first.status, first.final) == (StepStatus.FAILED, False)
    assert "EntityTemporarilyUnmodifiable" in first.detail
    iam.has_profile()
    iam.stub.add_response("delete_login_profile", {}, {"UserName": "iam-test-user"})
    iam.stub.add_client_error("get_login_profile", "NoSuchEntity")
    assert remediator.run(step).status is StepStatus.APPLIED
    iam.stub.assert_no_pending_responses()


def test_unmodifiable_password_is_transient() -> None:
    """A profile that IAM cannot change now is worth a retry."""
    iam = StubbedIam()
    iam.stub.add_client_error("update_login_profile", "EntityTemporarilyUnmodifiable")
    with pytest.raises(Transient):
        SCRAMBLE.apply(iam.cloud, PARAMS)


def test_scrambled_password_is_random_and_valid() -> None:
    """Each password is different and meets every password policy."""
    iam, passwords = StubbedIam(), []
    iam.client.meta.events.register(
        "provide-client-params.iam.UpdateLoginProfile",
        lambda params, **_: passwords.append(params["Password"]),
    )
    for _ in range(2):
        iam.stub.add_response(
            "update_login_profile",
            {},
            {"UserName": "iam-test-user", "Password": ANY, "PasswordResetRequired": True},
        )
        assert SCRAMBLE.apply(iam.cloud, PARAMS)
    assert passwords[0] != passwords[1]
    for password in passwords:
        assert 60 < len(password) <= 128
        kinds = (str.isupper, str.islower, str.isdigit, lambda c: c in "!@#$%^&*()_+-=[]{}|'")
        assert all(any(kind(character) for character in password) for kind in kinds)
