"""Restore an inline policy that was changed to give administrator permissions."""

from collections.abc import Mapping
from dataclasses import dataclass

from countermand.actions.gone import false_when_gone
from countermand.actions.iam.inline_policy import InlinePolicy
from countermand.core.errors import Benign, CannotRestore, Gone
from countermand.core.model import Finding, Principal, SubjectKind
from countermand.core.policies.evaluate import Holder, evaluate_policies
from countermand.core.rules.schema import PREVIOUS
from countermand.live.policies import PERMISSIONS, demand_risk, managed_policies
from countermand.ports import ActionInfo, Cloud, Plan


@dataclass(frozen=True, slots=True)
class RestoreInlinePolicy:
    """Calls iam:PutUserPolicy with the previous document, or iam:DeleteUserPolicy without one.

    Undo calls iam:PutUserPolicy with the document of the change. Roles and groups have equivalents.
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutUserPolicy.html
    """

    kind: SubjectKind

    @property
    def info(self) -> ActionInfo:
        entity = self.kind.capitalize()
        return ActionInfo(
            name=f"restore_{self.kind}_inline_policy",
            description=(
                f"Restore the previous inline policy of the {self.kind}, or delete the policy if "
                "it is new. Undo restores the document of the change. IAM cannot restrict the "
                "content of the policy, so grant the call for the principals in scope only."
            ),
            needs=("policy_name", PREVIOUS),
            reads=(f"iam:Get{entity}Policy", *PERMISSIONS),
            writes=(f"iam:Delete{entity}Policy", f"iam:Put{entity}Policy"),
            undo_calls=(f"iam:Put{entity}Policy",),
        )

    def plan(self, cloud: Cloud, finding: Finding, principal: Principal | None) -> Plan | None:
        if principal is None:
            return None
        params = {
            f"{self.kind}_name": principal.name,
            "policy_name": finding.evidence["policy_name"],
            "previous_document": finding.evidence[PREVIOUS],
        }
        document = self._policy(params).read(cloud)
        name, holder = params["policy_name"], Holder.of(principal.arn)
        if not evaluate_policies({name: document}, holder).privilege.is_risk:
            return None
        boundary = managed_policies(cloud).boundary(principal.boundary_arn)
        evaluation = evaluate_policies({name: document}, holder, boundary)
        if not evaluation.privilege.is_risk:
            raise Benign(f"The permissions boundary of the {self.kind} holds the policy back")
        demand_risk("policy", [evaluation])
        previous = params["previous_document"]
        if previous and evaluate_policies({name: previous}, holder).privilege.is_risk:
            raise CannotRestore("the previous policy gave administrator permissions too")
        return Plan({**params, "policy_document": document})

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        if params["previous_document"]:
            self._policy(params).put(cloud, params["previous_document"])
            return True
        try:
            self._policy(params).delete(cloud)
        except Gone:
            return False
        return True

    @false_when_gone
    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        return self._policy(params).read(cloud) == params["policy_document"]

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        self._policy(params).put(cloud, params["policy_document"])

    def _policy(self, params: Mapping[str, str]) -> InlinePolicy:
        return InlinePolicy(self.kind, params[f"{self.kind}_name"], params["policy_name"])
