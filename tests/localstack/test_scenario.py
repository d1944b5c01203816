"""Steps A to D of the scenario on LocalStack, from an attack to an email and back."""

import json
import time
from datetime import datetime
from typing import Any

from countermand.core.envelope import ADMIN_POLICY, attach_event, envelope
from countermand.core.parse import CLOUDTRAIL_CALL
from countermand.lab.localstack import emails
from countermand.rules.rulebook import BUILT_IN
from support.running import POLL_SECONDS, Site, Worker, decision, eventually

READ_ONLY_POLICY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
PROMISED_WORDS = {
    "Security detection triggered",
    "Parsed event",
    "SNS alert processed",
    "Dry run enabled - remediation skipped",
    "No remediation performed",
    "Remediation applied",
}

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


def test_a_dry_run_alerts_and_leaves_the_policy(site: Site) -> None:
    worker = site.start()
    user = site.user("a")
    event_id = site.attack(user)
    found = decision(worker, event_id)
    assert found["approved_for_remediation"] is True
    assert found["decision_reason"] == "Approved for remediation"
    assert found["outcome"] == "simulated"
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


def test_the_email_answers_what_who_why_what_next(site: Site) -> None:
    worker = site.start()
    user = site.user("reader")
    found = decision(worker, site.attack(user))
    assert eventually(site.mails)  # notified when SNS has it, which is before the mailbox has
    mail = next(m for m in emails(site.localstack.url, site.names.email) if mail_body(m))
    assert mail["Subject"].isascii()
    assert len(mail["Subject"]) <= 99
    for said in (
        f"arn:aws:iam::{site.account}:user/mallory",
        f"arn:aws:iam::{site.account}:user/{user}",
        ADMIN_POLICY,
        "would be reverted (dry run)",
        "Approved for remediation",
        "Next steps",
        f"/decisions/{found['decision_id']}",
    ):
        assert said in mail_body(mail), said


def test_a_filter_policy_finds_its_attributes(site: Site) -> None:
    worker = site.start()
    decision(worker, site.attack(site.user("filtered")))
    heard: list[str] = []
    assert eventually(lambda: collect(site, site.stack.machine_queue_url, heard))
    attributes = json.loads(heard[0])["MessageAttributes"]
    assert {name: a["Value"] for name, a in attributes.items()} == {
        "severity": "critical",
        "rule_id": "admin_policy_attached_to_user",
        "verdict": "remediate",
        "account_id": site.account,
    }


def test_an_exception_tag_is_honored(site: Site) -> None:
    """The decision is recorded and alerted."""
    worker = site.start(mode="enforce")
    user = site.user("b")
    found = decision(worker, site.attack(user, {"SecurityApproved": "true"}))
    assert found["approved_for_remediation"] is False
    assert found["decision_reason"] == "User has approved exception tag: SecurityApproved=true"
    assert site.has_admin(user)
    assert eventually(lambda: any(found["decision_id"] in mail for mail in site.mails()))


def test_enforce_reverts_and_undo_lasts(site: Site) -> None:
    """Countermand does not revert the change again after an undo."""
    worker = site.start(mode="enforce", recheck_seconds="1,2")
    user = site.user("c")
    found = decision(worker, site.attack(user))
    assert eventually(lambda: not site.has_admin(user))
    assert eventually(lambda: any("reverted" in mail for mail in site.mails()))
    undo = site.countermand(worker, "undo", found["decision_id"], "--yes")
    assert undo.returncode == 0, undo.stderr
    assert site.has_admin(user)
    again = site.countermand(worker, "undo", found["decision_id"], "--yes")
    assert (again.returncode, "was undone by" in again.stderr) == (1, True)
    # The operator's own call brings an event too; LocalStack's caller is the account's root.
    own = attach_event(site.account, user)
    own["userIdentity"]["arn"] = f"arn:aws:iam::{site.account}:root"
    site.lab.put_event(own, CLOUDTRAIL_CALL)
    judged = decision(worker, own["eventID"])
    assert judged["verdict"] == "alert_only"
    assert "undid the remediation" in judged["decision_reason"]
    assert site.has_admin(user)


def test_a_recheck_respects_an_undo(site: Site) -> None:
    """The stored inverse restores the change."""
    second_look = 5
    worker = site.start(mode="enforce", recheck_seconds=f"{second_look},{second_look + 1}")
    user = site.user("looked-at-again")
    event_id = site.attack(user)
    found = decision(worker, event_id)
    assert not site.has_admin(user)
    assert [outcome["inverse"] for outcome in found["outcomes"]] == [
        {
            "action": "undo_detach_user_policy",
            "params": {"user_name": user, "policy_arn": ADMIN_POLICY},
        }
    ]
    assert site.countermand(worker, "undo", found["decision_id"], "--yes").returncode == 0
    undone = decision(worker, event_id)
    notified_at, undone_at = (
        datetime.fromisoformat(text)
        for text in (undone["timings"]["notified_at"], undone["undo"]["at"])
    )
    assert (undone_at - notified_at).total_seconds() < second_look, (
        "the machine is too slow for this"
    )
    time.sleep(second_look + 2)
    assert site.has_admin(user)
    assert not [
        line for line in worker.log if line["message"] == "Change reapplied after remediation"
    ]


