"""The worker as a process: how it starts, what it weighs, how it ends."""

import signal
import time

import pytest

from countermand.app import rules
from countermand.aws.provision import provision
from countermand.localstack import subscription_token
from running import PATIENCE_SECONDS, POLL_SECONDS, Site, Worker, decision, eventually


def test_it_is_ready_soon_and_small_and_gone_soon(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    ready, gone = [], []
    for number in range(3):
        settings = {"log_group": "", "ledger_url": f"sqlite:{site.folder}/{number}.sqlite3"}
        worker = Worker(site.environment(**settings), site.folder)
        site.workers.append(worker)
        assert eventually(worker.ready)
        ready.append(time.monotonic() - worker.started_at)
        time.sleep(2 * POLL_SECONDS)  # idle: it has polled and waited
        resident = worker.resident_kib()
        stopped_at = time.monotonic()
        assert worker.stop() == 0
        gone.append(time.monotonic() - stopped_at)
    with capsys.disabled():
        print(f"\nready {min(ready):.2f} s, {resident / 1024:.1f} MiB, gone {min(gone):.2f} s")
    assert min(ready) < 2
    assert resident <= 80 * 1024
    assert min(gone) < 2


def test_a_second_signal_ends_it_at_once_with_1(site: Site) -> None:
    worker = site.start()
    # Two different signals: equal ones that are pending are delivered as one.
    worker.process.send_signal(signal.SIGTERM)
    worker.process.send_signal(signal.SIGINT)
    assert worker.process.wait(5) == 1


def test_a_wrong_configuration_ends_it_with_every_error(site: Site) -> None:
    worker = Worker(site.environment(mode="yes", visibility_seconds="1"), site.folder)
    site.workers.append(worker)
    assert worker.process.wait(10) == 2
    text = worker.log_file.read_text()
    assert "COUNTERMAND_MODE" in text
    assert "COUNTERMAND_VISIBILITY_SECONDS" in text


def test_a_second_worker_on_the_same_file_is_refused(site: Site) -> None:
    first = site.start()
    second = Worker(site.environment(), site.folder)
    site.workers.append(second)
    assert second.process.wait(10) == 2
    assert f"process {first.process.pid} holds it" in second.log_file.read_text()


def test_a_missing_queue_makes_it_unready_but_not_dead_until_it_appears(site: Site) -> None:
    url = site.stack.queue_url + "-later"
    worker = Worker(site.environment(queue_url=url), site.folder)
    site.workers.append(worker)
    assert eventually(lambda: worker.get("/livez")[0] == 200)
    status, text = worker.get("/readyz")
    assert (status, "no answer from SQS yet" in text) == (503, True)
    site.clients.get("sqs").create_queue(QueueName=url.rpartition("/")[2])
    assert eventually(worker.ready, 2 * PATIENCE_SECONDS)


def test_doctor_finds_a_provisioned_stack_well_and_says_what_mends_a_broken_one(
    site: Site,
) -> None:
    worker = site.start()
    pending = site.countermand(worker, "doctor")
    assert pending.returncode == 1
    assert "confirm by the link in the mail" in pending.stdout
    site.lab.confirm_mail(
        site.stack.topic_arn, lambda arn: subscription_token(site.localstack.url, arn)
    )
    well = site.countermand(worker, "doctor")
    assert well.returncode == 0, well.stdout
    events = site.clients.get("events")
    events.disable_rule(Name=site.names.rule)
    events.remove_targets(Rule=site.names.rule, Ids=["countermand-queue"])
    broken = site.countermand(worker, "doctor")
    assert broken.returncode == 1
    assert f"aws events enable-rule --name {site.names.rule}" in broken.stdout
    assert "as a target" in broken.stdout


def test_simulate_attaches_waits_and_shows_the_decision(site: Site) -> None:
    worker = site.start()
    user = site.user("simulated")
    done = site.countermand(worker, "simulate", "attach-admin", "--user", user, "--tag", "A=b")
    assert done.returncode == 0, done.stderr
    assert '"approved_for_remediation": true' in done.stdout
    assert site.has_admin(user)


def test_provisioning_twice_changes_nothing(site: Site) -> None:
    again = provision(site.clients, rules().routing_pattern(), site.names)
    assert again == site.stack


def test_work_in_hand_is_finished_before_it_ends(site: Site) -> None:
    worker = site.start(mode="enforce")
    users = [site.user(f"drain{n}") for n in range(5)]
    events = [site.attack(user) for user in users]
    assert eventually(lambda: len(worker.log) > 1)
    assert worker.stop() == 0
    time.sleep(POLL_SECONDS)
    successor = site.start(mode="enforce")
    assert all(decision(successor, event)["outcome"] == "applied" for event in events)
    assert not any(site.has_admin(user) for user in users)
