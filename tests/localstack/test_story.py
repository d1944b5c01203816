"""A to D of the story against LocalStack, from an attack to a mail and back."""

import json

from countermand.cloudtrail import ADMIN_POLICY, attach_event
from countermand.core.parse import CLOUDTRAIL_CALL
from running import Site, decision, eventually

PROMISED_KEYS = {
    "event_name",
    "actor_arn",
    "target_user",
    "policy_arn",
    "dry_run",
    "approved_for_remediation",
    "decision_reason",
    "decision_id",
    "event_id",
    "event_time",
    "account_id",
    "region",
    "rule_id",
    "severity",
    "mode",
    "outcome",
}


def test_a_dry_run_tells_people_and_machines_and_leaves_the_policy(site: Site) -> None:
    worker = site.start()
    user = site.user("a")
    event_id = site.attack(user)
    found = decision(worker, event_id)
    assert found["approved_for_remediation"] is True
    assert found["decision_reason"] == "Approved for remediation"
    assert found["outcome"] == "rehearsed"
    assert site.has_admin(user)
    assert eventually(lambda: any(found["decision_id"] in mail for mail in site.mails()))
    heard: list[str] = []

    def machine_heard() -> bool:
        heard.extend(site.lab.take(site.stack.machine_queue_url))
        return bool(heard)

    assert eventually(machine_heard)
    envelope = json.loads(heard[0])
    document = json.loads(envelope["Message"])
    assert document.keys() >= PROMISED_KEYS
    assert (document["target_user"], document["policy_arn"]) == (user, ADMIN_POLICY)
    assert document["dry_run"] is True
    assert envelope["MessageAttributes"].keys() == {
        "severity",
        "rule_id",
        "verdict",
        "account_id",
    }
    told = {line["message"] for line in worker.log}
    assert told >= {
        "Parsed event",
        "Security detection triggered",
        "Dry run enabled - remediation skipped",
        "SNS alert processed",
    }
    assert all(user not in line for line in worker.get("/metrics")[1].splitlines())
    assert worker.stop() == 0


def test_an_exception_tag_is_honoured_and_told(site: Site) -> None:
    worker = site.start(mode="enforce")
    user = site.user("b")
    found = decision(worker, site.attack(user, {"SecurityApproved": "true"}))
    assert found["approved_for_remediation"] is False
    assert found["decision_reason"] == "User has approved exception tag: SecurityApproved=true"
    assert site.has_admin(user)
    assert eventually(lambda: any(found["decision_id"] in mail for mail in site.mails()))


def test_enforce_takes_the_grant_back_and_a_human_can_undo_it_for_good(site: Site) -> None:
    worker = site.start(mode="enforce", recheck_seconds="1,2")
    user = site.user("c")
    found = decision(worker, site.attack(user))
    assert eventually(lambda: not site.has_admin(user))
    assert eventually(lambda: any("taken back" in mail for mail in site.mails()))
    undo = site.countermand(worker, "undo", found["decision_id"])
    assert undo.returncode == 0, undo.stderr
    assert site.has_admin(user)
    again = site.countermand(worker, "undo", found["decision_id"])
    assert (again.returncode, "was undone by" in again.stderr) == (1, True)
    # The operator's own call brings an event too; LocalStack's caller is the account's root.
    own = attach_event(site.account, user)
    own["userIdentity"]["arn"] = f"arn:aws:iam::{site.account}:root"
    site.lab.put_event(own, CLOUDTRAIL_CALL)
    judged = decision(worker, own["eventID"])
    assert judged["verdict"] == "alert_only"
    assert "took this remediation back" in judged["decision_reason"]
    assert site.has_admin(user)


def test_what_is_not_to_be_taken_back_is_left_alone(site: Site) -> None:
    worker = site.start(mode="enforce")
    outsider, hidden = f"alice-{site.mark}", f"x-{site.mark}"
    by_name = decision(worker, site.attack(outsider))
    by_path = decision(worker, site.attack(hidden, path="/iam-test-/"))
    assert [by_name["verdict"], by_path["verdict"]] == ["alert_only", "alert_only"]
    assert "its path is /iam-test-/" in by_path["decision_reason"]
    assert site.has_admin(outsider)
    assert site.has_admin(hidden)
    mails = len(site.mails())
    denied = attach_event(site.account, outsider, error_code="AccessDenied")
    site.lab.put_event(denied, CLOUDTRAIL_CALL)
    assert decision(worker, denied["eventID"])["verdict"] == "skip"
    assert len(site.mails()) == mails


def test_the_same_event_twice_is_one_decision_and_one_mail(site: Site) -> None:
    worker = site.start(mode="enforce")
    record = attach_event(site.account, site.user("twice"))
    site.lab.create_user(site.user("twice"), {})
    site.lab.attach(site.user("twice"), ADMIN_POLICY)
    site.lab.put_event(record, CLOUDTRAIL_CALL)
    found = decision(worker, record["eventID"])
    for _ in range(2):
        site.lab.put_event(record, CLOUDTRAIL_CALL)
    duplicates = "countermand_events_duplicate_total 2.0"
    assert eventually(lambda: duplicates in worker.get("/metrics")[1])
    assert sum(found["decision_id"] in mail for mail in site.mails()) == 1
    detections = [x for x in worker.log if x["message"] == "Remediation applied"]
    assert len(detections) == 1
