"""Two workers, one queue, one DynamoDB table, and a SIGKILL in the middle.

The first worker is killed while SNS does not answer it: it has reverted grants and notified nobody.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from countermand.aws.provision import Names
from countermand.core.envelope import ADMIN_POLICY, attach_event
from countermand.core.parse import CLOUDTRAIL_CALL
from countermand.lab.api_client import DecisionsApi
from countermand.lab.localstack import LocalStack
from countermand.ledger.dynamodb_table import create_table
from support.running import PATIENCE_SECONDS, Gate, Site, Worker, eventually, site_on

ATTACKS = 30


@pytest.fixture
def site(localstack: LocalStack, tmp_path: Path) -> Iterator[Site]:
    # As many receives as in production: each meeting with the lease of the killed worker is one.
    with site_on(localstack, tmp_path, max_receives=Names().max_receives) as site:
        yield site


@pytest.mark.dynamodb
def test_a_killed_worker_loses_no_event(site: Site, dynamodb: Any) -> None:
    """Each event is decided once."""
    table = f"countermand-{site.mark}"
    create_table(dynamodb, table)
    endpoint = {"AWS_ENDPOINT_URL_DYNAMODB": dynamodb.meta.endpoint_url}
    settings = {
        "mode": "enforce",
        "ledger_url": f"dynamodb:{table}",
        "replicas": "2",
        "visibility_seconds": "30",
        "heartbeat_seconds": "10",
        "lease_margin_seconds": "0",
        "log_group": "",
    }
    users = [site.user(f"r{number}") for number in range(ATTACKS)]
    records = {}
    with Gate(site.localstack.url) as gate:
        site.extra = endpoint | {"AWS_ENDPOINT_URL_SNS": gate.url}
        first = site.start(**settings)
        site.extra = endpoint
        second = site.start(**settings)
        for number, user in enumerate(users):
            if number == ATTACKS // 3:
                gate.shut()
            site.lab.create_user(user, {})
            site.lab.attach(user, ADMIN_POLICY)
            records[user] = attach_event(site.account, user)
            for _ in range(2):
                site.lab.put_event(records[user], CLOUDTRAIL_CALL)
            if number == ATTACKS * 2 // 3:
                assert gate.holds.wait(PATIENCE_SECONDS)
                first.process.kill()
                first.process.wait()
    unfinished = events_with(first, "Remediation applied") - events_with(
        first, "SNS alert processed"
    )
    assert unfinished, "the kill came too late to hit work in hand"
    assert events_with(second, "Remediation applied"), "only one worker worked"
    assert eventually(lambda: not any(site.has_admin(user) for user in users), 90)
    api = DecisionsApi(second.url)

    def decided() -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        for one in api.find(limit="100"):
            found.setdefault(one["event_id"], []).append(one)
        return found

    wanted = {record["eventID"] for record in records.values()}
    assert eventually(
        lambda: (
            wanted
            == {
                event
                for event, found in decided().items()
                if [d["outcome"] for d in found] == ["applied"] and found[0]["notified"]
            }
        ),
        90,
    ), json.dumps(decided(), indent=1)[:3000]
    told = {found[0]["decision_id"] for found in decided().values()}
    assert eventually(lambda: told <= {i for m in site.mails() for i in told if i in m})
    mails, in_hand = site.mails(), events_with(first, "Parsed event")
    for event, found in decided().items():
        copies = sum(found[0]["decision_id"] in mail for mail in mails)
        assert 1 <= copies <= (2 if event in in_hand else 1)
    # The second copies that the first worker had are hidden for as long as `visibility_seconds`.
    assert eventually(lambda: site.waiting() == (0, 0), 40)
    assert site.lab.take(site.stack.dlq_url) == []
    assert second.stop() == 0


def events_with(worker: Worker, message: str) -> set[str]:
    return {line["event_id"] for line in worker.log if line["message"] == message}
