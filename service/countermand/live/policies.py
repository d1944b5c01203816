"""Policies as IAM has them now, and what they give together: for `facts.py` and the actions."""

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
"""Documents of at most 6,144 characters: some 10 MB as objects."""


class ManagedPolicies:
    """Reads which version is the default each time, and each version once.

    A version never changes. A policy that was deleted and made again has the same ARN, begins again
    at `v1` and has another id: hence the id in the key.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-versioning.html
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._kept: dict[tuple[str, str, str], Any] = {}
        self._writing = threading.Lock()

    def document(self, arn: str) -> Any:  # noqa: ANN401  JSON, as boto3 gives it
        """Of the default version. Raises `Gone` when there is no such policy."""
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
        """Of the policy that is a permissions boundary. None for no ARN, and for one that names no
        policy any more: that holds nothing back which we could see.
        """
        try:
            return self.document(arn) if arn else None
        except Gone:
            return None


@lru_cache(maxsize=4)
def managed_policies(cloud: Cloud) -> ManagedPolicies:
    """One for all that read through the same cloud: each deployment of a function asks again about
    the policies of its role.
    """
    return ManagedPolicies(cloud)


def held_reads(kind: SubjectKind) -> tuple[str, ...]:
    """The permissions that `evaluate_held` needs."""
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
    """What the attached and inline policies of a role or group give `holder` together: a Deny in
    one takes away from another, and so does the holder's boundary. Raises `Gone` when there is no
    such role or group.
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
        raise Transient(f"the policies of the {kind} change while they are read") from error
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
