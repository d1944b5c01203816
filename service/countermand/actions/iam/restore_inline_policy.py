"""Take back an inline policy that grants administrator rights."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from countermand.core.errors import Benign, CannotRestore, Gone
from countermand.core.model import Finding, Principal, SubjectKind
from countermand.core.policies.evaluate import Holder, evaluate_policies
from countermand.core.rules.schema import PREVIOUS
from countermand.live.policies import PERMISSIONS, managed_policies
from countermand.ports import Cloud, Plan


@dataclass(frozen=True, slots=True)
class RestoreInlinePolicy:
    """iam:PutUserPolicy with the document before, or iam:DeleteUserPolicy when there was none;
    undone by iam:PutUserPolicy with the document that was taken back.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutUserPolicy.html
    """

    kind: SubjectKind
    needs = ("policy_name", PREVIOUS)

    @property
    def name(self) -> str:
        return f"restore_{self.kind}_inline_policy"

    @property
    def description(self) -> str:
        return (
            f"Put back the inline policy of the {self.kind} as it was before, or delete it when "
            "there was none; undo puts the granting document back. IAM cannot limit what the call "
            "puts: grant it for the principals in scope only."
        )

    @property
    def read_permissions(self) -> tuple[str, ...]:
        return (f"iam:Get{self._entity}Policy", *PERMISSIONS)

    @property
    def permissions(self) -> tuple[str, ...]:
        return (f"iam:Delete{self._entity}Policy", f"iam:Put{self._entity}Policy")

    @property
    def undo_permissions(self) -> tuple[str, ...]:
        return (f"iam:Put{self._entity}Policy",)

    def plan(self, cloud: Cloud, finding: Finding, principal: Principal | None) -> Plan | None:
        if principal is None:
            return None
        params = {
            f"{self.kind}_name": principal.name,
            "policy_name": finding.evidence["policy_name"],
            "previous_document": finding.evidence[PREVIOUS],
        }
        document = self._document(cloud, params)
        name, holder = params["policy_name"], Holder.of(principal.arn)
        if not evaluate_policies({name: document}, holder).privilege.is_risk:
            return None
        boundary = managed_policies(cloud).boundary(principal.boundary_arn)
        if not evaluate_policies({name: document}, holder, boundary).privilege.is_risk:
            raise Benign(f"The permissions boundary of the {self.kind} holds the policy back")
        previous = params["previous_document"]
        if previous and evaluate_policies({name: previous}, holder).privilege.is_risk:
            raise CannotRestore("the policy before it granted administrator rights too")
        return Plan({**params, "policy_document": document})

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        if params["previous_document"]:
            self._put(cloud, params, params["previous_document"])
            return True
        try:
            cloud.call(f"iam:Delete{self._entity}Policy", **self._request(params))
        except Gone:
            return False
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            return self._document(cloud, params) == params["policy_document"]
        except Gone:
            return False

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        self._put(cloud, params, params["policy_document"])

    @property
    def _entity(self) -> str:
        return self.kind.capitalize()

    def _request(self, params: Mapping[str, str]) -> dict[str, str]:
        return {
            f"{self._entity}Name": params[f"{self.kind}_name"],
            "PolicyName": params["policy_name"],
        }

    def _document(self, cloud: Cloud, params: Mapping[str, str]) -> str:
        answer = cloud.call(f"iam:Get{self._entity}Policy", **self._request(params))
        return json.dumps(answer["PolicyDocument"])

    def _put(self, cloud: Cloud, params: Mapping[str, str], document: str) -> None:
        request = self._request(params)
        cloud.call(f"iam:Put{self._entity}Policy", **request, PolicyDocument=document)
