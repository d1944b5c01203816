"""Attach one of AWS's deny policies again that was detached."""

from collections.abc import Mapping
from dataclasses import dataclass

from countermand.actions.iam.detach_policy import is_attached, request_of
from countermand.core.checks.policies import PROTECTED_DENY_ARNS
from countermand.core.errors import Gone
from countermand.core.model import Finding, Principal, SubjectKind
from countermand.ports import Cloud, Plan


@dataclass(frozen=True, slots=True)
class ReattachDenyPolicy:
    """iam:AttachUserPolicy and its like, for deny policies only; undone by iam:DetachUserPolicy.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_AttachUserPolicy.html
    """

    kind: SubjectKind
    needs = ("policy_arn",)

    @property
    def name(self) -> str:
        return f"reattach_{self.kind}_deny_policy"

    @property
    def description(self) -> str:
        return (
            f"Attach AWS's quarantine or deny policy to the {self.kind} again; undo detaches it. "
            "Grant the call only for these ARNs, by the condition iam:PolicyARN."
        )

    @property
    def read_permissions(self) -> tuple[str, ...]:
        return (f"iam:ListAttached{self._entity}Policies",)

    @property
    def permissions(self) -> tuple[str, ...]:
        return (f"iam:Attach{self._entity}Policy",)

    @property
    def undo_permissions(self) -> tuple[str, ...]:
        return (f"iam:Detach{self._entity}Policy",)

    def plan(self, _cloud: Cloud, finding: Finding, principal: Principal | None) -> Plan | None:
        arn = finding.evidence["policy_arn"]
        # The event is no authority on what may be attached.
        if principal is None or arn not in PROTECTED_DENY_ARNS or arn in principal.policy_arns:
            return None
        return Plan({f"{self.kind}_name": principal.name, "policy_arn": arn})

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            cloud.call(f"iam:Attach{self._entity}Policy", **request_of(self.kind, params))
        except Gone:
            return False
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        """Whether the gap is there: the policy is not attached."""
        try:
            return not is_attached(cloud, self.kind, params)
        except Gone:
            return False

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        cloud.call(f"iam:Detach{self._entity}Policy", **request_of(self.kind, params))

    @property
    def _entity(self) -> str:
        return self.kind.capitalize()
