"""Start a trail again that was told to stop logging."""

from collections.abc import Mapping
from dataclasses import dataclass

from countermand.core.errors import Gone
from countermand.core.model import Finding, Principal
from countermand.ports import Cloud, Plan


@dataclass(frozen=True, slots=True)
class StartLogging:
    """cloudtrail:StartLogging, undone by cloudtrail:StopLogging.

    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_StartLogging.html
    """

    name = "start_logging"
    description = "Let the stopped trail log again; undo stops it."
    needs = ()
    read_permissions = ("cloudtrail:GetTrailStatus",)
    permissions = ("cloudtrail:StartLogging",)
    undo_permissions = ("cloudtrail:StopLogging",)

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        params = {"trail": finding.subject.name}
        return Plan(params) if _stopped(cloud, params) else None

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            cloud.call("cloudtrail:StartLogging", Name=params["trail"])
        except Gone:
            return False
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        """Whether the trail stands still."""
        try:
            return _stopped(cloud, params)
        except Gone:
            return False

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        cloud.call("cloudtrail:StopLogging", Name=params["trail"])


def _stopped(cloud: Cloud, params: Mapping[str, str]) -> bool:
    return not cloud.call("cloudtrail:GetTrailStatus", Name=params["trail"])["IsLogging"]
