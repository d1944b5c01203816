"""Enable a rule of EventBridge again that was disabled."""

from collections.abc import Mapping
from dataclasses import dataclass

from countermand.core.errors import CannotRestore, Gone
from countermand.core.model import Finding, Principal
from countermand.ports import Cloud, Plan

_DEFAULT_BUS = "default"


@dataclass(frozen=True, slots=True)
class EnableEventRule:
    """events:EnableRule, undone by events:DisableRule; on the default bus, where CloudTrail is.

    https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_EnableRule.html
    """

    name = "enable_event_rule"
    description = "Enable the disabled rule of the default event bus again; undo disables it."
    needs = ()
    read_permissions = ("events:DescribeRule",)
    permissions = ("events:EnableRule",)
    undo_permissions = ("events:DisableRule",)

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        bus = finding.evidence.get("event_bus", _DEFAULT_BUS)
        if bus.rpartition("/")[2] != _DEFAULT_BUS:
            raise CannotRestore("the rule is not on the default event bus")
        params = {"rule": finding.subject.name}
        return Plan(params) if _disabled(cloud, params) else None

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            cloud.call("events:EnableRule", Name=params["rule"])
        except Gone:
            return False
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        """Whether the rule is disabled."""
        try:
            return _disabled(cloud, params)
        except Gone:
            return False

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        cloud.call("events:DisableRule", Name=params["rule"])


def _disabled(cloud: Cloud, params: Mapping[str, str]) -> bool:
    return bool(cloud.call("events:DescribeRule", Name=params["rule"])["State"] == "DISABLED")
