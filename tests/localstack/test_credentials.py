"""Credentials made for another user, through the whole worker in enforce mode, and undone."""

import json
import uuid
from pathlib import Path
from typing import Any

from countermand.core.envelope import attach_event
from countermand.core.parse import CLOUDTRAIL_CALL
from support.running import Site, Worker, decision


def happened(site: Site, name: str, request: dict[str, Any], **more: Any) -> str:
    """Send a call to the event bus and return the event ID."""
    record = attach_event(site.account, "someone") | {
        "eventID": str(uuid.uuid4()),
        "eventName": name,
        "requestParameters": request,
        **more,
    }
    site.lab.put_event(record, CLOUDTRAIL_CALL)
    return str(record["eventID"])


def outcome(worker: Worker, event_id: str) -> dict[str, Any]:
    found = decision(worker, event_id)
    assert found["outcome"] == "applied", found
    return found


def test_a_key_is_deactivated_and_undone(site: Site) -> None:
    """Undo activates the key that the caller created for another user."""
    worker, iam, user = site.start(mode="enforce"), site.clients.get("iam"), site.user("key")
    site.lab.create_user(user, {})
    key_id = iam.create_access_key(UserName=user)["AccessKey"]["AccessKeyId"]

    def status() -> str:
        (key,) = iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
        return str(key["Status"])

    answer = {"accessKey": {"userName": user, "accessKeyId": key_id, "status": "Active"}}
    event_id = happened(site, "CreateAccessKey", {"userName": user}, responseElements=answer)
    found = outcome(worker, event_id)
    assert status() == "Inactive"
    done = site.countermand(worker, "undo", found["decision_id"], "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert status() == "Active"

    # The undo is itself such a change: it must not be reverted in turn.
    operator = {"type": "Root", "arn": site.clients.caller().arn, "accountId": site.account}
    request = {"userName": user, "accessKeyId": key_id, "status": "Active"}
    event_id = happened(site, "UpdateAccessKey", request, userIdentity=operator)
    found = decision(worker, event_id)
    assert found["verdict"] == "alert_only", found
    assert "undid the remediation" in json.dumps(found)
    assert status() == "Active"


def test_a_self_set_exception_tag_is_removed(site: Site) -> None:
    worker, iam, user = site.start(mode="enforce"), site.clients.get("iam"), site.user("tag")
    tag = {"SecurityApproved": "true"}
    site.lab.create_user(user, tag)
    himself = attach_event(site.account, user, actor=user)["userIdentity"]
    request = {"userName": user, "tags": [{"key": "SecurityApproved", "value": "true"}]}
    found = outcome(worker, happened(site, "TagUser", request, userIdentity=himself))
    assert iam.list_user_tags(UserName=user)["Tags"] == []
    assert site.countermand(worker, "undo", found["decision_id"], "--yes").returncode == 0
    assert iam.list_user_tags(UserName=user)["Tags"] == [
        {"Key": "SecurityApproved", "Value": "true"}
    ]


def test_an_override_enables_a_remediation(site: Site, tmp_path: Path) -> None:
    """A rule that observes by default reverts the change when an override enables it."""
    asked = ["login_profile_created_for_another_user", "mfa_device_removed_from_another_user"]
    overrides = tmp_path / "overrides.yaml"
    overrides.write_text(json.dumps({rule_id: {"mode": "enforce"} for rule_id in asked}))
    worker = site.start(mode="enforce", rule_overrides=str(overrides))
    iam, user = site.clients.get("iam"), site.user("password")
    site.lab.create_user(user, {})
    iam.create_login_profile(UserName=user, Password="Correct-horse-1")

    found = outcome(worker, happened(site, "CreateLoginProfile", {"userName": user}))
    refused = site.countermand(worker, "undo", found["decision_id"], "--yes")
    assert refused.returncode != 0
    assert "then a new password" in refused.stdout + refused.stderr

    request = {"userName": user, "serialNumber": f"arn:aws:iam::{site.account}:mfa/phone"}
    found = outcome(worker, happened(site, "DeactivateMFADevice", request))
    names = iam.list_user_policies(UserName=user)["PolicyNames"]
    assert names == ["CountermandDenyWithoutMFA"]
    done = site.countermand(worker, "undo", found["decision_id"], "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert iam.list_user_policies(UserName=user)["PolicyNames"] == []
