"""Read users, roles and groups from IAM.

Each read follows its pages to the end, because a decision needs the whole list.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_Operations.html
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from countermand.aws.errors import error_code, translated
from countermand.core import aws_codes
from countermand.core.aspects import boundary_of
from countermand.core.model import Principal, Subject, SubjectKind

PERMISSIONS = {
    SubjectKind.USER: ("iam:GetUser", "iam:ListUserTags", "iam:ListAttachedUserPolicies"),
    SubjectKind.ROLE: ("iam:GetRole", "iam:ListRoleTags", "iam:ListAttachedRolePolicies"),
    SubjectKind.GROUP: ("iam:GetGroup", "iam:ListAttachedGroupPolicies"),
}


class IamIdentities:
    """The port `Identities` on a shared boto3 `iam` client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def read(self, subject: Subject) -> Principal | None:
        """Read a principal by three calls: the principal, its tags and its attached policies.

        Returns None if one of the calls says that the principal does not exist.
        """
        readers: Mapping[SubjectKind, Callable[[str], Principal]] = {
            SubjectKind.USER: self._user,
            SubjectKind.ROLE: self._role,
            SubjectKind.GROUP: self._group,
        }
        try:
            return readers[subject.kind](subject.name)
        except _GoneError:
            return None

    def _user(self, name: str) -> Principal:
        user = self._call("get_user", UserName=name)["User"]
        tags = self._pages("list_user_tags", UserName=name)("Tags")
        attached = self._pages("list_attached_user_policies", UserName=name)("AttachedPolicies")
        return _principal(SubjectKind.USER, user, "User", tags, attached)

    def _role(self, name: str) -> Principal:
        role = self._call("get_role", RoleName=name)["Role"]
        tags = self._pages("list_role_tags", RoleName=name)("Tags")
        attached = self._pages("list_attached_role_policies", RoleName=name)("AttachedPolicies")
        return _principal(SubjectKind.ROLE, role, "Role", tags, attached)

    def _group(self, name: str) -> Principal:
        # GetGroup lists the members in pages; the group itself is on the first page.
        group = self._call("get_group", GroupName=name, MaxItems=1)["Group"]
        attached = self._pages("list_attached_group_policies", GroupName=name)("AttachedPolicies")
        return _principal(SubjectKind.GROUP, group, "Group", iter(()), attached)

    def _call(self, method: str, **arguments: object) -> Any:
        operation = self._client.meta.method_to_api_mapping[method]
        with translated("iam", operation):
            try:
                return getattr(self._client, method)(**arguments)
            except ClientError as error:
                if error_code(error) in aws_codes.GONE:
                    raise _GoneError from error
                raise

    def _pages(self, method: str, **arguments: object) -> Callable[[str], Iterator[Any]]:
        def items(key: str) -> Iterator[Any]:
            marker: dict[str, str] = {}
            while True:
                page = self._call(method, **arguments, **marker)
                yield from page[key]
                if not page.get("IsTruncated"):
                    return
                marker = {"Marker": page["Marker"]}

        return items


class _GoneError(Exception):
    """Raised when the principal does not exist; `read` turns it into None."""


def _principal(
    kind: SubjectKind,
    entity: Mapping[str, Any],
    prefix: str,
    tags: Iterator[Mapping[str, str]],
    attached: Iterator[Mapping[str, str]],
) -> Principal:
    return Principal(
        kind=kind,
        name=entity[f"{prefix}Name"],
        arn=entity["Arn"],
        unique_id=entity[f"{prefix}Id"],
        path=entity["Path"],
        created=entity["CreateDate"],
        tags={tag["Key"]: tag["Value"] for tag in tags},
        policy_arns=frozenset(policy["PolicyArn"] for policy in attached),
        boundary_arn=boundary_of(entity),
    )