def test_a_reapplied_change_is_reverted_again(site: Site) -> None:
    worker = site.start(mode="enforce", recheck_seconds="2,3")
    user = site.user("stubborn")
    decision(worker, site.attack(user))
    site.lab.attach(user, ADMIN_POLICY)
    assert eventually(lambda: not site.has_admin(user))
    assert [line for line in worker.log if line["message"] == "Change reapplied after remediation"]


def test_changes_out_of_scope_stay(site: Site) -> None:
    worker = site.start(mode="enforce")
    outsider, hidden = f"alice-{site.mark}", f"x-{site.mark}"
    by_name = decision(worker, site.attack(outsider))
    by_path = decision(worker, site.attack(hidden, path="/iam-test-/"))
    assert [by_name["verdict"], by_path["verdict"]] == ["alert_only", "alert_only"]
    assert "its path is /iam-test-/" in by_path["decision_reason"]
    assert site.has_admin(outsider)
    assert site.has_admin(hidden)
    assert eventually(lambda: len(site.mails()) == 2)
    denied = attach_event(site.account, outsider, error_code="AccessDenied")
    site.lab.put_event(denied, CLOUDTRAIL_CALL)
    assert decision(worker, denied["eventID"])["verdict"] == "skip"
    assert len(site.mails()) == 2


def test_a_benign_policy_stays(site: Site) -> None:
    worker = site.start(mode="enforce")
    user = site.user("benign")
    site.lab.create_user(user, {})
    site.lab.attach(user, READ_ONLY_POLICY)
    site.lab.put_event(attach_event(site.account, user, READ_ONLY_POLICY), CLOUDTRAIL_CALL)
    assert eventually(lambda: series(worker)["countermand_events_ignored_total"] == 1)
    assert site.lab.has_policy(user, READ_ONLY_POLICY)
    assert json.loads(worker.get("/decisions")[1])["decisions"] == []
    assert site.mails() == []


def test_a_customer_policy_is_evaluated_by_its_document(site: Site) -> None:
    worker = site.start(mode="enforce")
    iam, user = site.clients.get("iam"), site.user("named")
    site.lab.create_user(user, {})
    verdicts = {}
    for action in ("s3:GetObject", "iam:PutUserPolicy"):
        statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": statement})
        name = f"{user}-{action.partition(':')[0]}"
        arn = iam.create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"]
        site.lab.attach(user, arn)
        record = attach_event(site.account, user, arn)
        site.lab.put_event(record, CLOUDTRAIL_CALL)
        verdicts[action] = decision(worker, record["eventID"])["verdict"]
        assert site.lab.has_policy(user, arn) is (action == "s3:GetObject")
    assert verdicts == {"s3:GetObject": "skip", "iam:PutUserPolicy": "remediate"}
    assert eventually(lambda: len(site.mails()) == 1)


def test_admin_policies_of_roles_and_groups_are_reverted(site: Site) -> None:
    worker = site.start(mode="enforce")
    iam, name = site.clients.get("iam"), site.user("shared")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument='{"Version":"2012-10-17"}')
    iam.attach_role_policy(RoleName=name, PolicyArn=ADMIN_POLICY)
    iam.create_group(GroupName=name)
    iam.attach_group_policy(GroupName=name, PolicyArn=ADMIN_POLICY)
    for kind in ("Role", "Group"):
        record = attach_event(site.account, name)
        record["eventName"] = f"Attach{kind}Policy"
        record["requestParameters"] = {f"{kind.lower()}Name": name, "policyArn": ADMIN_POLICY}
        site.lab.put_event(record, CLOUDTRAIL_CALL)
        found = decision(worker, record["eventID"])
        assert (found["verdict"], found["target"]["kind"]) == ("remediate", kind.lower())
        assert found["outcome"] == "applied"
        assert mailed(site, found["decision_id"])
    on_role = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    on_group = iam.list_attached_group_policies(GroupName=name)["AttachedPolicies"]
    assert on_role + on_group == []


def test_one_malformed_message_stops_no_other(site: Site) -> None:
    users = [site.user(f"batch{number}") for number in range(9)]
    for user in users:
        site.lab.create_user(user, {})
        site.lab.attach(user, ADMIN_POLICY)
    records = [attach_event(site.account, user) for user in users]
    bodies = [json.dumps(envelope(record)) for record in records]
    broken = bodies[0][:-40]
    bodies.insert(4, broken)
    entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies)]
    site.clients.get("sqs").send_message_batch(QueueUrl=site.stack.queue_url, Entries=entries)
    worker = site.start(mode="enforce")
    assert [decision(worker, r["eventID"])["outcome"] for r in records] == ["applied"] * 9
    assert not any(site.has_admin(user) for user in users)
    dead: list[str] = []
    assert eventually(lambda: collect(site, site.stack.dlq_url, dead))
    assert dead == [broken]


