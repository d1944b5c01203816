"""Named conditions that a pattern cannot express; rules refer to them by name.

A check takes the event and the evidence that the rule file names, and answers with the evidence of
the finding, or None for "not this". It may raise: the finding then says so, and approves nothing.
"""

from collections.abc import Callable, Mapping

from countermand.core.errors import Malformed
from countermand.core.model import Event

type Evidence = Mapping[str, str]
type Check = Callable[[Event, Evidence], Evidence | None]

_PARTITIONS = ("aws", "aws-cn", "aws-us-gov")
_ADMIN_POLICIES = ("AdministratorAccess", "IAMFullAccess", "PowerUserAccess")

ADMIN_POLICY_ARNS = frozenset(
    f"arn:{partition}:iam::aws:policy/{name}"
    for partition in _PARTITIONS
    for name in _ADMIN_POLICIES
)
"""Exact ARNs: a customer policy may end in `AdministratorAccess`, and AWS's own
`AdministratorAccess-Amplify` begins with it."""


def pattern_says_all(_event: Event, evidence: Evidence) -> Evidence:
    """For a rule without a check."""
    return evidence


def policy_grants_admin(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether `requestParameters.policyArn` is one of AWS's administrator policies.

    A denied call has `requestParameters: null`; the finding then stands on the call alone.
    """
    request = event.request
    if request is None or "omitted" in request:
        return evidence
    policy_arn = request.get("policyArn")
    if type(policy_arn) is not str:
        raise Malformed("detail.requestParameters.policyArn must be a string")
    return {**evidence, "policy_arn": policy_arn} if policy_arn in ADMIN_POLICY_ARNS else None


CHECKS: Mapping[str, Check] = {
    "policy_grants_admin": policy_grants_admin,
}
