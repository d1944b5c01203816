"""Enable an EventBridge rule that was disabled."""

from collections.abc import Mapping
from dataclasses import dataclass

from countermand.actions.gone import false_when_gone
from countermand.core.errors import CannotRestore
from countermand.core.model import Finding, Principal
from countermand.ports import ActionInfo, Cloud, Plan

_DEFAULT_BUS = "default"


@dataclass(frozen=True, slots=True)
class EnableEventRule:
    """Calls events:EnableRule on the default bus; undo calls events:DisableRule.

    CloudTrail delivers its events to the default bus only.
    https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_EnableRule.html
    """

    info = ActionInfo(
        name="enable_event_rule",
        description="Enable the EventBridge rule on the default event bus. Undo disables it.",
        reads=("events:DescribeRule",),
        writes=("events:EnableRule",),
        undo_calls=("events:DisableRule",),
    )

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        bus = finding.evidence.get("event_bus", _DEFAULT_BUS)
        if bus.rpartition("/")[2] != _DEFAULT_BUS:
            raise CannotRestore("the rule is not on the default event bus")
        params = {"rule": finding.subject.name}
        return Plan(params) if _is_disabled(cloud, params) else None

    @false_when_gone
    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        cloud.call("events:EnableRule", Name=params["rule"])
        return True

    @false_when_gone
    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        """Return whether the EventBridge rule is disabled."""
        return _is_disabled(cloud, params)

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        cloud.call("events:DisableRule", Name=params["rule"])


def _is_disabled(cloud: Cloud, params: Mapping[str, str]) -> bool:
    return bool(cloud.call("events:DescribeRule", Name=params["rule"])["State"] == "DISABLED")
