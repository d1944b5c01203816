"""The open data set of real CloudTrail records, read where it lies: every one has a verdict."""

import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from countermand.actions import ALL
from countermand.cloudtrail import envelope
from countermand.core.checks import ADMIN_POLICY_ARNS
from countermand.core.model import Verdict
from countermand.replay import Replayed, replay
from countermand.rulebook import BUILT_IN, load_rules

DATA = Path(__file__).parents[3] / "shared/data/cloudtrail/events.jsonl"
VERDICTS = {str(verdict) for verdict in Verdict} | {"ignored", "malformed"}

pytestmark = pytest.mark.skipif(not DATA.exists(), reason=f"the data set is not at {DATA}")


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    return [json.loads(line)["event"] for line in DATA.read_text().splitlines()]


def replayed(records: list[dict[str, Any]]) -> Iterator[Replayed]:
    lines = "\n".join(json.dumps(envelope(record)) for record in records)
    yield from replay(io.BufferedReader(io.BytesIO(lines.encode())), load_rules(BUILT_IN, ALL))


def test_every_real_event_ends_in_a_described_verdict(records: list[dict[str, Any]]) -> None:
    results = list(replayed(records))
    assert len(results) == len(records)
    assert Counter(result.verdict for result in results).keys() <= VERDICTS
    assert all(result.malformed for result in results if result.verdict == "malformed")


def test_every_real_attachment_of_an_admin_policy_fires(records: list[dict[str, Any]]) -> None:
    attached = [
        record
        for record in records
        if record["eventName"] in {"AttachUserPolicy", "AttachRolePolicy", "AttachGroupPolicy"}
        and (record.get("requestParameters") or {}).get("policyArn") in ADMIN_POLICY_ARNS
    ]
    assert attached
    assert all(result.decision is not None for result in replayed(attached))
