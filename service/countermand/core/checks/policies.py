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
"""Exact ARNs: a customer policy may end in `AdministratorAccess`, and AWS's own
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
"""Policies of AWS's that only deny, so that attaching one can never grant.
https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSCompromisedKeyQuarantineV3.html"""

DENY_ALL_ARNS = frozenset(arn for arn in PROTECTED_DENY_ARNS if arn.endswith("/AWSDenyAll"))
"""As a permissions boundary it leaves its bearer no right at all."""

_MOST_SHOWN = 5


def policy_grants_admin(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether `requestParameters.policyArn` is one of AWS's administrator policies.

    A denied call has `requestParameters: null`; the finding then stands on the call alone.
    """
    policy_arn = requested(event, "policyArn")
    if policy_arn is None:
        return evidence
    return {**evidence, "policy_arn": policy_arn} if policy_arn in ADMIN_POLICY_ARNS else None


def policy_is_the_customers(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether `requestParameters.policyArn` is a customer-managed policy.

    A request that CloudTrail left out is told by the rule about AWS's policies.
    """
    policy_arn = requested(event, "policyArn")
    if policy_arn is None or policy_arn.split(":")[4:5] in ([], ["aws"]):
        return None
    return evidence


def deny_policy_is_protected(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether `requestParameters.policyArn` is a deny policy that nobody should detach."""
    policy_arn = requested(event, "policyArn")
    if policy_arn is None:
        return evidence
    return {**evidence, "policy_arn": policy_arn} if policy_arn in PROTECTED_DENY_ARNS else None


def document_grants_admin(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether `requestParameters.policyDocument` lets its holder become administrator."""
    document = requested(event, "policyDocument")
    if document is None:
        return evidence
    evaluation = evaluate_policies({"": document}, _holder(event))
    return {**evidence, "summary": evaluation.why} if evaluation.privilege.is_risk else None


def trust_is_open(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether the trust policy of a new or changed role lets in others than its own account."""
    key = "assumeRolePolicyDocument" if event.name == "CreateRole" else "policyDocument"
    document = requested(event, key)
    if document is None:
        return evidence
    evaluation = evaluate_trust(document, {event.account_id}, ids_are_foreign=True)
    return {**evidence, "summary": evaluation.why} if evaluation.opening.is_risk else None


def trust_names_users(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether the new trust policy of a role names IAM users of its own account; a stranger is told
    by `trust_is_open`, and so is a request that CloudTrail left out.
    """
    document = requested(event, "policyDocument")
    users = () if document is None else users_let_in(document, event.account_id)
    if not users:
        return None
    caller = " (the caller himself)" if event.actor.arn in users else ""
    shown = ", ".join(printable(user, 200) for user in users[:_MOST_SHOWN])
    more = f" and {len(users) - _MOST_SHOWN} more" if len(users) > _MOST_SHOWN else ""
    return {**evidence, "summary": f"trusts {shown}{more}{caller}"}


def permission_set_grants_admin(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether `requestParameters.inlinePolicy` lets its holder become administrator."""
    document = requested(event, "inlinePolicy")
    if document is None:
        return evidence
    evaluation = evaluate_policies({"": document}, Holder(event.account_id))
    return {**evidence, "summary": evaluation.why} if evaluation.privilege.is_risk else None


def _holder(event: Event) -> Holder:
    """As far as the request names it: a user, role or group, or the policy itself."""
    request = event.request or {}
    for kind in ("user", "role", "group"):
        if type(name := request.get(f"{kind}Name")) is str:
            return Holder(event.account_id, f"arn:aws:iam::{event.account_id}:{kind}/{name}")
    policy_arn = request.get("policyArn")
    return Holder(event.account_id, policy_arns=(policy_arn,) if type(policy_arn) is str else ())
