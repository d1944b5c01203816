"""Conditions about what a policy grants, denies or trusts."""

from countermand.core.checks.request import Evidence, requested
from countermand.core.model import Event
from countermand.core.policies.document import printable
from countermand.core.policies.evaluate import Holder, evaluate_policies
from countermand.core.policies.trust import evaluate_trust, users_let_in

_PARTITIONS = ("aws", "aws-cn", "aws-us-gov")
_ADMIN_POLICIES = ("AdministratorAccess", "IAMFullAccess", "PowerUserAccess")

ADMIN_POLICY_ARNS = frozenset(
    f"arn:{partition}:iam::aws:policy/{name}"
    for partition in _PARTITIONS
    for name in _ADMIN_POLICIES
)
"""The exact ARNs: a customer policy may end in `AdministratorAccess`, and the AWS-managed policy
`AdministratorAccess-Amplify` begins with it."""

PROTECTED_DENY_ARNS = frozenset(
    f"arn:{partition}:iam::aws:policy/{name}"
    for partition in _PARTITIONS
    for name in (
        "AWSCompromisedKeyQuarantine",
        "AWSCompromisedKeyQuarantineV2",
        "AWSCompromisedKeyQuarantineV3",
        "AWSDenyAll",
    )
)
"""AWS-managed policies that only deny: attaching one cannot grant anything.
https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSCompromisedKeyQuarantineV3.html"""

DENY_ALL_ARNS = frozenset(arn for arn in PROTECTED_DENY_ARNS if arn.endswith("/AWSDenyAll"))
"""As a permissions boundary, this policy leaves its principal no permission."""

_MOST_SHOWN = 5


def policy_grants_admin(event: Event, evidence: Evidence) -> Evidence | None:
    """Check whether `requestParameters.policyArn` is an AWS-managed administrator policy.

    A denied call has `requestParameters: null`: the call alone makes the finding.
    """
    policy_arn = requested(event, "policyArn")
    if policy_arn is None:
        return evidence
    return {**evidence, "policy_arn": policy_arn} if policy_arn in ADMIN_POLICY_ARNS else None


def policy_is_the_customers(event: Event, evidence: Evidence) -> Evidence | None:
    """Check whether `requestParameters.policyArn` is a customer-managed policy.

    The rule about AWS-managed policies covers a request that CloudTrail omitted.
    """
    policy_arn = requested(event, "policyArn")
    if policy_arn is None or policy_arn.split(":")[4:5] in ([], ["aws"]):
        return None
    return evidence


def deny_policy_is_protected(event: Event, evidence: Evidence) -> Evidence | None:
    """Check whether `requestParameters.policyArn` is a protected deny policy."""
    policy_arn = requested(event, "policyArn")
    if policy_arn is None:
        return evidence
    return {**evidence, "policy_arn": policy_arn} if policy_arn in PROTECTED_DENY_ARNS else None


def document_grants_admin(event: Event, evidence: Evidence) -> Evidence | None:
    """Check whether `requestParameters.policyDocument` gives a path to administrator."""
    document = requested(event, "policyDocument")
    if document is None:
        return evidence
    evaluation = evaluate_policies({"": document}, _holder(event))
    return {**evidence, "summary": evaluation.why} if evaluation.privilege.is_risk else None


def trust_is_open(event: Event, evidence: Evidence) -> Evidence | None:
    """Check whether the trust policy of a new or changed role trusts an external principal."""
    key = "assumeRolePolicyDocument" if event.name == "CreateRole" else "policyDocument"
    document = requested(event, key)
    if document is None:
        return evidence
    evaluation = evaluate_trust(document, {event.account_id}, ids_are_foreign=True)
    return {**evidence, "summary": evaluation.why} if evaluation.opening.is_risk else None


def trust_names_users(event: Event, evidence: Evidence) -> Evidence | None:
    """Check whether the new trust policy of a role names IAM users of its own account.

    `trust_is_open` covers external principals, and a request that CloudTrail omitted.
    """
    document = requested(event, "policyDocument")
    users = () if document is None else users_let_in(document, event.account_id)
    if not users:
        return None
    caller = " (the caller)" if event.actor.arn in users else ""
    shown = ", ".join(printable(user, 200) for user in users[:_MOST_SHOWN])
    more = f" and {len(users) - _MOST_SHOWN} more" if len(users) > _MOST_SHOWN else ""
    return {**evidence, "summary": f"trusts {shown}{more}{caller}"}


def permission_set_grants_admin(event: Event, evidence: Evidence) -> Evidence | None:
    """Check whether `requestParameters.inlinePolicy` gives a path to administrator."""
    document = requested(event, "inlinePolicy")
    if document is None:
        return evidence
    evaluation = evaluate_policies({"": document}, Holder(event.account_id))
    return {**evidence, "summary": evaluation.why} if evaluation.privilege.is_risk else None


def _holder(event: Event) -> Holder:
    """Return the principal or policy that the request names, as far as it does."""
    request = event.request or {}
    for kind in ("user", "role", "group"):
        if type(name := request.get(f"{kind}Name")) is str:
            return Holder(event.account_id, f"arn:aws:iam::{event.account_id}:{kind}/{name}")
    policy_arn = request.get("policyArn")
    return Holder(event.account_id, policy_arns=(policy_arn,) if type(policy_arn) is str else ())
