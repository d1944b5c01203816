"""Make the version before it the default again of a customer-managed policy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from countermand.core.errors import Benign, CannotRestore
from countermand.core.model import Finding, Principal
from countermand.core.policies.evaluate import Holder, evaluate_policies
from countermand.core.rules.schema import PREVIOUS
from countermand.ports import Cloud, Plan


@dataclass(frozen=True, slots=True)
class SetDefaultPolicyVersion:
    """iam:SetDefaultPolicyVersion to the version that was the default; undone by the same call.

    The version that is taken back stays, as evidence. The call could grant: so a version that
    itself gives administrator rights is never chosen, nor one of which nobody knows that it was in
    force: who makes a version can have written the one before it too.
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_SetDefaultPolicyVersion.html
    """

    name = "set_default_policy_version"
    description = (
        "Make the version the default again that was it before, unless that grants administrator "
        "rights too; undo makes the version of the event the default again."
    )
    needs = ("version_id",)
    read_permissions = ("iam:GetPolicyVersion", "iam:ListPolicyVersions")
    permissions = ("iam:SetDefaultPolicyVersion",)
    undo_permissions = ("iam:SetDefaultPolicyVersion",)

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        arn, version_id = finding.subject.name, finding.evidence["version_id"]
        versions = _versions(cloud, arn)
        if _default(versions) != version_id:
            return None
        if not _grants_admin(cloud, arn, version_id):
            raise Benign("The version gives no way to administrator rights")
        others = {version["VersionId"] for version in versions} - {version_id}
        previous = finding.evidence.get(PREVIOUS) or _first(finding.evidence)
        if previous is None:
            raise CannotRestore("nobody knows which version was the default before")
        if previous == version_id:
            raise CannotRestore("it was the default before the event too")
        if previous not in others:
            raise CannotRestore(f"the version before it ({previous}) is deleted")
        if _grants_admin(cloud, arn, previous):
            raise CannotRestore(f"the version before it ({previous}) grants admin rights too")
        return Plan({"policy_arn": arn, "version_id": version_id, "previous_version_id": previous})

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
    """`v1`, when it must have been the default: the event made `v2`, and no other was there."""
    made = evidence.get("set_as_default") == "true"
    return "v1" if made and evidence["version_id"] == "v2" else None


def _grants_admin(cloud: Cloud, arn: str, version_id: str) -> bool:
    answer = cloud.call("iam:GetPolicyVersion", PolicyArn=arn, VersionId=version_id)
    holder = Holder(arn.split(":")[4], policy_arns=(arn,))
    return evaluate_policies({"": answer["PolicyVersion"]["Document"]}, holder).privilege.is_risk


def _set(cloud: Cloud, arn: str, version_id: str) -> None:
    cloud.call("iam:SetDefaultPolicyVersion", PolicyArn=arn, VersionId=version_id)
