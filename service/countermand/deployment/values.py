"""The values of one deployment that the worker's policies name."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

from countermand.core.model import SubjectKind


@dataclass(frozen=True, slots=True)
class DeploymentValues:
    """The values of one deployment; the defaults are variables of Terraform's templates."""

    partition: str = "${partition}"
    account_id: str = "${account_id}"
    queue_arn: str = "${queue_arn}"
    topic_arn: str = "${topic_arn}"
    table_arn: str = "${table_arn}"
    log_group_arn: str = "${log_group_arn}"
    user_scope: str = "${user_scope}"
    role_scope: str = "${role_scope}"
    group_scope: str = "${group_scope}"
    policy_scope: str = "${policy_scope}"
    resource_scope: str = "${resource_scope}"
    account_scope: str = "${account_scope}"

    def principals(self, kind: SubjectKind, names: str) -> str:
        """Return the ARN of principals or policies of one kind."""
        return f"arn:{self.partition}:iam::{self.account_id}:{kind}/{names}"

    def here(self, values: Iterable[str]) -> set[str]:
        """Return the ARNs of AWS-managed policies in this partition; a tag key stays as it is.

        The other partitions are left out because IAM limits the size of a policy.
        """
        return {
            f"arn:{self.partition}:{value.split(':', 2)[2]}" if value.startswith("arn:") else value
            for value in values
        }

    def resource(self, pattern: str) -> str:
        """Return the ARN of the resources in scope, from an ARN pattern without its partition."""
        if "{scope}" in pattern and self.resource_scope.startswith("arn:"):
            return self.resource_scope
        named = pattern.format(account=self.account_id, scope=self.resource_scope)
        return f"arn:{self.partition}:{named}"

    def scope(self, kind: SubjectKind) -> str:
        """Return the glob that the names of one kind must match."""
        return str(getattr(self, f"{kind}_scope"))


VARIABLES = tuple(field.name for field in fields(DeploymentValues))
