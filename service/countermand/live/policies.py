"""Read policies from IAM, and evaluate what they give together."""

import threading
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from countermand.core.errors import Benign, CannotRestore, Gone, Transient
from countermand.core.model import SubjectKind
from countermand.core.policies.evaluate import Evaluation, Holder, evaluate_policies
from countermand.ports import Cloud

PERMISSIONS = ("iam:GetPolicy", "iam:GetPolicyVersion")

_MOST_KEPT = 500
"""A document has at most 6,144 characters, so all of them take about 10 MB."""


class ManagedPolicies:
    """A cache of policy versions, which never change.

    Each call reads which version is the default. A policy that was deleted and created again has
    the same ARN and starts at `v1`, but has another ID. Therefore the ID is part of the key.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-versioning.html
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._kept: dict[tuple[str, str, str], Any] = {}
        self._writing = threading.Lock()

    def document(self, arn: str) -> Any:  # noqa: ANN401  JSON, as boto3 gives it
        """Return the default version. Raises `Gone` if there is no such policy."""
        policy = self._cloud.call("iam:GetPolicy", PolicyArn=arn)["Policy"]
        version = policy["DefaultVersionId"]
        key = (arn, policy["PolicyId"], version)
        if (kept := self._kept.get(key)) is not None:
            return kept
        answer = self._cloud.call("iam:GetPolicyVersion", PolicyArn=arn, VersionId=version)
        document = answer["PolicyVersion"]["Document"]
        with self._writing:
            if len(self._kept) >= _MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = document
        return document

    def boundary(self, arn: str) -> Any:  # noqa: ANN401  as above
        """Return the document of a permissions boundary, or None for an empty ARN.

        None also stands for a deleted policy: what it would hold back is unknown.
        """
        try:
            return self.document(arn) if arn else None
        except Gone:
            return None


@lru_cache(maxsize=4)
def managed_policies(cloud: Cloud) -> ManagedPolicies:
    """Return the cache that all readers of the same cloud share.

    Each deployment of a function, for example, asks for the policies of its role again.
    """
    return ManagedPolicies(cloud)


def held_reads(kind: SubjectKind) -> tuple[str, ...]:
    """Return the permissions that `evaluate_held` needs."""
    entity = kind.capitalize()
    return (
        f"iam:Get{entity}Policy",
        f"iam:ListAttached{entity}Policies",
        f"iam:List{entity}Policies",
        *PERMISSIONS,
    )


def evaluate_held(
    cloud: Cloud, kind: SubjectKind, name: str, holder: Holder, boundary_arn: str
) -> Evaluation:
    """Evaluate what the attached and inline policies of a role or group give `holder` together.

    A Deny in one policy limits the others, and so does the holder's boundary. Raises `Gone` if
    there is no such role or group.
    """
    entity, who = kind.capitalize(), {f"{kind.capitalize()}Name": name}
    attached = cloud.items(f"iam:ListAttached{entity}Policies", "AttachedPolicies", **who)
    arns = [policy["PolicyArn"] for policy in attached]
    names = cloud.items(f"iam:List{entity}Policies", "PolicyNames", **who)
    managed = managed_policies(cloud)
    try:
        documents = {arn: managed.document(arn) for arn in arns} | {
            name: cloud.call(f"iam:Get{entity}Policy", PolicyName=name, **who)["PolicyDocument"]
            for name in names
        }
    except Gone as error:
        raise Transient(f"the policies of the {kind} changed during the read") from error
    own = tuple(arn for arn in arns if ":iam::aws:" not in arn)
    holder = replace(holder, policy_arns=own)
    return evaluate_policies(documents, holder, managed.boundary(boundary_arn))


def demand_risk(what: str, evaluations: Iterable[Evaluation]) -> None:
    """Return only if one of the evaluations certainly gives administrator permissions.

    Raises `CannotRestore` if one of them might, and `Benign` if none of them does.
    """
    risks = [evaluation for evaluation in evaluations if evaluation.privilege.is_risk]
    if not risks:
        raise Benign(f"The {what} gives no path to administrator permissions")
    if not any(evaluation.privilege.is_certain for evaluation in risks):
        raise CannotRestore(f"what the {what} gives is uncertain: {risks[0].why}")
