"""Start a trail whose logging was stopped."""

from collections.abc import Mapping
from dataclasses import dataclass

from countermand.actions.gone import false_when_gone
from countermand.core.model import Finding, Principal
from countermand.ports import ActionInfo, Cloud, Plan


@dataclass(frozen=True, slots=True)
class StartLogging:
    """Calls cloudtrail:StartLogging; undo calls cloudtrail:StopLogging.

    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_StartLogging.html
    """

    info = ActionInfo(
        name="start_logging",
        description="Start the logging of the stopped trail. Undo stops it.",
        reads=("cloudtrail:GetTrailStatus",),
        writes=("cloudtrail:StartLogging",),
        undo_calls=("cloudtrail:StopLogging",),
    )

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        params = {"trail": finding.subject.name}
        return Plan(params) if _is_stopped(cloud, params) else None

    @false_when_gone
    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        cloud.call("cloudtrail:StartLogging", Name=params["trail"])
        return True

    @false_when_gone
    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        """Return whether the trail is stopped."""
        return _is_stopped(cloud, params)

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        cloud.call("cloudtrail:StopLogging", Name=params["trail"])


def _is_stopped(cloud: Cloud, params: Mapping[str, str]) -> bool:
    return not cloud.call("cloudtrail:GetTrailStatus", Name=params["trail"])["IsLogging"]
