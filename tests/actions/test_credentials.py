"""Actions on the keys, certificates and passwords of a user, against moto's IAM: plan, apply,
verify, undo, verify.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from botocore.stub import Stubber
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from countermand.actions import ALL
from countermand.aws.clients import Clients
from countermand.aws.cloud import AwsCloud
from countermand.core.model import Finding, Severity, Subject, SubjectKind
from countermand.ports import Plan
from support.accounts import Account
from support.fakes import user
from support.steps import new_client

CREATED = datetime(2026, 11, 23, tzinfo=UTC)
SSH_KEY = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ"


@pytest.fixture
def account(dynamodb: Any) -> Account:
    return Account(dynamodb.meta.endpoint_url)


def subject(account: Account) -> Subject:
    return Subject(SubjectKind.USER, account.name)


def access_key(account: Account) -> str:
    answer = account.iam.create_access_key(UserName=account.name)
    return str(answer["AccessKey"]["AccessKeyId"])


def ssh_key(account: Account) -> str:
    answer = account.iam.upload_ssh_public_key(UserName=account.name, SSHPublicKeyBody=SSH_KEY)
    return str(answer["SSHPublicKey"]["SSHPublicKeyId"])


def certificate(account: Account) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, account.name)])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    text = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    answer = account.iam.upload_signing_certificate(UserName=account.name, CertificateBody=text)
    return str(answer["Certificate"]["CertificateId"])


CREDENTIALS = [
    ("deactivate_access_key", "access_key_id", access_key),
    ("deactivate_ssh_public_key", "ssh_public_key_id", ssh_key),
    ("deactivate_signing_certificate", "certificate_id", certificate),
]


@pytest.mark.parametrize(("action", "needed", "make"), CREDENTIALS)
def test_credential_is_deactivated_and_undone(
    account: Account, action: str, needed: str, make: Callable[[Account], str]
) -> None:
    """A credential of each kind is inactive after the action, and active after its undo."""
    params = account.plan(action, subject(account), **{needed: make(account)})
    account.remediate_and_undo(action, params)


@pytest.mark.parametrize(("action", "needed", "make"), CREDENTIALS)
def test_inactive_credential_needs_nothing(
    account: Account, action: str, needed: str, make: Callable[[Account], str]
) -> None:
    """The action plans nothing for a credential that is inactive."""
    evidence = {needed: make(account)}
    params = account.plan(action, subject(account), **evidence)
    assert params is not None
    ALL[action].apply(account.cloud, params)
    assert account.plan(action, subject(account), **evidence) is None


@pytest.mark.parametrize(("action", "needed", "make"), CREDENTIALS)
def test_credential_of_another_user_is_kept(
    account: Account, dynamodb: Any, action: str, needed: str, make: Callable[[Account], str]
) -> None:
    """The action never deactivates a credential of another user."""
    other = Account(dynamodb.meta.endpoint_url)
    make(account)
    assert account.plan(action, subject(account), **{needed: make(other)}) is None


@pytest.mark.parametrize(("action", "needed"), [row[:2] for row in CREDENTIALS])
def test_a_credential_that_does_not_exist_is_gone(
    account: Account, action: str, needed: str
) -> None:
    params = {"user_name": f"{account.name}-gone", needed: "EXAMPLEEXAMPLEEXAMPLE000"}
    assert not ALL[action].is_present(account.cloud, params)
    assert not ALL[action].apply(account.cloud, params)


# --- service-specific credentials: moto has none, so botocore checks every call and answer


class StubbedIam:
    """IAM's answers in order; a call that is not the next one, or not IAM's, fails."""

    def __init__(self) -> None:
        self._client = new_client("iam")
        self.stub = Stubber(self._client)
        self.stub.activate()
        self.cloud = AwsCloud(cast("Clients", self))

    def get(self, service: str) -> Any:
        assert service == "iam"
        return self._client

    def lists(self, *statuses: str, asked: dict[str, str] | None = None, more: str = "") -> None:
        found = [
            {
                "UserName": "iam-test-user",
                "Status": status,
                "CreateDate": CREATED,
                "ServiceSpecificCredentialId": f"ACCAEXAMPLEEXAMPLE00{number}",
                "ServiceName": "bedrock.amazonaws.com",
            }
            for number, status in enumerate(statuses)
        ]
        answer: dict[str, Any] = {"ServiceSpecificCredentials": found, "IsTruncated": bool(more)}
        self.stub.add_response(
            "list_service_specific_credentials",
            answer | ({"Marker": more} if more else {}),
            {"UserName": "iam-test-user"} | (asked or {}),
        )

    def updates(self, status: str) -> None:
        self.stub.add_response(
            "update_service_specific_credential",
            {},
            {
                "UserName": "iam-test-user",
                "Status": status,
                "ServiceSpecificCredentialId": CREDENTIAL,
            },
        )


CREDENTIAL = "ACCAEXAMPLEEXAMPLE001"
SERVICE = ALL["deactivate_service_specific_credential"]
FINDING = Finding(
    rule_id="rule",
    title="title",
    severity=Severity.HIGH,
    subject=Subject(SubjectKind.USER, "iam-test-user"),
    evidence={"credential_id": CREDENTIAL},
    remediation=SERVICE.info.name,
)


def test_service_credential_is_deactivated() -> None:
    """The plan of a service-specific credential carries its creation time."""
    iam = StubbedIam()
    iam.lists("Active", "Active")
    params = {"user_name": "iam-test-user", "credential_id": CREDENTIAL}
    assert SERVICE.plan(iam.cloud, FINDING, user()) == Plan(params, created=CREATED)
    iam.updates("Inactive")
    assert SERVICE.apply(iam.cloud, params)
    iam.lists("Active", "Inactive")
    assert not SERVICE.is_present(iam.cloud, params)
    iam.updates("Active")
    SERVICE.undo(iam.cloud, params)
    iam.lists("Active", "Active")
    assert SERVICE.is_present(iam.cloud, params)
    iam.stub.assert_no_pending_responses()


def test_service_credential_on_second_page() -> None:
    """The action reads all pages of the list of credentials."""
    iam = StubbedIam()
    iam.lists("Active", more="next")
    iam.lists("Expired", "Active", asked={"Marker": "next"})
    assert SERVICE.plan(iam.cloud, FINDING, user()) is not None
    iam.stub.assert_no_pending_responses()


def test_deleted_service_credential_is_gone() -> None:
    iam = StubbedIam()
    iam.stub.add_client_error("list_service_specific_credentials", "NoSuchEntity")
    iam.stub.add_client_error("update_service_specific_credential", "NoSuchEntity")
    params = {"user_name": "iam-test-user", "credential_id": CREDENTIAL}
    assert not SERVICE.is_present(iam.cloud, params)
    assert not SERVICE.apply(iam.cloud, params)
