"""Actions on inline policies, versions, groups, boundaries and deny policies, against moto's IAM:
look, apply, verify, undo, verify.
"""

import json
import uuid
from collections.abc import Mapping
from typing import Any, cast

import botocore.session
import pytest

from countermand.actions import ALL
from countermand.aws.clients import Clients
from countermand.aws.cloud import AwsCloud
from countermand.aws.iam import IamIdentities
from countermand.core.checks import PROTECTED_DENY_ARNS
from countermand.core.errors import CannotRestore
from countermand.core.model import Finding, Principal, Severity, Subject, SubjectKind

ADMIN_ARN = "arn:aws:iam::aws:policy/AdministratorAccess"
DENY_ALL = "arn:aws:iam::aws:policy/AWSDenyAll"
KINDS = (SubjectKind.USER, SubjectKind.ROLE, SubjectKind.GROUP)


def document(action: str, resource: str = "*") -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust(principal: object) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


ADMIN = document("*")
READ = document("s3:GetObject")
OWN = trust({"AWS": "arn:aws:iam::123456789012:root"})
FOREIGN = trust({"AWS": "arn:aws:iam::444455556666:root"})


class MotoClients:
    """Clients of moto's server, as `AwsCloud` asks for them."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def get(self, service: str) -> Any:
        return botocore.session.get_session().create_client(
            service,
            region_name="us-east-1",
            endpoint_url=self._endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


class Account:
    """An AWS account with a user, role, group and policy of one name, which no other test uses."""

    def __init__(self, endpoint: str) -> None:
        clients = MotoClients(endpoint)
        self.name = f"iam-test-{uuid.uuid4().hex[:12]}"
        self.iam = clients.get("iam")
        self.cloud = AwsCloud(cast("Clients", clients))
        self.iam.create_user(UserName=self.name)
        self.iam.create_group(GroupName=self.name)
        self.iam.create_role(RoleName=self.name, AssumeRolePolicyDocument=OWN)
        policy = self.iam.create_policy(PolicyName=self.name, PolicyDocument=READ)
        self.policy_arn = policy["Policy"]["Arn"]

    def put_inline(self, kind: SubjectKind, text: str) -> None:
        put = getattr(self.iam, f"put_{kind}_policy")
        name = {f"{kind.capitalize()}Name": self.name}
        put(**name, PolicyName="inline", PolicyDocument=text)

    def look(self, action: str, subject: Subject, **evidence: str) -> Mapping[str, str] | None:
        finding = Finding("rule", "title", Severity.HIGH, subject, evidence, action)
        principal: Principal | None = None
        if subject.kind.is_principal:
            principal = IamIdentities(self.iam).read(subject)
        return ALL[action].look(self.cloud, finding, principal)

    def take_back_and_undo(self, action: str, params: Mapping[str, str] | None) -> None:
        """The life of a step, with a look at IAM after each part."""
        assert params is not None
        assert all(isinstance(value, str) for value in params.values())
        done = ALL[action]
        assert done.present(self.cloud, params)
        assert done.apply(self.cloud, params)
        assert not done.present(self.cloud, params)
        done.undo(self.cloud, params)
        assert done.present(self.cloud, params)


@pytest.fixture
def account(dynamodb: Any) -> Account:
    return Account(dynamodb.meta.endpoint_url)


@pytest.mark.parametrize("kind", KINDS)
def test_an_inline_policy_is_deleted_and_comes_back_as_it_was(
    account: Account, kind: SubjectKind
) -> None:
    account.put_inline(kind, ADMIN)
    action = f"delete_{kind}_inline_policy"
    params = account.look(action, Subject(kind, account.name), policy_name="inline")
    account.take_back_and_undo(action, params)
    get = getattr(account.iam, f"get_{kind}_policy")
    answer = get(**{f"{kind.capitalize()}Name": account.name}, PolicyName="inline")
    assert answer["PolicyDocument"] == json.loads(ADMIN)


@pytest.mark.parametrize("kind", KINDS)
def test_an_inline_policy_that_was_made_harmless_since_is_left_alone(
    account: Account, kind: SubjectKind
) -> None:
    account.put_inline(kind, READ)
    action = f"delete_{kind}_inline_policy"
    assert account.look(action, Subject(kind, account.name), policy_name="inline") is None


def test_an_inline_policy_that_is_gone_needs_no_deletion(account: Account) -> None:
    account.put_inline(SubjectKind.USER, ADMIN)
    action = "delete_user_inline_policy"
    params = account.look(action, Subject(SubjectKind.USER, account.name), policy_name="inline")
    assert params is not None
    account.iam.delete_user_policy(UserName=account.name, PolicyName="inline")
    assert not ALL[action].present(account.cloud, params)
    assert not ALL[action].apply(account.cloud, params)


def _version(account: Account, text: str, *, default: bool = True) -> str:
    answer = account.iam.create_policy_version(
        PolicyArn=account.policy_arn, PolicyDocument=text, SetAsDefault=default
    )
    return str(answer["PolicyVersion"]["VersionId"])


def test_the_version_before_it_becomes_the_default_again(account: Account) -> None:
    version_id = _version(account, ADMIN)
    subject = Subject(SubjectKind.POLICY, account.policy_arn)
    params = account.look("set_default_policy_version", subject, version_id=version_id)
    assert params is not None
    assert params["previous_version_id"] == "v1"
    account.take_back_and_undo("set_default_policy_version", params)


@pytest.mark.parametrize("text", [READ, ADMIN])
def test_a_version_is_left_alone_that_is_harmless_or_not_the_default(
    account: Account, text: str
) -> None:
    version_id = _version(account, text, default=text == READ)
    subject = Subject(SubjectKind.POLICY, account.policy_arn)
    assert account.look("set_default_policy_version", subject, version_id=version_id) is None


def test_a_version_that_grants_admin_rights_too_is_never_put_back(account: Account) -> None:
    _version(account, ADMIN)
    version_id = _version(account, document("iam:*"))
    subject = Subject(SubjectKind.POLICY, account.policy_arn)
    with pytest.raises(CannotRestore, match="v2"):
        account.look("set_default_policy_version", subject, version_id=version_id)


def test_a_policy_with_one_version_has_nothing_to_go_back_to(account: Account) -> None:
    policy = account.iam.create_policy(PolicyName=f"{account.name}-admin", PolicyDocument=ADMIN)
    subject = Subject(SubjectKind.POLICY, policy["Policy"]["Arn"])
    with pytest.raises(CannotRestore, match="no other version"):
        account.look("set_default_policy_version", subject, version_id="v1")


@pytest.mark.parametrize("how", ["attached", "inline"])
def test_a_user_leaves_a_group_of_administrators_and_comes_back(account: Account, how: str) -> None:
    if how == "attached":
        account.iam.attach_group_policy(GroupName=account.name, PolicyArn=ADMIN_ARN)
    else:
        account.put_inline(SubjectKind.GROUP, ADMIN)
    account.iam.add_user_to_group(GroupName=account.name, UserName=account.name)
    subject = Subject(SubjectKind.USER, account.name)
    params = account.look("remove_user_from_group", subject, group_name=account.name)
    account.take_back_and_undo("remove_user_from_group", params)


def test_a_user_leaves_a_group_whose_own_policy_grants_admin_by_another_name(
    account: Account,
) -> None:
    policy = account.iam.create_policy(PolicyName=f"{account.name}-x", PolicyDocument=ADMIN)
    account.iam.attach_group_policy(GroupName=account.name, PolicyArn=policy["Policy"]["Arn"])
    account.iam.add_user_to_group(GroupName=account.name, UserName=account.name)
    subject = Subject(SubjectKind.USER, account.name)
    params = account.look("remove_user_from_group", subject, group_name=account.name)
    account.take_back_and_undo("remove_user_from_group", params)


def test_a_user_stays_in_a_group_whose_inline_policy_denies_what_another_allows(
    account: Account,
) -> None:
    account.iam.attach_group_policy(GroupName=account.name, PolicyArn=ADMIN_ARN)
    account.put_inline(SubjectKind.GROUP, ADMIN.replace("Allow", "Deny"))
    account.iam.add_user_to_group(GroupName=account.name, UserName=account.name)
    subject = Subject(SubjectKind.USER, account.name)
    assert account.look("remove_user_from_group", subject, group_name=account.name) is None


def test_what_a_group_gives_under_a_condition_is_left_to_a_human(account: Account) -> None:
    conditional = json.loads(ADMIN)
    conditional["Statement"][0]["Condition"] = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    account.put_inline(SubjectKind.GROUP, json.dumps(conditional))
    account.iam.add_user_to_group(GroupName=account.name, UserName=account.name)
    subject = Subject(SubjectKind.USER, account.name)
    with pytest.raises(CannotRestore, match="under a condition"):
        account.look("remove_user_from_group", subject, group_name=account.name)


def test_a_user_stays_in_a_harmless_group(account: Account) -> None:
    account.put_inline(SubjectKind.GROUP, READ)
    account.iam.add_user_to_group(GroupName=account.name, UserName=account.name)
    subject = Subject(SubjectKind.USER, account.name)
    assert account.look("remove_user_from_group", subject, group_name=account.name) is None


@pytest.mark.parametrize("before", ["", ADMIN_ARN])
def test_a_role_with_open_trust_is_denied_all_and_gets_its_boundary_back(
    account: Account, before: str
) -> None:
    account.iam.update_assume_role_policy(RoleName=account.name, PolicyDocument=FOREIGN)
    if before:
        account.iam.put_role_permissions_boundary(RoleName=account.name, PermissionsBoundary=before)
    subject = Subject(SubjectKind.ROLE, account.name)
    params = account.look("deny_role_by_boundary", subject)
    account.take_back_and_undo("deny_role_by_boundary", params)
    role = account.iam.get_role(RoleName=account.name)["Role"]
    assert role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", "") == before


def test_a_role_that_trusts_only_its_own_account_is_left_alone(account: Account) -> None:
    assert account.look("deny_role_by_boundary", Subject(SubjectKind.ROLE, account.name)) is None


@pytest.mark.parametrize("kind", [SubjectKind.USER, SubjectKind.ROLE])
def test_a_detached_deny_policy_is_attached_again(account: Account, kind: SubjectKind) -> None:
    action = f"reattach_{kind}_deny_policy"
    params = account.look(action, Subject(kind, account.name), policy_arn=DENY_ALL)
    account.take_back_and_undo(action, params)


@pytest.mark.parametrize("kind", [SubjectKind.USER, SubjectKind.ROLE])
def test_nothing_but_a_deny_policy_is_ever_attached(account: Account, kind: SubjectKind) -> None:
    action = f"reattach_{kind}_deny_policy"
    assert ADMIN_ARN not in PROTECTED_DENY_ARNS
    assert account.look(action, Subject(kind, account.name), policy_arn=ADMIN_ARN) is None
