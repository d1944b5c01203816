"""docker-compose.yml, run unmodified, from `up` to a `down` that leaves nothing.

The tests share one stack and run in the order of this file.
"""

import json
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest

from countermand.aws.clients import Clients
from countermand.aws.lab import Lab
from countermand.core.envelope import ADMIN_POLICY, attach_event
from countermand.core.parse import CLOUDTRAIL_CALL
from support.composed import Stack
from support.running import POLL_SECONDS, aws_environment, eventually
from support.tools import ROOT

SERVICES = {"dynamodb", "grafana", "localstack", "mail", "mail-relay", "prometheus", "worker"}
ACCOUNT = "000000000000"
DASHBOARDS = ROOT / "docker/grafana/dashboards"
COUNTERMAND = ("countermand",)


@pytest.fixture
def lab(stack: Stack) -> Iterator[Lab]:
    """Return an attacker's access from outside the containers."""
    with aws_environment(stack.url("localstack", 4566)):
        yield Lab(Clients("us-east-1"))


def test_up_ends_with_everything_healthy(stack: Stack) -> None:
    states = {c["Service"]: (c["State"], c["Health"], c["ExitCode"]) for c in stack.containers()}
    assert states.pop("provision") == ("exited", "", 0)
    assert states == dict.fromkeys(SERVICES, ("running", "healthy", 0))


def test_only_this_machine_reaches_a_port(stack: Stack) -> None:
    ports = [p for c in stack.containers() for p in c["Publishers"] or () if p["PublishedPort"]]
    assert len(ports) == 5
    assert {port["URL"] for port in ports} == {"127.0.0.1"}


def test_our_containers_run_with_least_privilege(stack: Stack) -> None:
    for service in ("worker", "mail-relay", "provision"):
        config = _inspect(stack, service)
        assert config["HostConfig"]["ReadonlyRootfs"], service
        assert config["HostConfig"]["CapDrop"] == ["ALL"], service
        assert config["HostConfig"]["SecurityOpt"] == ["no-new-privileges:true"], service
        assert config["Config"]["User"] == "10001:10001", service


def test_the_attack_leaves_the_workers_in_dry_run(stack: Stack) -> None:
    done = stack.compose("run", "--rm", "--no-TTY", "attack", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Everything happened as expected." in done.stdout
    for scene in "ABCD":
        assert f"\n{scene}. " in done.stdout
    decisions = stack.get("worker", 8080, "/decisions")["decisions"]
    shown = {
        (d["target"] and d["target"]["name"], d["mode"], d["verdict"], d["outcome"])
        for d in decisions
    }
    assert ("iam-test-user", "dry-run", "remediate", "simulated") in shown
    assert ("iam-test-approved", "dry-run", "skip", "none") in shown
    assert ("iam-test-intruder", "enforce", "remediate", "applied") in shown
    assert ("alice", "enforce", "alert_only", "none") in shown
    settings = stack.compose(
        "exec", "--no-TTY", "worker", *COUNTERMAND, "run", "--print-config"
    ).stdout
    assert "COUNTERMAND_MODE=dry-run" in settings


def test_the_attack_can_run_again(stack: Stack) -> None:
    done = stack.compose("run", "--rm", "--no-TTY", "attack", check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_doctor_reports_a_healthy_stack(stack: Stack) -> None:
    done = stack.compose("exec", "--no-TTY", "worker", *COUNTERMAND, "doctor", check=False)
    assert done.returncode == 0, done.stdout


def test_the_alert_email_arrives_once(stack: Stack) -> None:
    decision = stack.get("worker", 8080, "/decisions?target=iam-test-user")["decisions"][0]

    def mails() -> list[dict[str, Any]]:
        return [
            m for m in stack.get("mail", 1080, "/email") if decision["decision_id"] in m["text"]
        ]

    assert eventually(mails)
    (mail,) = mails()
    assert mail["to"][0]["address"] == "security@example.com"
    assert "would be reverted (dry run)" in mail["subject"]
    assert f"http://127.0.0.1:8080/decisions/{decision['decision_id']}" in mail["text"]


def test_prometheus_has_the_decision(stack: Stack) -> None:
    query = 'sum(countermand_decisions_total{mode="dry-run",verdict="remediate"})'
    assert eventually(lambda: _metric(stack, query) >= 2, 60), _metric(stack, query)


def test_grafana_has_data_source_and_dashboards(stack: Stack) -> None:
    (source,) = stack.get("grafana", 3000, "/api/datasources")
    assert source["url"] == "http://prometheus:9090"
    boards = stack.get("grafana", 3000, "/api/search")
    assert 2 <= len(boards) == len(list(DASHBOARDS.glob("*.json")))


def test_two_workers_decide_each_event_once(stack: Stack, lab: Lab) -> None:
    stack.up("--scale", "worker=2")
    users = [f"iam-test-many-{number}" for number in range(12)]
    events = {_attack(lab, user) for user in users}
    assert eventually(lambda: events <= set(_decided(stack, 1)))
    assert eventually(lambda: events <= set(_decided(stack, 2)))
    assert len([event for event in _decided(stack, 1) if event in events]) == len(events)
    stack.docker.run("stop", f"{stack.project}-worker-1")
    # LocalStack completes the last poll of the stopped worker, which hides its messages.
    time.sleep(POLL_SECONDS)
    event = _attack(lab, "iam-test-alone")
    assert eventually(lambda: event in _decided(stack, 2))


def test_emails_and_metrics_survive_a_restart(stack: Stack) -> None:
    # The relay might still deliver an earlier email.
    mails = {mail["text"] for mail in stack.get("mail", 1080, "/email")}
    stack.compose("down", "--timeout", "5")
    stack.up()
    assert mails <= {mail["text"] for mail in stack.get("mail", 1080, "/email")}
    query = 'max_over_time(countermand_decisions_total{verdict="remediate"}[1h])'
    assert eventually(lambda: _metric(stack, f"sum({query})") >= 2), _metric(stack, query)
    assert stack.get("worker", 8080, "/decisions")["decisions"] == []


def test_down_leaves_nothing(stack: Stack) -> None:
    stack.compose("down", "--volumes", "--timeout", "5")
    label = ("--quiet", "--filter", f"label=com.docker.compose.project={stack.project}")
    assert stack.docker.run("ps", "--all", *label) == ""
    assert stack.docker.run("volume", "ls", *label) == ""
    assert stack.docker.run("network", "ls", *label) == ""


def _attack(lab: Lab, user: str) -> str:
    lab.create_user(user, {})
    lab.attach(user, ADMIN_POLICY)
    record = attach_event(ACCOUNT, user)
    lab.put_event(record, CLOUDTRAIL_CALL)
    return str(record["eventID"])


def _decided(stack: Stack, index: int) -> list[str]:
    """Return the event of every decision in this worker's API."""
    page = stack.get("worker", 8080, "/decisions?limit=100", index)
    return [decision["event_id"] for decision in page["decisions"]]


def _metric(stack: Stack, query: str) -> float:
    path = f"/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    result = stack.get("prometheus", 9090, path)["data"]["result"]
    return float(result[0]["value"][1]) if result else 0.0


def _inspect(stack: Stack, service: str) -> dict[str, Any]:
    name = f"{stack.project}-{service}-1"
    found: dict[str, Any] = json.loads(stack.docker.run("inspect", name))[0]
    return found
