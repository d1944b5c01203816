"""Attach a deny policy of AWS again that was detached."""

from collections.abc import Mapping
from dataclasses import dataclass

from countermand.actions.gone import false_when_gone
from countermand.actions.iam.detach_policy import attach, detach, is_attached
from countermand.core.checks.policies import PROTECTED_DENY_ARNS
from countermand.core.model import Finding, Principal, SubjectKind
from countermand.ports import ActionInfo, Cloud, Plan


@dataclass(frozen=True, slots=True)
class ReattachDenyPolicy:
    """Calls iam:AttachUserPolicy or its equivalent for deny policies; undo detaches.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_AttachUserPolicy.html
    """

    kind: SubjectKind

    @property
    def info(self) -> ActionInfo:
        entity = self.kind.capitalize()
        return ActionInfo(
            name=f"reattach_{self.kind}_deny_policy",
            description=(
                f"Attach the AWS quarantine or deny policy to the {self.kind} again. Undo detaches "
                "it. Grant the call only for these ARNs, by the condition iam:PolicyARN."
            ),
            needs=("policy_arn",),
            reads=(f"iam:ListAttached{entity}Policies",),
            writes=(f"iam:Attach{entity}Policy",),
            undo_calls=(f"iam:Detach{entity}Policy",),
        )

    def plan(self, _cloud: Cloud, finding: Finding, principal: Principal | None) -> Plan | None:
        arn = finding.evidence["policy_arn"]
        # An event can be forged, so it does not decide which policies may be attached.
        if principal is None or arn not in PROTECTED_DENY_ARNS or arn in principal.policy_arns:
            return None
        return Plan({f"{self.kind}_name": principal.name, "policy_arn": arn})

    @false_when_gone
    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        attach(cloud, self.kind, params)
        return True

    @false_when_gone
    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        """Return whether the policy is missing."""
        return not is_attached(cloud, self.kind, params)

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        detach(cloud, self.kind, params)
