"""The worker as a process: how it starts, what it weighs, how it ends."""

import json
import shlex
import signal
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from countermand.app import rules
from countermand.aws.provision import provision
from countermand.core.parse import CLOUDTRAIL_CALL
from countermand.core.rules.routing import RouteState, routes_of
from countermand.lab.localstack import subscription_token
from countermand.rules.rulebook import BUILT_IN
from support.running import PATIENCE_SECONDS, POLL_SECONDS, Gate, Site, Worker, decision, eventually

READING = RouteState.WITH_READS.value
RULE_CASES = Path(__file__).parents[1] / "rules" / "cases"


def test_the_worker_starts_with_little_and_stays_small(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """Start-up costs little processor time, and an idle worker little memory."""
    worker = site.start(log_group="")
    assert eventually(worker.ready)
    started = worker.cpu_seconds()
    time.sleep(2 * POLL_SECONDS)  # idle: it has polled and waited
    resident = worker.resident_kib()
    assert worker.stop() == 0
    with capsys.disabled():
        print(f"\nstart {started:.2f} s of processor time, {resident / 1024:.1f} MiB")
    assert started <= 3
    assert resident <= 80 * 1024


def test_a_second_signal_exits_1_at_once(site: Site) -> None:
    worker = site.start()
    # Two different signals: equal ones that are pending are delivered as one.
    worker.process.send_signal(signal.SIGTERM)
    worker.process.send_signal(signal.SIGINT)
    assert worker.process.wait(5) == 1


def test_a_second_signal_abandons_work_in_hand(site: Site) -> None:
    with Gate(site.localstack.url) as gate:
        worker, user = start_with_work_in_hand(site, gate)
        worker.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert worker.process.poll() is None
        asked_at = time.monotonic()
        worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(5) == 1
        assert time.monotonic() - asked_at < 1
    assert site.has_admin(user)
    assert sum(site.waiting()) == 1  # nothing is lost: the message comes back


def test_sigterm_finishes_work_in_hand(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    with Gate(site.localstack.url) as gate:
        worker, user = start_with_work_in_hand(site, gate)
        worker.process.send_signal(signal.SIGTERM)
        time.sleep(1)
        assert worker.process.poll() is None, worker.log_file.read_text()
        opened_at = time.monotonic()
        gate.open()
        assert worker.process.wait(25) == 0
        took = time.monotonic() - opened_at
    with capsys.disabled():
        print(f"\ndrained {took:.2f} s after its work could go on")
    assert not site.has_admin(user)
    assert {"Remediation applied", "SNS alert processed"} <= {x["message"] for x in worker.log}
    assert [x["finished"] for x in worker.log if x["message"] == "Drained"] == [True]
    shown = site.countermand(None, "decisions", "--json")
    assert json.loads(shown.stdout)["outcome"] == "applied"
    assert eventually(lambda: site.waiting() == (0, 0), 5)


def test_unfinished_work_returns_to_the_queue(site: Site) -> None:
    """A drain that runs out of time makes its messages visible again."""
    with Gate(site.localstack.url) as gate:
        worker, user = start_with_work_in_hand(site, gate, drain_seconds="7")
        assert worker.stop() == 0
    assert [x["finished"] for x in worker.log if x["message"] == "Drained"] == [False]
    assert site.has_admin(user)
    assert site.waiting() == (1, 0)


def test_a_port_in_use_is_a_clear_error(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        worker = Worker(site.environment(), site.folder, port)
        site.workers.append(worker)
        assert worker.process.wait(10) == 2
    text = worker.log_file.read_text()
    assert "COUNTERMAND_API_PORT" in text
    assert str(port) in text
    assert "Traceback" not in text


def test_a_wrong_configuration_shows_every_error(site: Site) -> None:
    worker = Worker(site.environment(mode="yes", visibility_seconds="1"), site.folder)
    site.workers.append(worker)
    assert worker.process.wait(10) == 2
    text = worker.log_file.read_text()
    assert "COUNTERMAND_MODE" in text
    assert "COUNTERMAND_VISIBILITY_SECONDS" in text


def test_a_second_worker_on_one_file_is_refused(site: Site) -> None:
    first = site.start()
    second = Worker(site.environment(), site.folder)
    site.workers.append(second)
    assert second.process.wait(10) == 2
    assert f"locked by process {first.process.pid}" in second.log_file.read_text()


def test_a_missing_queue_makes_the_worker_unready(site: Site) -> None:
    """The worker stays alive, and becomes ready when the queue appears."""
    url = site.stack.queue_url + "-later"
    worker = Worker(site.environment(queue_url=url), site.folder)
    site.workers.append(worker)
    assert eventually(lambda: worker.get("/livez")[0] == 200)
    status, text = worker.get("/readyz")
    assert (status, "no answer from SQS yet" in text) == (503, True)
    site.clients.get("sqs").create_queue(QueueName=url.rpartition("/")[2])
    assert eventually(worker.ready, 2 * PATIENCE_SECONDS)


def examined(site: Site, code: int) -> dict[str, dict[str, str]]:
    """The rows of `doctor` that are not ok, by their check."""
    seen = site.countermand(None, "doctor", "--json")
    assert (seen.returncode, seen.stderr) == (code, ""), seen.stdout
    rows = [json.loads(line) for line in seen.stdout.splitlines()]
    return {row["what"]: row for row in rows if row["status"] != "ok"}


def test_doctor_passes_a_provisioned_stack(site: Site) -> None:
    """On a broken stack it prints the fix of each failed check."""
    worker = site.start()
    pending = examined(site, 1)["subscriptions"]
    assert pending["fix"].endswith("confirm with the link in the email")
    site.lab.confirm_mail(
        site.stack.topic_arn, lambda arn: subscription_token(site.localstack.url, arn)
    )
    assert examined(site, 0).keys() == {"target DLQ", "trail", "permissions"}
    table = site.countermand(worker, "doctor")
    assert table.returncode == 0, table.stdout
    assert "To fix target DLQ:" in table.stdout
    events = site.clients.get("events")
    rule = f"{site.names.rule_prefix}-iam"
    events.disable_rule(Name=rule)
    events.remove_targets(Rule=rule, Ids=["countermand-queue"])
    broken = examined(site, 1)
    assert broken["rules enabled"]["fix"].startswith(f"aws events enable-rule --name {rule}")
    assert rule in broken["rule targets"]["detail"]


@pytest.mark.parametrize(
    ("broken", "check", "fix"),
    [
        ("queue", "queue", "aws sqs list-queues"),
        ("redrive", "redrive to the DLQ", "aws sqs set-queue-attributes"),
        ("policy", "queue policy", "aws sqs set-queue-attributes"),
        ("topic", "topic", "aws sns list-topics"),
        ("rule", "EventBridge rules", "aws events put-rule"),
        ("pattern", "rule patterns", "aws events put-rule"),
        ("own pattern", "rule patterns", "aws events put-rule"),
        ("state", "read-only events", "aws events put-rule"),
    ],
)
def test_doctor_prints_a_fix(site: Site, broken: str, check: str, fix: str) -> None:
    break_stack(site, broken)
    found = examined(site, 1)[check]
    assert found["status"] == "fails"
    assert found["fix"].startswith(fix)


def test_the_fix_of_doctor_routes_read_only_events(site: Site) -> None:
    break_stack(site, "state")
    command = shlex.split(examined(site, 1)["read-only events"]["fix"])
    options = dict(zip(command[3::2], command[4::2], strict=True))
    assert command[:3] == ["aws", "events", "put-rule"]
    site.clients.in_region("events", options["--region"]).put_rule(
        Name=options["--name"],
        State=options["--state"],
        EventPattern=options["--event-pattern"],
    )
    assert not {"read-only events", "rule patterns"} & examined(site, 1).keys()


def test_the_fixes_of_doctor_repair_the_queue(site: Site) -> None:
    """What the fixes set is what the queue needs: pasted, they leave nothing to fix."""
    break_stack(site, "policy")
    break_stack(site, "redrive")
    for check in ("queue policy", "redrive to the DLQ"):
        command = shlex.split(examined(site, 1)[check]["fix"])
        options = dict(zip(command[3::2], command[4::2], strict=True))
        site.clients.get("sqs").set_queue_attributes(
            QueueUrl=options["--queue-url"], Attributes=json.loads(options["--attributes"])
        )
    left = {"ledger", "subscriptions", "target DLQ", "trail", "permissions"}  # no worker ran yet
    assert examined(site, 1).keys() == left


def test_each_eventbridge_rule_routes_its_events(site: Site) -> None:
    """LocalStack keeps the state, and brings read-only events in either: that AWS does not, only
    AWS can show.
    """
    described = {
        name: site.clients.get("events").describe_rule(Name=f"{site.names.rule_prefix}-{name}")
        for name in routes_of(rules())
    }
    wanted = {name: route.state.value for name, route in routes_of(rules()).items()}
    assert {name: rule["State"] for name, rule in described.items()} == wanted
    assert set(wanted.values()) == {"ENABLED", READING}
    cases = yaml.safe_load((RULE_CASES / "role_assumed_from_another_account.yaml").read_text())
    entry = {"Source": "aws.sts", "DetailType": CLOUDTRAIL_CALL}
    records = [case["record"] for case in (*cases["matches"], *cases["ignores"])]
    site.clients.get("events").put_events(
        Entries=[entry | {"Detail": json.dumps(record)} for record in records]
    )
    assert eventually(lambda: site.waiting()[0] >= len(cases["matches"]))
    time.sleep(POLL_SECONDS)
    assert site.waiting()[0] == len(cases["matches"])


def test_doctor_reports_an_unknown_worker_role(site: Site) -> None:
    """The fix names the setting."""
    site.extra = {"COUNTERMAND_OWN_ROLE_ARN": ""}
    found = examined(site, 1)["worker role"]
    assert found["status"] == "fails"
    assert found["fix"].startswith("export COUNTERMAND_OWN_ROLE_ARN=arn:aws:iam::")


def test_simulate_shows_the_decision(site: Site) -> None:
    worker = site.start()
    user = site.user("simulated")
    done = site.countermand(
        worker, "simulate", "attach-admin", "--user", user, "--tag", "A=b", "--json"
    )
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["approved_for_remediation"] is True
    assert (shown["target"]["name"], shown["outcome"]) == (user, "simulated")
    assert site.has_admin(user)
    tags = site.clients.get("iam").list_user_tags(UserName=user)["Tags"]
    assert tags == [{"Key": "A", "Value": "b"}]


def test_simulate_without_a_worker_exits_1(site: Site) -> None:
    user = site.user("unwatched")
    site.extra = {"COUNTERMAND_API_PORT": "1"}
    done = site.countermand(None, "simulate", "attach-admin", "--user", user, "--wait", "2")
    assert (done.returncode, done.stdout) == (1, "")
    assert "does not answer" in done.stderr
    assert "Traceback" not in done.stderr


def test_provisioning_twice_changes_nothing(site: Site) -> None:
    site.lab.confirm_mail(
        site.stack.topic_arn, lambda arn: subscription_token(site.localstack.url, arn)
    )
    before = state_of(site)
    again = provision(site.clients, routes_of(rules()), site.names)
    assert again == site.stack
    assert state_of(site) == before


def test_provision_prints_the_same_settings_again(site: Site) -> None:
    first, second = (site.countermand(None, "provision") for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert first.stdout == second.stdout
    printed = dict(line.split("=", 1) for line in first.stdout.splitlines())
    assert printed.keys() == site.stack.environment().keys()


def test_a_drain_finishes_work_in_hand(site: Site) -> None:
    # A poll that was under way may have taken a message with it: it is back after 30 s.
    settings = {"mode": "enforce", "visibility_seconds": "30", "heartbeat_seconds": "10"}
    worker = site.start(**settings)
    users = [site.user(f"drain{n}") for n in range(5)]
    events = [site.attack(user) for user in users]
    assert eventually(lambda: len(worker.log) > 1)
    assert worker.stop() == 0
    time.sleep(POLL_SECONDS)
    successor = site.start(**settings)
    assert eventually(lambda: not any(site.has_admin(user) for user in users), 90)
    assert all(decision(successor, event)["outcome"] == "applied" for event in events)


def start_with_work_in_hand(site: Site, gate: Gate, **settings: str) -> tuple[Worker, str]:
    """A worker that waits for IAM's answer about the user."""
    site.extra = {"AWS_ENDPOINT_URL_IAM": gate.url}
    worker = site.start(mode="enforce", log_group="", **settings)
    gate.shut()
    user = site.user("in-hand")
    # In a thread of its own: a busy LocalStack hands the event on long before it answers the
    # attacker, and the worker waits for IAM only as long as its timeouts allow.
    threading.Thread(target=site.attack, args=(user,), daemon=True).start()
    assert gate.holds.wait(PATIENCE_SECONDS)
    return worker, user


def break_stack(site: Site, what: str) -> None:
    sqs, events, url = site.clients.get("sqs"), site.clients.get("events"), site.stack.queue_url
    rule = f"{site.names.rule_prefix}-iam"
    match what:
        case "queue":
            sqs.delete_queue(QueueUrl=url)
        case "redrive":
            sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": ""})
        case "policy":
            sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
        case "topic":
            site.clients.get("sns").delete_topic(TopicArn=site.stack.topic_arn)
        case "rule":
            events.remove_targets(Rule=rule, Ids=["countermand-queue"])
            events.delete_rule(Name=rule)
        case "pattern":
            pattern = {"detail": {"eventName": ["AttachUserPolicy"]}}
            events.put_rule(Name=rule, EventPattern=json.dumps(pattern))
        case "own pattern":
            put_reading_rule(site, {"detail": {"userIdentity": {"accountId": ["1"]}}})
        case _:
            put_reading_rule(site, {}, "ENABLED")


def put_reading_rule(site: Site, narrower: Mapping[str, Any], state: str = READING) -> None:
    name = "rule-role_assumed_from_another_account"
    pattern = {**routes_of(rules())[name].pattern, **narrower}
    site.clients.get("events").put_rule(
        Name=f"{site.names.rule_prefix}-{name}", EventPattern=json.dumps(pattern), State=state
    )


def state_of(site: Site) -> dict[str, Any]:
    """All that `provision` makes, without the times at which it was touched."""
    sqs, sns, events = (site.clients.get(name) for name in ("sqs", "sns", "events"))
    stack = site.stack
    queues = {}
    for url in (stack.queue_url, stack.dlq_url, stack.machine_queue_url):
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        queues[url] = {k: v for k, v in attributes.items() if k != "LastModifiedTimestamp"}
    subscriptions = sns.list_subscriptions_by_topic(TopicArn=stack.topic_arn)["Subscriptions"]
    pending = {
        s["Protocol"]: sns.get_subscription_attributes(SubscriptionArn=s["SubscriptionArn"])[
            "Attributes"
        ]["PendingConfirmation"]
        for s in subscriptions
    }
    names = [f"{site.names.rule_prefix}-{source}" for source in routes_of(rules())]
    described = [events.describe_rule(Name=name) for name in names]
    return {
        "queues": queues,
        "subscriptions": sorted(s["SubscriptionArn"] for s in subscriptions),
        "pending": pending,
        "rules": [{k: rule[k] for k in ("Arn", "EventPattern", "State")} for rule in described],
        "targets": [events.list_targets_by_rule(Rule=name)["Targets"] for name in names],
    }


def test_sighup_reloads_the_rules(site: Site) -> None:
    """Invalid files leave the previous rules in effect."""
    folder = site.folder / "own-rules"
    folder.mkdir()
    rule = folder / "own_user_created.yaml"
    text = next(BUILT_IN.rglob("user_created.yaml")).read_text().replace("user_created", rule.stem)
    rule.write_text(text)
    worker = site.start(rules_folders=str(folder))

    def told(message: str) -> bool:
        return message in {line["message"] for line in worker.log}

    rule.write_text(text.replace("severity: low", "severity: dreadful"))
    worker.process.send_signal(signal.SIGHUP)
    assert eventually(lambda: told("Rule reload failed"), 5)
    assert "countermand_rules_stale 1.0" in worker.get("/metrics")[1]
    rule.write_text(text.replace("severity: low", "severity: medium"))
    worker.process.send_signal(signal.SIGHUP)
    assert eventually(lambda: told("Rules reloaded"), 5)
    assert "countermand_rules_stale 0.0" in worker.get("/metrics")[1]
    assert worker.ready()
