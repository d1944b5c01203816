"""What moto does not implement and LocalStack does: the permissions boundary of a user."""

import pytest

from countermand.core.model import Subject, SubjectKind
from countermand.lab.localstack import LocalStack
from support.accounts import Account
from support.steps import ADMIN_ARN

ACTION = "restore_user_permissions_boundary"


@pytest.mark.parametrize("now", ["", ADMIN_ARN])
def test_a_boundary_is_restored_and_undone(localstack: LocalStack, now: str) -> None:
    """Undo puts the changed boundary of the user in place again."""
    account = Account(localstack.url)
    account.set_boundary(SubjectKind.USER, now)
    subject = Subject(SubjectKind.USER, account.name)
    account.remediate_and_undo(ACTION, account.plan(ACTION, subject, previous=account.policy_arn))
    user = account.iam.get_user(UserName=account.name)["User"]
    assert user.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", "") == now
