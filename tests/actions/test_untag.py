"""The exception tag is taken from a user or role and comes back, against moto's IAM."""

from typing import Any

import pytest

from countermand.actions import ALL
from countermand.core.model import Subject, SubjectKind
from support.accounts import Account

KINDS = (SubjectKind.USER, SubjectKind.ROLE)


@pytest.fixture
def account(dynamodb: Any) -> Account:
    return Account(dynamodb.meta.endpoint_url)


def tag(account: Account, kind: SubjectKind, **tags: str) -> None:
    call = getattr(account.iam, f"tag_{kind}")
    name = {f"{kind.capitalize()}Name": account.name}
    call(**name, Tags=[{"Key": key, "Value": value} for key, value in tags.items()])


def tags(account: Account, kind: SubjectKind) -> dict[str, str]:
    call = getattr(account.iam, f"list_{kind}_tags")
    found = call(**{f"{kind.capitalize()}Name": account.name})["Tags"]
    return {tag["Key"]: tag["Value"] for tag in found}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", ["true", "until friday", ""])
def test_exception_tag_is_removed_and_undone(
    account: Account, kind: SubjectKind, value: str
) -> None:
    """Undo sets the exception tag again with the same value."""
    tag(account, kind, SecurityApproved=value, team="a")
    before = tags(account, kind)
    params = account.plan(f"untag_{kind}", Subject(kind, account.name))
    account.remediate_and_undo(f"untag_{kind}", params)
    assert tags(account, kind) == before


@pytest.mark.parametrize("kind", KINDS)
def test_other_tags_stay(account: Account, kind: SubjectKind) -> None:
    tag(account, kind, SecurityApproved="true", team="a")
    params = account.plan(f"untag_{kind}", Subject(kind, account.name))
    assert params is not None
    assert ALL[f"untag_{kind}"].apply(account.cloud, params)
    assert tags(account, kind) == {"team": "a"}
    assert account.plan(f"untag_{kind}", Subject(kind, account.name)) is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_principal_that_was_deleted_has_no_tag(account: Account, kind: SubjectKind) -> None:
    action = ALL[f"untag_{kind}"]
    params = {f"{kind}_name": f"{account.name}-gone", "tag_key": "SecurityApproved"}
    assert not action.is_present(account.cloud, params)
    assert not action.apply(account.cloud, params)
