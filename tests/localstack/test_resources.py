"""Changes to what is no principal, through the whole worker in enforce mode, and undone."""

import json
import time
import uuid
from typing import Any

import pytest

from countermand.core.envelope import attach_event
from countermand.core.parse import CLOUDTRAIL_CALL
from support.running import Site, decision, eventually

METADATA = f"<EntityDescriptor>{'x' * 1000}</EntityDescriptor>"


def happened(site: Site, service: str, name: str, request: Any, answer: Any = None) -> str:
    """Send a call to the event bus and return the event ID."""
    record = attach_event(site.account, "someone") | {
        "eventID": str(uuid.uuid4()),
        "eventSource": f"{service}.amazonaws.com",
        "eventName": name,
        "requestParameters": request,
        "responseElements": answer,
    }
    entry = {
        "Source": f"aws.{service}",
        "DetailType": CLOUDTRAIL_CALL,
        "Detail": json.dumps(record),
    }
    assert site.clients.get("events").put_events(Entries=[entry])["FailedEntryCount"] == 0
    return str(record["eventID"])


def test_an_event_rule_is_enabled_and_undone(site: Site) -> None:
    worker = site.start(mode="enforce", resource_scope="iam-test-*")
    events, rule = site.clients.get("events"), f"iam-test-{uuid.uuid4().hex[:12]}"
    events.put_rule(Name=rule, EventPattern='{"source": ["aws.iam"]}', State="DISABLED")

    found = decision(worker, happened(site, "events", "DisableRule", {"name": rule}))
    assert found["outcome"] == "applied", found
    assert events.describe_rule(Name=rule)["State"] == "ENABLED"

    done = site.countermand(worker, "undo", found["decision_id"], "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert events.describe_rule(Name=rule)["State"] == "DISABLED"


def test_a_saml_provider_is_deleted_and_undone(site: Site) -> None:
    """It is in scope by its ARN."""
    name = f"iam-test-{uuid.uuid4().hex[:12]}"
    worker = site.start(mode="enforce", resource_scope=f"arn:aws:iam::*:saml-provider/{name}")
    iam = site.clients.get("iam")
    arn = iam.create_saml_provider(Name=name, SAMLMetadataDocument=METADATA)["SAMLProviderArn"]

    request, answer = {"name": name, "sAMLMetadataDocument": METADATA}, {"sAMLProviderArn": arn}
    found = decision(worker, happened(site, "iam", "CreateSAMLProvider", request, answer))
    assert found["outcome"] == "applied", found
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_saml_provider(SAMLProviderArn=arn)

    done = site.countermand(worker, "undo", found["decision_id"], "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert iam.get_saml_provider(SAMLProviderArn=arn)["SAMLMetadataDocument"] == METADATA


def test_saml_metadata_is_restored_and_undone(
    site: Site,
) -> None:
    name = f"iam-test-{uuid.uuid4().hex[:12]}"
    iam, evil = site.clients.get("iam"), METADATA.replace("x", "y")
    arn = iam.create_saml_provider(Name=name, SAMLMetadataDocument=METADATA)["SAMLProviderArn"]
    worker = site.start(mode="enforce", resource_scope=name)
    assert eventually(lambda: any(line.get("of") == "saml_metadata" for line in worker.log))
    time.sleep(1)  # CloudTrail's times have no fraction, and the snapshot must be the older

    iam.update_saml_provider(SAMLProviderArn=arn, SAMLMetadataDocument=evil)
    request = {"sAMLProviderArn": arn, "sAMLMetadataDocument": evil}
    found = decision(worker, happened(site, "iam", "UpdateSAMLProvider", request))
    assert found["outcome"] == "applied", found
    assert iam.get_saml_provider(SAMLProviderArn=arn)["SAMLMetadataDocument"] == METADATA

    done = site.countermand(worker, "undo", found["decision_id"], "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert iam.get_saml_provider(SAMLProviderArn=arn)["SAMLMetadataDocument"] == evil


def test_no_resource_is_in_scope_by_default(site: Site) -> None:
    worker, events = site.start(mode="enforce"), site.clients.get("events")
    rule = f"iam-test-{uuid.uuid4().hex[:12]}"
    events.put_rule(Name=rule, EventPattern='{"source": ["aws.iam"]}', State="DISABLED")
    found = decision(worker, happened(site, "events", "DisableRule", {"name": rule}))
    assert found["verdict"] == "alert_only", found
    assert "Resource is out of scope" in str(found)
    assert events.describe_rule(Name=rule)["State"] == "DISABLED"
