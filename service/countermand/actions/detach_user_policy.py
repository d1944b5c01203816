"""Detach a managed policy from an IAM user."""

from collections.abc import Mapping

from countermand.core.model import Subject
from countermand.ports import Identities


class DetachUserPolicy:
    """iam:DetachUserPolicy, undone by iam:AttachUserPolicy.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_DetachUserPolicy.html
    """

    name = "detach_user_policy"
    description = "Detach the managed policy from the user; undo attaches it again."
    permissions = ("iam:DetachUserPolicy",)
    undo_permissions = ("iam:AttachUserPolicy",)

    def params(self, subject: Subject, evidence: Mapping[str, str]) -> Mapping[str, str]:
        return {"user_name": subject.name, "policy_arn": evidence["policy_arn"]}

    def present(self, identities: Identities, params: Mapping[str, str]) -> bool:
        return identities.user_has_policy(params["user_name"], params["policy_arn"])

    def apply(self, identities: Identities, params: Mapping[str, str]) -> bool:
        return identities.detach_user_policy(params["user_name"], params["policy_arn"])

    def undo(self, identities: Identities, params: Mapping[str, str]) -> None:
        identities.attach_user_policy(params["user_name"], params["policy_arn"])
