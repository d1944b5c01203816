"""Make a trail record all management events again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from countermand.actions.gone import false_when_gone
from countermand.core.checks.trails import records_all_changes
from countermand.core.errors import CannotRestore
from countermand.core.model import Finding, Principal
from countermand.ports import ActionInfo, Cloud, Plan

_MOST_SELECTORS = 5
"""The quota of a trail with basic selectors.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/WhatIsCloudTrail-Limits.html"""
_ALL_MANAGEMENT = {"ReadWriteType": "All", "IncludeManagementEvents": True}
_ALL_MANAGEMENT_ADVANCED = {
    "Name": "All management events",
    "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}],
}
_KINDS = ("EventSelectors", "AdvancedEventSelectors")


@dataclass(frozen=True, slots=True)
class RestoreEventSelectors:
    """Calls cloudtrail:PutEventSelectors; undo makes the same call with the event's selectors.

    The event does not say which selectors it replaced. The action therefore sets selectors that
    hide nothing: all management events, and the data events of now. At worst the trail records
    too much.
    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_PutEventSelectors.html
    """

    info = ActionInfo(
        name="restore_event_selectors",
        description=(
            "Make the trail record all management events, and keep its current selectors of data "
            "events. The selectors before the change are unknown, so an exclusion of KMS or RDS "
            "events is lost. Undo sets the selectors of the change again."
        ),
        reads=("cloudtrail:GetEventSelectors",),
        writes=("cloudtrail:PutEventSelectors",),
        undo_calls=("cloudtrail:PutEventSelectors",),
    )

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        selectors = _read(cloud, finding.subject.name)
        if records_all_changes(selectors):
            return None
        params = {
            "trail": finding.subject.name,
            "selectors": json.dumps(selectors),
            "wanted": json.dumps(_widened(selectors)),
        }
        return Plan(params)

    @false_when_gone
    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        _put(cloud, params, "wanted")
        return True

    @false_when_gone
    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        """Return whether the trail misses changes."""
        return not records_all_changes(_read(cloud, params["trail"]))

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        _put(cloud, params, "selectors")


def _read(cloud: Cloud, trail: str) -> dict[str, Any]:
    answer = cloud.call("cloudtrail:GetEventSelectors", TrailName=trail)
    return {kind: answer[kind] for kind in _KINDS if answer.get(kind)}


def _put(cloud: Cloud, params: Mapping[str, str], which: str) -> None:
    selectors = json.loads(params[which])
    cloud.call("cloudtrail:PutEventSelectors", TrailName=params["trail"], **selectors)


def _widened(selectors: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return the selectors with all management events, in the form that the trail uses."""
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
