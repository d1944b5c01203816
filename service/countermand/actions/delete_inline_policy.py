"""Delete an inline policy that grants administrator rights."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from countermand.core.errors import Gone
from countermand.core.model import Finding, Principal, SubjectKind
from countermand.core.policydoc import Holder, judge_policies
from countermand.ports import Cloud


@dataclass(frozen=True, slots=True)
class DeleteInlinePolicy:
    """iam:DeleteUserPolicy and its like, undone by iam:PutUserPolicy with the deleted document.

    An older document under the same name, which the change replaced, does not come back.
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteUserPolicy.html
    """

    kind: SubjectKind
    needs = ("policy_name",)

    @property
    def name(self) -> str:
        return f"delete_{self.kind}_inline_policy"

    @property
    def description(self) -> str:
        return (
            f"Delete the inline policy of the {self.kind} if it still grants administrator rights; "
            "undo puts the deleted document back. What it had replaced stays lost."
        )

    @property
    def read_permissions(self) -> tuple[str, ...]:
        return (f"iam:Get{self._entity}Policy",)

    @property
    def permissions(self) -> tuple[str, ...]:
        return (f"iam:Delete{self._entity}Policy",)

    @property
    def undo_permissions(self) -> tuple[str, ...]:
        return (f"iam:Put{self._entity}Policy",)

    def look(
        self, cloud: Cloud, finding: Finding, principal: Principal | None
    ) -> Mapping[str, str] | None:
        if principal is None:
            return None
        params = {
            f"{self.kind}_name": principal.name,
            "policy_name": finding.evidence["policy_name"],
        }
        document = self._document(cloud, params)
        judged = judge_policies({params["policy_name"]: document}, Holder.of(principal.arn))
        if not judged.claim.is_risk:
            return None
        return {**params, "policy_document": document}

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            cloud.call(f"iam:Delete{self._entity}Policy", **self._request(params))
        except Gone:
            return False
        return True

    def present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            return self._document(cloud, params) == params["policy_document"]
        except Gone:
            return False

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        cloud.call(
            f"iam:Put{self._entity}Policy",
            **self._request(params),
            PolicyDocument=params["policy_document"],
        )

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
