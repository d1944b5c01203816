"""Two workers, one queue, one DynamoDB table, and a SIGKILL in the middle."""

import json
from typing import Any

import pytest

from countermand.apiclient import DecisionsApi
from countermand.aws.dynamodb import create_table
from countermand.cloudtrail import ADMIN_POLICY, attach_event
from countermand.core.parse import CLOUDTRAIL_CALL
from running import Site, eventually

ATTACKS = 20


@pytest.mark.dynamodb
def test_every_event_is_decided_once_although_a_worker_is_killed(site: Site, dynamodb: Any) -> None:
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
    site.extra = endpoint
    first, second = site.start(**settings), site.start(**settings)
    users = [site.user(f"r{number}") for number in range(ATTACKS)]
    records = {}
    for number, user in enumerate(users):
        site.lab.create_user(user, {})
        site.lab.attach(user, ADMIN_POLICY)
        records[user] = attach_event(site.account, user)
        for _ in range(2):
            site.lab.put_event(records[user], CLOUDTRAIL_CALL)
        if number == ATTACKS // 2:
            first.process.kill()
            first.process.wait()
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
                if [d["outcome"] for d in found] == ["applied"] and found[0]["told"]
            }
        ),
        90,
    ), json.dumps(decided(), indent=1)[:3000]
    mails = site.mails()
    for found in decided().values():
        copies = sum(found[0]["decision_id"] in mail for mail in mails)
        assert 1 <= copies <= 2
    assert len(mails) <= ATTACKS + 1
    assert second.stop() == 0
