"""Read and write one inline policy of a user, role or group."""

import json
from dataclasses import dataclass

from countermand.core.errors import Gone
from countermand.core.model import SubjectKind
from countermand.ports import Cloud


@dataclass(frozen=True, slots=True)
class InlinePolicy:
    """An inline policy by the name of its holder and its own."""

    kind: SubjectKind
    holder: str
    name: str

    def read(self, cloud: Cloud) -> str:
        """Return the document as JSON. Raises `Gone` if there is no such policy or holder."""
        answer = cloud.call(f"iam:Get{self._title}Policy", **self._request())
        return json.dumps(answer["PolicyDocument"])

    def read_if_any(self, cloud: Cloud) -> str:
        """Return the document as JSON, or '' if there is no such policy."""
        try:
            return self.read(cloud)
        except Gone:
            return ""

    def put(self, cloud: Cloud, document: str) -> None:
        """Create or replace the policy."""
        cloud.call(f"iam:Put{self._title}Policy", **self._request(), PolicyDocument=document)

    def delete(self, cloud: Cloud) -> None:
        """Delete the policy. Raises `Gone` if there is no such policy or holder."""
        cloud.call(f"iam:Delete{self._title}Policy", **self._request())

    @property
    def _title(self) -> str:
        return self.kind.capitalize()

    def _request(self) -> dict[str, str]:
        return {f"{self._title}Name": self.holder, "PolicyName": self.name}
