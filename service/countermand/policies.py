"""The documents of managed policies as IAM has them now, for `facts.py` and the actions."""

import threading
from typing import Any

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
