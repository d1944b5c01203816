"""Remove the exception tag from a user or role."""

from collections.abc import Mapping
from dataclasses import dataclass

from countermand.actions.gone import false_when_gone
from countermand.core.checks.identity import EXCEPTION_TAG_KEY
from countermand.core.model import Finding, Principal, SubjectKind
from countermand.ports import ActionInfo, Cloud, Plan


@dataclass(frozen=True, slots=True)
class UntagPrincipal:
    """Calls iam:UntagUser or iam:UntagRole; undo sets the tag again with the same value.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UntagUser.html
    """

    kind: SubjectKind

    @property
    def info(self) -> ActionInfo:
        entity = self.kind.capitalize()
        return ActionInfo(
            name=f"untag_{self.kind}",
            description=(
                f"Remove the tag {EXCEPTION_TAG_KEY} from the {self.kind}. Undo sets it again with "
                "the same value. Grant the call only under the condition aws:TagKeys = this key, "
                "because other tags can decide about permissions."
            ),
            reads=(f"iam:List{entity}Tags",),
            writes=(f"iam:Untag{entity}",),
            undo_calls=(f"iam:Tag{entity}",),
        )

    def plan(self, _cloud: Cloud, _finding: Finding, principal: Principal | None) -> Plan | None:
        # An event can be forged, so it does not decide which tag may be removed.
        if principal is None or EXCEPTION_TAG_KEY not in principal.tags:
            return None
        params = {
            f"{self.kind}_name": principal.name,
            "tag_key": EXCEPTION_TAG_KEY,
            "tag_value": principal.tags[EXCEPTION_TAG_KEY],
        }
        return Plan(params)

    @false_when_gone
    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        tag_keys = [params["tag_key"]]
        cloud.call(f"iam:Untag{self._entity}", **self._request(params), TagKeys=tag_keys)
        return True

    @false_when_gone
    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        tags = cloud.items(f"iam:List{self._entity}Tags", "Tags", **self._request(params))
        return any(tag["Key"] == params["tag_key"] for tag in tags)

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        tag = {"Key": params["tag_key"], "Value": params["tag_value"]}
        cloud.call(f"iam:Tag{self._entity}", **self._request(params), Tags=[tag])

    @property
    def _entity(self) -> str:
        return self.kind.capitalize()

    def _request(self, params: Mapping[str, str]) -> dict[str, str]:
        return {f"{self._entity}Name": params[f"{self.kind}_name"]}
