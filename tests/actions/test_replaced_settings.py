"""Providers, trails, password policies and names that were changed, against moto."""

import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from countermand.actions import ALL
from countermand.core.errors import CannotRestore
from countermand.core.model import Aspect, Principal, Subject, SubjectKind
from countermand.live.values import READERS
from support.fakes import user
from support.findings import a_finding
from support.steps import MotoClients, Script, plan, remediate_and_undo

METADATA, EVIL = (
    f'<EntityDescriptor entityID="https://{who}.example.com">{"x" * 1000}</EntityDescriptor>'
    for who in ("idp", "evil")
)
THUMBPRINT, OTHER = "9e99a48a9960b14926bb7f3b02e22da2b0ab7280", "1" * 40


@pytest.fixture
def clients(dynamodb: Any) -> MotoClients:
    return MotoClients(dynamodb.meta.endpoint_url)


@pytest.fixture
def name() -> str:
    return f"iam-test-{uuid.uuid4().hex[:12]}"


def a_saml_provider(clients: MotoClients, name: str) -> tuple[str, Callable[[], object]]:
    iam = clients.get("iam")
    arn = iam.create_saml_provider(Name=name, SAMLMetadataDocument=METADATA)["SAMLProviderArn"]
    return arn, lambda: iam.update_saml_provider(SAMLProviderArn=arn, SAMLMetadataDocument=EVIL)


def an_oidc_provider(clients: MotoClients, name: str) -> tuple[str, Callable[[], object]]:
    iam = clients.get("iam")
    made = iam.create_open_id_connect_provider(
        Url=f"https://{name}.example.com", ThumbprintList=[THUMBPRINT]
    )
    arn = made["OpenIDConnectProviderArn"]
    return arn, lambda: iam.update_open_id_connect_provider_thumbprint(
        OpenIDConnectProviderArn=arn, ThumbprintList=[OTHER]
    )


def a_trail(clients: MotoClients, name: str) -> tuple[str, Callable[[], object]]:
    cloudtrail, s3 = clients.get("cloudtrail"), clients.get("s3")
    for bucket in (name, f"{name}-evil"):
        s3.create_bucket(Bucket=bucket)
    cloudtrail.create_trail(Name=name, S3BucketName=name, IsMultiRegionTrail=True)
    return name, lambda: cloudtrail.update_trail(
        Name=name, S3BucketName=f"{name}-evil", S3KeyPrefix="x", IsMultiRegionTrail=False
    )


def a_password_policy(clients: MotoClients, _name: str) -> tuple[str, Callable[[], object]]:
    iam = clients.get("iam")
    iam.update_account_password_policy(MinimumPasswordLength=20, RequireSymbols=True)
    return "123456789012", lambda: iam.update_account_password_policy(MinimumPasswordLength=6)


def a_password_policy_that_is_deleted(
    clients: MotoClients, name: str
) -> tuple[str, Callable[[], object]]:
    target, _ = a_password_policy(clients, name)
    return target, clients.get("iam").delete_account_password_policy


def no_password_policy(clients: MotoClients, name: str) -> tuple[str, Callable[[], object]]:
    target, change = a_password_policy(clients, name)
    clients.get("iam").delete_account_password_policy()
    return target, change


@pytest.mark.parametrize(
    ("action", "aspect", "make"),
    [
        ("restore_saml_metadata", Aspect.SAML_METADATA, a_saml_provider),
        ("restore_oidc_thumbprints", Aspect.OIDC_THUMBPRINTS, an_oidc_provider),
        ("restore_trail", Aspect.TRAIL, a_trail),
        ("restore_password_policy", Aspect.PASSWORD_POLICY, a_password_policy),
        ("restore_password_policy", Aspect.PASSWORD_POLICY, a_password_policy_that_is_deleted),
        ("restore_password_policy", Aspect.PASSWORD_POLICY, no_password_policy),
    ],
)
def test_setting_is_restored_and_undone(
    clients: MotoClients,
    name: str,
    action: str,
    aspect: Aspect,
    make: Callable[[MotoClients, str], tuple[str, Callable[[], object]]],
) -> None:
    """The action restores the previous value, and undo the changed one."""
    target, change = make(clients, name)
    cloud, read = clients.cloud(), READERS[aspect].value
    previous = read(cloud, target)
    assert plan(cloud, action, target, previous=previous) is None
    change()
    changed = read(cloud, target)
    assert changed != previous
    params = plan(cloud, action, target, previous=previous)
    assert params is not None
    ALL[action].apply(cloud, params)
    assert read(cloud, target) == previous
    ALL[action].undo(cloud, params)
    assert read(cloud, target) == changed
    remediate_and_undo(cloud, action, params)


