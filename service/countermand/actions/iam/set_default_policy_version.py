"""Restore the previous default version of a customer-managed policy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from countermand.core.errors import CannotRestore
from countermand.core.model import Finding, Principal
from countermand.core.policies.evaluate import Evaluation, Holder, evaluate_policies
from countermand.core.rules.schema import PREVIOUS
from countermand.live.policies import demand_risk
from countermand.ports import ActionInfo, Cloud, Plan


@dataclass(frozen=True, slots=True)
class SetDefaultPolicyVersion:
    """Calls iam:SetDefaultPolicyVersion with the previous default; undo makes the same call.

    The version of the change remains, as evidence. The call could itself give permissions. The
    action therefore never chooses a version that gives administrator permissions, nor a version
    that might never have been the default: an attacker can write two versions in a row.
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_SetDefaultPolicyVersion.html
    """

    info = ActionInfo(
        name="set_default_policy_version",
        description=(
            "Make the previous version the default again, unless that gives administrator "
            "permissions too. Undo makes the version of the event the default again."
        ),
        needs=("version_id",),
        reads=("iam:GetPolicyVersion", "iam:ListPolicyVersions"),
        writes=("iam:SetDefaultPolicyVersion",),
        undo_calls=("iam:SetDefaultPolicyVersion",),
    )

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        arn, version_id = finding.subject.name, finding.evidence["version_id"]
        versions = _versions(cloud, arn)
        if _default(versions) != version_id:
            return None
        demand_risk("version", [_evaluation(cloud, arn, version_id)])
        others = {version["VersionId"] for version in versions} - {version_id}
        previous = finding.evidence.get(PREVIOUS) or _first(finding.evidence)
        if previous is None:
            raise CannotRestore("the previous default version is unknown")
        if previous == version_id:
            raise CannotRestore("it was the default before the event too")
        if previous not in others:
            raise CannotRestore(f"the previous default version ({previous}) is deleted")
        if _evaluation(cloud, arn, previous).privilege.is_risk:
            raise CannotRestore(
                f"the previous default version ({previous}) gives administrator permissions too"
            )
        params = {"policy_arn": arn, "version_id": version_id, "previous_version_id": previous}
        return Plan(params)

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        if not self.is_present(cloud, params):
            return False
        _set(cloud, params["policy_arn"], params["previous_version_id"])
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        return _default(_versions(cloud, params["policy_arn"])) == params["version_id"]

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        _set(cloud, params["policy_arn"], params["version_id"])


def _versions(cloud: Cloud, arn: str) -> list[Any]:
    return list(cloud.items("iam:ListPolicyVersions", "Versions", PolicyArn=arn))


def _default(versions: list[Any]) -> str | None:
    return next((str(v["VersionId"]) for v in versions if v["IsDefaultVersion"]), None)


def _first(evidence: Mapping[str, str]) -> str | None:
    """Return `v1` if it must have been the default, because the event created `v2`."""
    made = evidence.get("set_as_default") == "true"
    return "v1" if made and evidence["version_id"] == "v2" else None


def _evaluation(cloud: Cloud, arn: str, version_id: str) -> Evaluation:
    answer = cloud.call("iam:GetPolicyVersion", PolicyArn=arn, VersionId=version_id)
    holder = Holder(arn.split(":")[4], policy_arns=(arn,))
    return evaluate_policies({"": answer["PolicyVersion"]["Document"]}, holder)


def _set(cloud: Cloud, arn: str, version_id: str) -> None:
    cloud.call("iam:SetDefaultPolicyVersion", PolicyArn=arn, VersionId=version_id)
