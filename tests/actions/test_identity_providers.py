"""Identity providers that were created or widened, against moto's IAM."""

import uuid
from typing import Any

import pytest

from countermand.actions import ALL
from countermand.core.errors import CannotRestore, Gone
from support.fakes import NOW
from support.steps import MotoClients, Script, plan, remediate_and_undo

METADATA = f'<EntityDescriptor entityID="https://idp.example.com">{"x" * 1000}</EntityDescriptor>'
THUMBPRINT = "9e99a48a9960b14926bb7f3b02e22da2b0ab7280"
OIDC_ARN = "arn:aws:iam::123456789012:oidc-provider/idp.example.com"


@pytest.fixture
def clients(dynamodb: Any) -> MotoClients:
    return MotoClients(dynamodb.meta.endpoint_url)


@pytest.fixture
def name() -> str:
    return f"iam-test-{uuid.uuid4().hex[:12]}"


def test_saml_provider_is_deleted_and_undone(clients: MotoClients, name: str) -> None:
    """Undo creates the SAML provider with the same metadata."""
    iam = clients.get("iam")
    made = iam.create_saml_provider(Name=name, SAMLMetadataDocument=METADATA)
    arn = made["SAMLProviderArn"]
    params = plan(clients.cloud(), "delete_saml_provider", arn)
    remediate_and_undo(clients.cloud(), "delete_saml_provider", params)
    assert iam.get_saml_provider(SAMLProviderArn=arn)["SAMLMetadataDocument"] == METADATA


def test_undo_restores_saml_tags() -> None:
    """Undo creates the SAML provider with the same tags."""
    script, arn = Script("iam"), "arn:aws:iam::123456789012:saml-provider/corp"
    tags = [{"Key": "owner", "Value": "it"}]
    answer = {"SAMLMetadataDocument": METADATA, "Tags": tags, "CreateDate": NOW}
    script.expect("get_saml_provider", {"SAMLProviderArn": arn}, answer)
    request = {"Name": "corp", "SAMLMetadataDocument": METADATA, "Tags": tags}
    script.expect("create_saml_provider", request, {})
    params = plan(script.cloud(), "delete_saml_provider", arn)
    assert params is not None
    ALL["delete_saml_provider"].undo(script.cloud(), params)
    script.ended()


def test_large_saml_metadata_is_refused() -> None:
    """The action refuses metadata that is too large for the ledger."""
    script, arn = Script("iam"), "arn:aws:iam::123456789012:saml-provider/corp"
    answer = {"SAMLMetadataDocument": "x" * 100_001}
    script.expect("get_saml_provider", {"SAMLProviderArn": arn}, answer)
    with pytest.raises(CannotRestore, match="100001 characters"):
        plan(script.cloud(), "delete_saml_provider", arn)


def test_missing_saml_provider_needs_no_deletion(clients: MotoClients, name: str) -> None:
    """A SAML provider that does not exist needs no action."""
    arn = f"arn:aws:iam::123456789012:saml-provider/{name}"
    with pytest.raises(Gone):
        plan(clients.cloud(), "delete_saml_provider", arn)
    assert not ALL["delete_saml_provider"].is_present(clients.cloud(), {"provider_arn": arn})
    script = Script("iam")
    script.refuse("get_saml_provider", "NoSuchEntity")
    assert not ALL["delete_saml_provider"].apply(script.cloud(), {"provider_arn": arn})


def test_missing_oidc_provider_needs_no_deletion(clients: MotoClients) -> None:
    """An OIDC provider that does not exist needs no action."""
    with pytest.raises(Gone):
        plan(clients.cloud(), "delete_oidc_provider", f"{OIDC_ARN}/gone")
    params = {"provider_arn": f"{OIDC_ARN}/gone"}
    assert not ALL["delete_oidc_provider"].apply(clients.cloud(), params)


def test_oidc_provider_is_deleted_and_undone(clients: MotoClients, name: str) -> None:
    """Undo creates the OIDC provider with the same settings."""
    iam = clients.get("iam")
    made = iam.create_open_id_connect_provider(
        Url=f"https://{name}.example.com",
        ClientIDList=["sts.amazonaws.com"],
        ThumbprintList=[THUMBPRINT],
        Tags=[{"Key": "owner", "Value": "ci"}],
    )
    arn = made["OpenIDConnectProviderArn"]
    before = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    params = plan(clients.cloud(), "delete_oidc_provider", arn)
    remediate_and_undo(clients.cloud(), "delete_oidc_provider", params)
    after = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    for key in ("Url", "ClientIDList", "ThumbprintList", "Tags"):
        assert after[key] == before[key]


def provider(*clients: str) -> dict[str, Any]:
    return {"Url": "idp.example.com", "ClientIDList": list(clients)}


def test_client_is_removed_and_added_again() -> None:
    """Undo adds the client ID again."""
    script = Script("iam")
    which = {"OpenIDConnectProviderArn": OIDC_ARN}
    change = {**which, "ClientID": "mallory"}
    for step in ("look", "present", "apply", "removed", "gone", "undo", "back"):
        if step == "removed":
            script.expect("remove_client_id_from_open_id_connect_provider", change, {})
        elif step == "undo":
            script.expect("add_client_id_to_open_id_connect_provider", change, {})
        else:
            left = ("ci",) if step == "gone" else ("ci", "mallory")
            script.expect("get_open_id_connect_provider", which, provider(*left))
    params = plan(script.cloud(), "remove_oidc_client_id", OIDC_ARN, client_id="mallory")
    remediate_and_undo(script.cloud(), "remove_oidc_client_id", params)
    script.ended()


def test_removed_client_is_left_alone() -> None:
    """The action plans nothing when the client ID is gone."""
    script = Script("iam")
    which = {"OpenIDConnectProviderArn": OIDC_ARN}
    for _ in range(2):
        script.expect("get_open_id_connect_provider", which, provider("ci"))
    params = {"provider_arn": OIDC_ARN, "client_id": "mallory"}
    assert plan(script.cloud(), "remove_oidc_client_id", OIDC_ARN, client_id="mallory") is None
    assert not ALL["remove_oidc_client_id"].apply(script.cloud(), params)
    script.ended()
