"""Detach a managed policy from a user, role or group."""

from collections.abc import Mapping
from dataclasses import dataclass

from countermand.actions.gone import false_when_gone
from countermand.core.model import Finding, Principal, SubjectKind
from countermand.ports import ActionInfo, Cloud, Plan


@dataclass(frozen=True, slots=True)
class DetachPolicy:
    """Calls iam:DetachUserPolicy or its equivalent; undo calls iam:AttachUserPolicy.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_DetachUserPolicy.html
    """

    kind: SubjectKind

    @property
    def info(self) -> ActionInfo:
        entity = self.kind.capitalize()
        return ActionInfo(
            name=f"detach_{self.kind}_policy",
            description=f"Detach the managed policy from the {self.kind}. Undo attaches it again.",
            needs=("policy_arn",),
            reads=(f"iam:ListAttached{entity}Policies",),
            writes=(f"iam:Detach{entity}Policy",),
            undo_calls=(f"iam:Attach{entity}Policy",),
        )

    def plan(self, _cloud: Cloud, finding: Finding, principal: Principal | None) -> Plan | None:
        policy_arn = finding.evidence["policy_arn"]
        if principal is None or policy_arn not in principal.policy_arns:
            return None
        return Plan({f"{self.kind}_name": principal.name, "policy_arn": policy_arn})

    @false_when_gone
    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        detach(cloud, self.kind, params)
        return True

    @false_when_gone
    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        return is_attached(cloud, self.kind, params)

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        attach(cloud, self.kind, params)


def attach(cloud: Cloud, kind: SubjectKind, params: Mapping[str, str]) -> None:
    """Attach the policy. Raises `Gone` without its user, role or group."""
    cloud.call(f"iam:Attach{kind.capitalize()}Policy", **_request(kind, params))


def detach(cloud: Cloud, kind: SubjectKind, params: Mapping[str, str]) -> None:
    """Detach the policy. Raises `Gone` if it is not attached."""
    cloud.call(f"iam:Detach{kind.capitalize()}Policy", **_request(kind, params))


def is_attached(cloud: Cloud, kind: SubjectKind, params: Mapping[str, str]) -> bool:
    """Read whether the policy is attached. Raises `Gone` without its user, role or group."""
    entity = kind.capitalize()
    name = {f"{entity}Name": params[f"{kind}_name"]}
    attached = cloud.items(f"iam:ListAttached{entity}Policies", "AttachedPolicies", **name)
    return any(policy["PolicyArn"] == params["policy_arn"] for policy in attached)


def _request(kind: SubjectKind, params: Mapping[str, str]) -> dict[str, str]:
    return {f"{kind.capitalize()}Name": params[f"{kind}_name"], "PolicyArn": params["policy_arn"]}
