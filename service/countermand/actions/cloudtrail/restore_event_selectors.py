"""Let a trail record all management events again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from countermand.core.checks.trails import records_all_changes
from countermand.core.errors import CannotRestore, Gone
from countermand.core.model import Finding, Principal
from countermand.ports import Cloud, Plan

_MOST_SELECTORS = 5
"""Of a trail with basic selectors.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/WhatIsCloudTrail-Limits.html"""
_ALL_MANAGEMENT = {"ReadWriteType": "All", "IncludeManagementEvents": True}
_ALL_MANAGEMENT_ADVANCED = {
    "Name": "All management events",
    "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}],
}
_KINDS = ("EventSelectors", "AdvancedEventSelectors")


@dataclass(frozen=True, slots=True)
class RestoreEventSelectors:
    """cloudtrail:PutEventSelectors, undone by the same call with the selectors of the event.

    The event does not say which selectors it replaced. So the trail gets those that hide nothing:
    all management events, beside the data events that it has. At worst it records too much.
    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_PutEventSelectors.html
    """

    name = "restore_event_selectors"
    description = (
        "Let the trail record all management events, and leave its selectors of data events as "
        "they are now. Which selectors it had before is not known: an exclusion of KMS or RDS "
        "events does not come back. Undo puts the selectors that were taken back."
    )
    needs = ()
    read_permissions = ("cloudtrail:GetEventSelectors",)
    permissions = ("cloudtrail:PutEventSelectors",)
    undo_permissions = ("cloudtrail:PutEventSelectors",)

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        selectors = _read(cloud, finding.subject.name)
        if records_all_changes(selectors):
            return None
        return Plan(
            {
                "trail": finding.subject.name,
                "selectors": json.dumps(selectors),
                "wanted": json.dumps(_widened(selectors)),
            }
        )

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            _put(cloud, params, "wanted")
        except Gone:
            return False
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        """Whether the trail misses changes."""
        try:
            return not records_all_changes(_read(cloud, params["trail"]))
        except Gone:
            return False

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        _put(cloud, params, "selectors")


def _read(cloud: Cloud, trail: str) -> dict[str, Any]:
    answer = cloud.call("cloudtrail:GetEventSelectors", TrailName=trail)
    return {kind: answer[kind] for kind in _KINDS if answer.get(kind)}


def _put(cloud: Cloud, params: Mapping[str, str], which: str) -> None:
    selectors = json.loads(params[which])
    cloud.call("cloudtrail:PutEventSelectors", TrailName=params["trail"], **selectors)


def _widened(selectors: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    if "AdvancedEventSelectors" in selectors:
        others = [s for s in selectors["AdvancedEventSelectors"] if not _is_management(s)]
        return {"AdvancedEventSelectors": [_ALL_MANAGEMENT_ADVANCED, *others]}
    data = [s for s in selectors.get("EventSelectors", ()) if s.get("DataResources")]
    if len(data) >= _MOST_SELECTORS:
        raise CannotRestore(f"the trail has no room for a selector beside its {len(data)}")
    others = [
        {key: s[key] for key in ("ReadWriteType", "DataResources") if key in s}
        | {"IncludeManagementEvents": False}
        for s in data
    ]
    return {"EventSelectors": [_ALL_MANAGEMENT, *others]}


def _is_management(selector: Mapping[str, Any]) -> bool:
    return any(
        field["Field"] == "eventCategory" and "Management" in field.get("Equals", ())
        for field in selector["FieldSelectors"]
    )