@pytest.mark.parametrize(
    ("before", "now", "weaker"),
    [
        ({"MinimumPasswordLength": 8}, {"MinimumPasswordLength": 12}, False),
        ({"MinimumPasswordLength": 12}, {"MinimumPasswordLength": 8}, True),
        ({"MinimumPasswordLength": 8}, {}, True),
        (None, {"MinimumPasswordLength": 8}, False),
        (None, {"MinimumPasswordLength": 7, "RequireSymbols": True}, True),
        ({"RequireNumbers": True}, {"MinimumPasswordLength": 12}, True),
        ({"MinimumPasswordLength": 7}, {"MinimumPasswordLength": 7, "RequireNumbers": True}, False),
        ({"PasswordReusePrevention": 5}, {"PasswordReusePrevention": 4}, True),
        ({}, {"PasswordReusePrevention": 4}, False),
        ({"MaxPasswordAge": 90}, {"MaxPasswordAge": 91}, True),
        ({"MaxPasswordAge": 90}, {}, True),
        ({"MaxPasswordAge": 90}, {"MaxPasswordAge": 60}, False),
        ({"MinimumPasswordLength": 20}, None, True),
        ({"MinimumPasswordLength": 8}, None, False),
    ],
)
def test_only_weaker_password_policy_is_reverted(
    clients: MotoClients, before: dict[str, Any] | None, now: dict[str, Any] | None, weaker: bool
) -> None:
    """The action leaves a password policy that asks for no less."""
    iam, cloud, name = clients.get("iam"), clients.cloud(), "123456789012"

    def put(policy: dict[str, Any] | None) -> str:
        if policy is not None:
            iam.update_account_password_policy(**policy)
        else:
            iam.delete_account_password_policy()
        return READERS[Aspect.PASSWORD_POLICY].value(cloud, name)

    put({"MinimumPasswordLength": 9})
    previous = put(before)
    put({"MinimumPasswordLength": 9})
    put(now)
    if weaker:
        assert plan(cloud, "restore_password_policy", name, previous=previous) is not None
    else:
        with pytest.raises(CannotRestore, match="asks for no less than the previous one"):
            plan(cloud, "restore_password_policy", name, previous=previous)


@pytest.mark.parametrize("reader", READERS.values(), ids=[str(a) for a in READERS])
def test_what_is_listed_can_be_read(clients: MotoClients, name: str, reader: Any) -> None:
    for make in (a_saml_provider, an_oidc_provider, a_trail, a_password_policy):
        make(clients, name)
    names = list(reader.names(clients.cloud()))
    assert names
    assert all(reader.value(clients.cloud(), each) for each in names)


@pytest.mark.parametrize(
    ("previous", "deleted", "why"),
    [(METADATA, True, "it is deleted now"), ("", False, "it was not there before")],
)
def test_missing_provider_cannot_be_restored(
    clients: MotoClients, name: str, previous: str, deleted: bool, why: str
) -> None:
    """The action refuses a provider that is deleted or new."""
    arn, _ = a_saml_provider(clients, name)
    if deleted:
        clients.get("iam").delete_saml_provider(SAMLProviderArn=arn)
    with pytest.raises(CannotRestore, match=why):
        plan(clients.cloud(), "restore_saml_metadata", arn, previous=previous)


