"""Trails that were stopped or narrowed, against moto's CloudTrail."""

import uuid
from typing import Any

import pytest

from countermand.actions import ALL
from countermand.core.errors import CannotRestore, Gone
from support.steps import MotoClients, Script, plan, remediate_and_undo

type Selectors = list[dict[str, Any]]

DATA = [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}]


class Trail:
    """A trail that logs."""

    def __init__(self, endpoint: str) -> None:
        clients = MotoClients(endpoint)
        self.name = f"iam-test-{uuid.uuid4().hex[:12]}"
        self.cloudtrail, self.cloud = clients.get("cloudtrail"), clients.cloud()
        clients.get("s3").create_bucket(Bucket=self.name)
        answer = self.cloudtrail.create_trail(Name=self.name, S3BucketName=self.name)
        self.arn = answer["TrailARN"]
        self.cloudtrail.start_logging(Name=self.name)

    def selectors(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.cloudtrail.get_event_selectors(TrailName=self.name)
        return answer


@pytest.fixture
def trail(dynamodb: Any) -> Trail:
    return Trail(dynamodb.meta.endpoint_url)


@pytest.mark.parametrize("by", ["name", "arn"])
def test_stopped_trail_is_started_and_undone(trail: Trail, by: str) -> None:
    """The trail logs after the action, and is stopped after its undo."""
    trail.cloudtrail.stop_logging(Name=trail.name)
    params = plan(trail.cloud, "start_logging", getattr(trail, by))
    remediate_and_undo(trail.cloud, "start_logging", params)
    assert not trail.cloudtrail.get_trail_status(Name=trail.name)["IsLogging"]


def test_a_trail_that_logs_needs_no_start(trail: Trail) -> None:
    assert plan(trail.cloud, "start_logging", trail.name) is None


def test_a_trail_that_is_gone_cannot_be_started(trail: Trail) -> None:
    params = {"trail": trail.name}
    trail.cloudtrail.delete_trail(Name=trail.name)
    with pytest.raises(Gone):
        plan(trail.cloud, "start_logging", trail.name)
    assert not ALL["start_logging"].is_present(trail.cloud, params)
    assert not ALL["start_logging"].apply(trail.cloud, params)


@pytest.mark.parametrize(
    "narrow",
    [
        [{"ReadWriteType": "ReadOnly", "IncludeManagementEvents": True}],
        [{"ReadWriteType": "All", "IncludeManagementEvents": False, "DataResources": DATA}],
    ],
)
def test_narrowed_trail_records_all_again(trail: Trail, narrow: Selectors) -> None:
    trail.cloudtrail.put_event_selectors(TrailName=trail.name, EventSelectors=narrow)
    before = trail.selectors()["EventSelectors"]
    params = plan(trail.cloud, "restore_event_selectors", trail.name)
    remediate_and_undo(trail.cloud, "restore_event_selectors", params)
    assert trail.selectors()["EventSelectors"] == before


def test_data_events_are_recorded_as_before(trail: Trail) -> None:
    narrow = {"ReadWriteType": "WriteOnly", "IncludeManagementEvents": False, "DataResources": DATA}
    trail.cloudtrail.put_event_selectors(TrailName=trail.name, EventSelectors=[narrow])
    params = plan(trail.cloud, "restore_event_selectors", trail.name)
    assert params is not None
    assert ALL["restore_event_selectors"].apply(trail.cloud, params)
    after = trail.selectors()["EventSelectors"]
    assert [(s["ReadWriteType"], s["DataResources"]) for s in after if "DataResources" in s] == [
        ("WriteOnly", DATA)
    ]


def test_advanced_selectors_stay_advanced(trail: Trail) -> None:
    data = {
        "Name": "objects",
        "FieldSelectors": [
            {"Field": "eventCategory", "Equals": ["Data"]},
            {"Field": "resources.type", "Equals": ["AWS::S3::Object"]},
        ],
    }
    reads = {
        "Name": "reads",
        "FieldSelectors": [
            {"Field": "eventCategory", "Equals": ["Management"]},
            {"Field": "readOnly", "Equals": ["true"]},
        ],
    }
    trail.cloudtrail.put_event_selectors(TrailName=trail.name, AdvancedEventSelectors=[reads, data])
    params = plan(trail.cloud, "restore_event_selectors", trail.name)
    assert params is not None
    assert ALL["restore_event_selectors"].apply(trail.cloud, params)
    after = trail.selectors()["AdvancedEventSelectors"]
    assert data in after
    assert reads not in after
    ALL["restore_event_selectors"].undo(trail.cloud, params)
    assert trail.selectors()["AdvancedEventSelectors"] == [reads, data]


def test_complete_trail_is_left_alone(trail: Trail) -> None:
    """The action plans nothing for a trail that records all changes."""
    without_kms = {
        "ReadWriteType": "All",
        "IncludeManagementEvents": True,
        "ExcludeManagementEventSources": ["kms.amazonaws.com"],
    }
    trail.cloudtrail.put_event_selectors(TrailName=trail.name, EventSelectors=[without_kms])
    assert plan(trail.cloud, "restore_event_selectors", trail.name) is None


def test_five_data_selectors_leave_no_room() -> None:
    """The action refuses a trail that has no room for another selector."""
    script = Script("cloudtrail")
    data = {"IncludeManagementEvents": False, "DataResources": DATA}
    script.expect("get_event_selectors", {"TrailName": "t"}, {"EventSelectors": [data] * 5})
    with pytest.raises(CannotRestore, match="no room"):
        plan(script.cloud(), "restore_event_selectors", "t")
