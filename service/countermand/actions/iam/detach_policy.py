"""Detach a managed policy from a user, role or group."""

from collections.abc import Mapping
from dataclasses import dataclass

from countermand.core.errors import Gone
from countermand.core.model import Finding, Principal, SubjectKind
from countermand.ports import Cloud, Plan


@dataclass(frozen=True, slots=True)
class DetachPolicy:
    """iam:DetachUserPolicy and its like, undone by iam:AttachUserPolicy.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_DetachUserPolicy.html
    """

    kind: SubjectKind
    needs = ("policy_arn",)

    @property
    def name(self) -> str:
        return f"detach_{self.kind}_policy"

    @property
    def description(self) -> str:
        return f"Detach the managed policy from the {self.kind}; undo attaches it again."

    @property
    def read_permissions(self) -> tuple[str, ...]:
        return (f"iam:ListAttached{self._entity}Policies",)

    @property
    def permissions(self) -> tuple[str, ...]:
        return (f"iam:Detach{self._entity}Policy",)

    @property
    def undo_permissions(self) -> tuple[str, ...]:
        return (f"iam:Attach{self._entity}Policy",)

    def plan(self, _cloud: Cloud, finding: Finding, principal: Principal | None) -> Plan | None:
        policy_arn = finding.evidence["policy_arn"]
        if principal is None or policy_arn not in principal.policy_arns:
            return None
        return Plan({f"{self.kind}_name": principal.name, "policy_arn": policy_arn})

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            cloud.call(f"iam:Detach{self._entity}Policy", **request_of(self.kind, params))
        except Gone:
            return False
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            return is_attached(cloud, self.kind, params)
        except Gone:
            return False

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        cloud.call(f"iam:Attach{self._entity}Policy", **request_of(self.kind, params))

    @property
    def _entity(self) -> str:
        return self.kind.capitalize()


def request_of(kind: SubjectKind, params: Mapping[str, str]) -> dict[str, str]:
    """Of iam:AttachUserPolicy, iam:DetachUserPolicy and their like."""
    return {
        f"{kind.capitalize()}Name": params[f"{kind}_name"],
        "PolicyArn": params["policy_arn"],
    }


def is_attached(cloud: Cloud, kind: SubjectKind, params: Mapping[str, str]) -> bool:
    """Whether the policy is attached, read live. Raises `Gone` without its user, role or group."""
    entity = kind.capitalize()
    name = {f"{entity}Name": params[f"{kind}_name"]}
    attached = cloud.items(f"iam:ListAttached{entity}Policies", "AttachedPolicies", **name)
    return any(policy["PolicyArn"] == params["policy_arn"] for policy in attached)