def test_new_setting_is_emptied() -> None:
    """The action removes a setting that the change added."""
    script = Script("cloudtrail")
    before = {"S3BucketName": "logs", "EnableLogFileValidation": True}
    now = before | {"KmsKeyId": "arn:aws:kms:us-east-1:444455556666:key/evil"}
    trail = {"S3BucketName": "logs", "LogFileValidationEnabled": True}
    shown = {"Trail": trail | {"KmsKeyId": now["KmsKeyId"]}}
    script.expect("get_trail", {"Name": "audit"}, shown)
    script.expect("update_trail", {"Name": "audit", "KmsKeyId": ""}, {})
    params = plan(script.cloud(), "restore_trail", "audit", previous=json.dumps(before))
    assert params is not None
    assert ALL["restore_trail"].apply(script.cloud(), params)
    script.ended()


def test_log_group_of_trail_is_not_restored() -> None:
    """The action refuses to restore a log group, which needs iam:PassRole."""
    script = Script("cloudtrail")
    role = "arn:aws:iam::123456789012:role/logs"
    before = json.dumps({"S3BucketName": "logs", "CloudWatchLogsRoleArn": role})
    shown = {"Trail": {"S3BucketName": "logs", "LogFileValidationEnabled": True}}
    script.expect("get_trail", {"Name": "audit"}, shown)
    with pytest.raises(CannotRestore, match="may not pass the role"):
        plan(script.cloud(), "restore_trail", "audit", previous=before)


@pytest.mark.parametrize(
    ("action", "service", "operation"),
    [
        ("restore_saml_metadata", "iam", "update_saml_provider"),
        ("restore_trail", "cloudtrail", "update_trail"),
    ],
)
def test_deleted_target_needs_no_restoring(action: str, service: str, operation: str) -> None:
    """A target that does not exist needs no action."""
    script = Script(service)
    code = "NoSuchEntity" if service == "iam" else "TrailNotFoundException"
    script.refuse(operation, code)
    arn = "arn:aws:iam::123456789012:saml-provider/corp"
    previous = METADATA if service == "iam" else '{"S3KeyPrefix": "x"}'
    params = {"name": arn, "value": "{}", "previous": previous}
    assert not ALL[action].apply(script.cloud(), params)


# --- names


def look_at(clients: MotoClients, found: Principal, **evidence: str) -> Mapping[str, str] | None:
    subject = Subject(SubjectKind.USER, found.name)
    finding = a_finding(subject=subject, evidence=evidence)
    planned = ALL["rename_user_back"].plan(clients.cloud(), finding, found)
    return None if planned is None else planned.params


def test_user_name_is_restored_and_undone(clients: MotoClients, name: str) -> None:
    """The action restores the previous name, and undo the new one."""
    iam = clients.get("iam")
    created = iam.create_user(UserName=name)["User"]["UserId"]
    iam.update_user(UserName=name, NewUserName=f"{name}-x")
    renamed = user(f"{name}-x", unique_id=created)
    params = look_at(clients, renamed, previous=name)
    remediate_and_undo(clients.cloud(), "rename_user_back", params)
    assert iam.get_user(UserName=f"{name}-x")["User"]["UserId"] == created


def test_other_user_of_new_name_is_left_alone(clients: MotoClients, name: str) -> None:
    """The action renames no other user that has the new name."""
    clients.get("iam").create_user(UserName=name)
    params = {"user_name": name, "user_id": "AIDAOTHER", "previous_name": "x"}
    assert not ALL["rename_user_back"].is_present(clients.cloud(), params)


def test_unchanged_name_or_new_path_is_left_alone(clients: MotoClients, name: str) -> None:
    """The action needs a changed name and an unchanged path."""
    same = user(name)
    assert look_at(clients, same, previous=name) is None
    with pytest.raises(CannotRestore, match="path"):
        look_at(clients, same, previous="old", new_path="/x/")


def test_missing_user_needs_no_name(clients: MotoClients, name: str) -> None:
    params = {"user_name": name, "user_id": "AIDA", "previous_name": "x"}
    assert not ALL["rename_user_back"].is_present(clients.cloud(), params)
    assert not ALL["rename_user_back"].apply(clients.cloud(), params)