def test_the_audit_messages_are_logged(site: Site) -> None:
    """They reach standard output and CloudWatch Logs."""
    first = site.start()
    decision(first, site.attack(site.user("simulated")))
    decision(first, site.attack(site.user("excepted"), {"SecurityApproved": "true"}))
    assert first.stop() == 0
    time.sleep(POLL_SECONDS)  # LocalStack's long poll outlives its client, and would take a message
    second = site.start(mode="enforce")
    decision(second, site.attack(site.user("taken-back")))
    assert second.stop() == 0
    lines = first.log + second.log
    assert {line["message"] for line in lines} >= PROMISED_WORDS
    assert all({"time", "level", "message"} <= line.keys() for line in lines)
    story = [line for line in lines if line["message"] in PROMISED_WORDS]
    assert all("event_id" in line for line in story)
    assert all("decision_id" in line for line in story if line["message"] != "Parsed event")
    # What CloudWatch Logs has is what standard output had, line by line.
    answer = site.clients.get("logs").filter_log_events(logGroupName=site.stack.log_group)
    audit = [json.loads(event["message"]) for event in answer["events"]]
    assert told(audit) == told(lines)


def test_metrics_name_no_principal(site: Site) -> None:
    worker = site.start(mode="enforce")
    user, outsider = site.user("counted"), f"bob-{site.mark}"
    events = [site.attack(user), site.attack(outsider)]
    found = [decision(worker, event) for event in events]
    of_rule = "countermand_decisions_total"
    labels = 'mode="enforce",rule_id="admin_policy_attached_to_user",severity="critical"'
    wanted = {
        f'{of_rule}{{guard="approved",{labels},verdict="remediate"}}': 1,
        f'{of_rule}{{guard="scope",{labels},verdict="alert_only"}}': 1,
        'countermand_remediations_total{action="detach_user_policy",status="applied"}': 1,
        'countermand_alerts_total{channel="sns",status="sent"}': 2,
        'countermand_settlements_total{result="deleted"}': 2,
        "countermand_events_received_total": 2,
        "countermand_event_to_remediation_seconds_count": 1,
        "countermand_messages_in_flight": 0,
    }
    assert eventually(lambda: wanted.items() <= series(worker).items()), worker.get("/metrics")[1]
    # Without the values: an account of twelve zeros is found in many a floating-point number.
    text = [line.rpartition(" ")[0] for line in worker.get("/metrics")[1].splitlines()]
    ids = [*events, *(d["decision_id"] for d in found)]
    for secret in ("mallory", "arn:", site.account, user, outsider, site.mark, *ids):
        assert not [line for line in text if secret in line]
    for file in BUILT_IN.rglob("*.yaml"):
        assert "iam-test" not in file.read_text()


def test_a_duplicate_event_is_one_decision(site: Site) -> None:
    """It sends one email."""
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
    assert eventually(site.mails)
    assert sum(found["decision_id"] in mail for mail in site.mails()) == 1
    detections = [x for x in worker.log if x["message"] == "Remediation applied"]
    assert len(detections) == 1


def collect(site: Site, queue_url: str, into: list[str]) -> bool:
    into.extend(site.lab.take(queue_url))
    return bool(into)


def mailed(site: Site, decision_id: str) -> bool:
    return eventually(lambda: any(decision_id in mail for mail in site.mails()))


def mail_body(mail: dict[str, Any]) -> str:
    return str(mail["Body"]["text_part"])


def series(worker: Worker) -> dict[str, float]:
    lines = [x for x in worker.get("/metrics")[1].splitlines() if x and not x.startswith("#")]
    return {name: float(number) for name, _, number in (x.rpartition(" ") for x in lines)}


def told(lines: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    story = [line for line in lines if line["message"] in PROMISED_WORDS]
    return sorted((x["time"], x["message"], x["event_id"]) for x in story)


def change(site: Site, name: str, **request: str) -> str:
    """Send an IAM call to the event bus and return the event ID."""
    record = attach_event(site.account, "nobody")
    record |= {"eventName": name, "requestParameters": request}
    site.lab.put_event(record, CLOUDTRAIL_CALL)
    return str(record["eventID"])


def trust(account: str) -> str:
    principal = {"AWS": f"arn:aws:iam::{account}:root"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_trust_policy_is_restored_and_undone(site: Site) -> None:
    iam, role = site.clients.get("iam"), site.user("role")
    own, foreign = trust(site.account), trust("444455556666")
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=own)
    worker = site.start(mode="enforce")
    assert eventually(lambda: "Snapshot taken" in {line["message"] for line in worker.log})
    time.sleep(1)  # CloudTrail's times have no fraction, and the snapshot must be the older
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=foreign)
    found = decision(
        worker, change(site, "UpdateAssumeRolePolicy", roleName=role, policyDocument=foreign)
    )
    assert found["outcome"] == "applied"

    def document() -> Any:
        return iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]

    assert document() == json.loads(own)
    assert site.countermand(worker, "undo", found["decision_id"], "--yes").returncode == 0
    assert document() == json.loads(foreign)
