"""Take the exception tag from a user or role."""

from collections.abc import Mapping
from dataclasses import dataclass

from countermand.core.checks.identity import EXCEPTION_TAG_KEY
from countermand.core.errors import Gone
from countermand.core.model import Finding, Principal, SubjectKind
from countermand.ports import Cloud, Plan


@dataclass(frozen=True, slots=True)
class UntagPrincipal:
    """iam:UntagUser and iam:UntagRole, undone by iam:TagUser and iam:TagRole with the same value.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UntagUser.html
    """

    kind: SubjectKind
    needs = ()

    @property
    def name(self) -> str:
        return f"untag_{self.kind}"

    @property
    def description(self) -> str:
        return (
            f"Take the tag {EXCEPTION_TAG_KEY} from the {self.kind}; undo sets it again with the "
            "same value. Grant the call only under the condition aws:TagKeys = this key: other "
            "tags may decide about rights."
        )

    @property
    def read_permissions(self) -> tuple[str, ...]:
        return (f"iam:List{self._entity}Tags",)

    @property
    def permissions(self) -> tuple[str, ...]:
        return (f"iam:Untag{self._entity}",)

    @property
    def undo_permissions(self) -> tuple[str, ...]:
        return (f"iam:Tag{self._entity}",)

    def plan(self, _cloud: Cloud, _finding: Finding, principal: Principal | None) -> Plan | None:
        # The event is no authority on which tag may be taken away.
        if principal is None or EXCEPTION_TAG_KEY not in principal.tags:
            return None
        return Plan(
            {
                f"{self.kind}_name": principal.name,
                "tag_key": EXCEPTION_TAG_KEY,
                "tag_value": principal.tags[EXCEPTION_TAG_KEY],
            }
        )

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            cloud.call(
                f"iam:Untag{self._entity}", **self._request(params), TagKeys=[params["tag_key"]]
            )
        except Gone:
            return False
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            tags = cloud.items(f"iam:List{self._entity}Tags", "Tags", **self._request(params))
        except Gone:
            return False
        return any(tag["Key"] == params["tag_key"] for tag in tags)

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        tag = {"Key": params["tag_key"], "Value": params["tag_value"]}
        cloud.call(f"iam:Tag{self._entity}", **self._request(params), Tags=[tag])

    @property
    def _entity(self) -> str:
        return self.kind.capitalize()

    def _request(self, params: Mapping[str, str]) -> dict[str, str]:
        return {f"{self._entity}Name": params[f"{self.kind}_name"]}
