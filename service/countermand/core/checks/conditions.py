"""Named conditions that a pattern cannot express; rules refer to them by name.

A check takes the event and the evidence that the rule file names, and answers with the evidence of
the finding, or None for "not this". It may raise: the finding then says so, and approves nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any

from countermand.core.errors import Malformed
from countermand.core.model import Event
from countermand.core.policies.document import printable
from countermand.core.policies.evaluate import Holder, evaluate_policies
from countermand.core.policies.trust import evaluate_trust, users_let_in

type Evidence = Mapping[str, str]
type Condition = Callable[[Event, Evidence], Evidence | None]

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

EXCEPTION_TAG_KEY = "SecurityApproved"
"""The tag that takes a principal out of our hands, unless the settings name another; the only one
that an action may take away."""

_LENGTH = 14
_MOST_SHOWN = 5
_ROOT_USER = "AWS ROOT USER"
"""What CloudTrail calls root as a target; no name of an IAM user has a space.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-aws-console-sign-in-events.html"""


def pattern_says_all(_event: Event, evidence: Evidence) -> Evidence:
    """For a rule without a check."""
    return evidence


def policy_grants_admin(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether `requestParameters.policyArn` is one of AWS's administrator policies.

    A denied call has `requestParameters: null`; the finding then stands on the call alone.
    """
    policy_arn = _requested(event, "policyArn")
    if policy_arn is None:
        return evidence
    return {**evidence, "policy_arn": policy_arn} if policy_arn in ADMIN_POLICY_ARNS else None


def policy_is_the_customers(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether `requestParameters.policyArn` is a customer-managed policy.

    A request that CloudTrail left out is told by the rule about AWS's policies.
    """
    policy_arn = _requested(event, "policyArn")
    if policy_arn is None or policy_arn.split(":")[4:5] in ([], ["aws"]):
        return None
    return evidence


def deny_policy_is_protected(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether `requestParameters.policyArn` is a deny policy that nobody should detach."""
    policy_arn = _requested(event, "policyArn")
    if policy_arn is None:
        return evidence
    return {**evidence, "policy_arn": policy_arn} if policy_arn in PROTECTED_DENY_ARNS else None


def document_grants_admin(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether `requestParameters.policyDocument` lets its holder become administrator."""
    document = _requested(event, "policyDocument")
    if document is None:
        return evidence
    evaluation = evaluate_policies({"": document}, _holder(event))
    return {**evidence, "summary": evaluation.why} if evaluation.privilege.is_risk else None


def trust_is_open(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether the trust policy of a new or changed role lets in others than its own account."""
    key = "assumeRolePolicyDocument" if event.name == "CreateRole" else "policyDocument"
    document = _requested(event, key)
    if document is None:
        return evidence
    evaluation = evaluate_trust(document, {event.account_id}, ids_are_foreign=True)
    return {**evidence, "summary": evaluation.why} if evaluation.opening.is_risk else None


def trust_names_users(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether the new trust policy of a role names IAM users of its own account; a stranger is told
    by `trust_is_open`, and so is a request that CloudTrail left out.
    """
    document = _requested(event, "policyDocument")
    users = () if document is None else users_let_in(document, event.account_id)
    if not users:
        return None
    caller = " (the caller himself)" if event.actor.arn in users else ""
    shown = ", ".join(printable(user, 200) for user in users[:_MOST_SHOWN])
    more = f" and {len(users) - _MOST_SHOWN} more" if len(users) > _MOST_SHOWN else ""
    return {**evidence, "summary": f"trusts {shown}{more}{caller}"}


def password_policy_is_weak(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether the new account password policy asks for fewer than 14 characters (CIS AWS 1.8).

    IAM takes an absent length as 6.
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccountPasswordPolicy.html
    """
    request = event.request
    if request is None or event.hides_request:
        return evidence
    length = request.get("minimumPasswordLength", 6)
    if type(length) is not int:
        raise Malformed("detail.requestParameters.minimumPasswordLength must be a whole number")
    return {**evidence, "summary": f"at least {length} characters"} if length < _LENGTH else None


def _requested(event: Event, key: str) -> str | None:
    """A text of the request; None when CloudTrail left the request out."""
    request = event.request
    if request is None or event.hides_request:
        return None
    found = request.get(key)
    if type(found) is not str:
        raise Malformed(f"detail.requestParameters.{key} must be a string")
    return found


def _holder(event: Event) -> Holder:
    """As far as the request names it: a user, role or group, or the policy itself."""
    request = event.request or {}
    for kind in ("user", "role", "group"):
        if type(name := request.get(f"{kind}Name")) is str:
            return Holder(event.account_id, f"arn:aws:iam::{event.account_id}:{kind}/{name}")
    policy_arn = request.get("policyArn")
    return Holder(event.account_id, policy_arns=(policy_arn,) if type(policy_arn) is str else ())


def done_to_another(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether `requestParameters.userName` is another user than the caller; absent means himself.

    A role session has no user name: whomever it names is another one. Root never is another one:
    rules of its own tell what it does to itself.
    """
    request, detail = event.request, event.body.get("detail")
    if request is None or event.hides_request:
        return evidence if event.error_code is not None or request is not None else None
    target = request.get("userName")
    if type(target) is not str or target == _ROOT_USER:
        return None
    identity = _object(detail, "userIdentity")
    # Root's `userName` is the alias of the account.
    own = None if identity.get("type") == "Root" else identity.get("userName")
    return evidence if not _is_same_name(target, own) else None


def done_to_oneself(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether a session of a role names that role in `requestParameters`, or a user himself or
    nobody, which IAM takes for the caller.
    """
    request, detail = event.request, event.body.get("detail")
    if request is None or event.hides_request:
        return evidence
    identity = _object(detail, "userIdentity")
    issuer = _object(_object(identity, "sessionContext"), "sessionIssuer")
    if identity.get("type") == "IAMUser" and not {"userName", "roleName"} & request.keys():
        return evidence
    for target, caller in (
        (request.get("userName"), identity if identity.get("type") == "IAMUser" else {}),
        (request.get("roleName"), issuer if issuer.get("type") == "Role" else {}),
    ):
        if _is_same_name(target, caller.get("userName")):
            return evidence
    return None


def _is_same_name(asked: object, own: object) -> bool:
    """CloudTrail shows a name as the caller wrote it, and IAM takes it in any case."""
    return type(asked) is str and type(own) is str and asked.lower() == own.lower()


def _object(value: object, key: str) -> Mapping[str, Any]:
    """The object under a key; the empty one when there is none."""
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def permission_set_grants_admin(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether `requestParameters.inlinePolicy` lets its holder become administrator."""
    document = _requested(event, "inlinePolicy")
    if document is None:
        return evidence
    evaluation = evaluate_policies({"": document}, Holder(event.account_id))
    return {**evidence, "summary": evaluation.why} if evaluation.privilege.is_risk else None


def function_is_open(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether lambda:AddPermission lets in everybody, another account, or a service of AWS's on
    behalf of another account.

    | a service's `sourceAccount`, and the account in its `sourceArn`  | told by                  |
    |------------------------------------------------------------------|--------------------------|
    | one is the function's own                                        | nobody                   |
    | one is another, or a wildcard                                    | this check               |
    | none, but an ARN without account (a bucket), a token or an org   | nobody: it hides whose   |
    | none                                                             | `function_serves_anybody` |
    """
    if (request := _seen(event)) is None:
        return evidence
    principal = _grantee(request)
    if _is_service(principal):
        accounts = _source_accounts(request)
        if not accounts or event.account_id in accounts:
            return None
        return {**evidence, "summary": f"lets in {principal[:200]} for {accounts[0][:200]}"}
    if not _is_foreign(principal, event.account_id):
        return None
    return {**evidence, "summary": f"lets in {principal[:200]}"}


def function_serves_anybody(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether lambda:AddPermission lets in a service of AWS's on behalf of whoever asks it: anybody
    can then have a bucket, topic or API of his own call the function.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
    """
    if (request := _seen(event)) is None:
        return None
    principal = _grantee(request)
    if not _is_service(principal) or _source_accounts(request):
        return None
    resource = _text(request, "sourceArn").rpartition(":")[2]
    limits = (_text(request, "eventSourceToken"), _text(request, "principalOrgID"))
    if resource.strip("*") or any(limits):
        return None
    return {**evidence, "summary": f"lets in {principal[:200]} for anybody"}


def _seen(event: Event) -> Mapping[str, Any] | None:
    return None if event.hides_request else event.request


def _grantee(request: Mapping[str, Any]) -> str:
    principal = request.get("principal")
    if type(principal) is not str:
        raise Malformed("detail.requestParameters.principal must be a string")
    return principal


def _is_service(principal: str) -> bool:
    return principal.endswith((".amazonaws.com", ".amazonaws.com.cn", ".amazon.com"))


def _source_accounts(request: Mapping[str, Any]) -> list[str]:
    """For whom a service may act, as far as the grant says; wildcards as they are."""
    account = _text(request, "sourceAccount")
    in_arn = (_text(request, "sourceArn").split(":", 5)[4:5] or [""])[0]
    return [name for name in (account, in_arn) if name]


def _text(where: Mapping[str, Any], key: str) -> str:
    found = where.get(key)
    return found if type(found) is str else ""


def layer_is_foreign(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether a Lambda function gets a layer (`requestParameters.layers`) of another account."""
    request = event.request
    if request is None or event.hides_request:
        return evidence
    layers = _texts(request.get("layers"))
    found = next((name for name in layers if _is_foreign(name, event.account_id)), None)
    return None if found is None else {**evidence, "summary": f"layer {found[:200]}"}


def selectors_miss_changes(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether cloudtrail:PutEventSelectors leaves out calls that change something."""
    request = event.request
    if request is None or event.hides_request:
        return evidence
    return None if records_all_changes(request) else evidence


def records_all_changes(selectors: Mapping[str, Any]) -> bool:
    """Whether a trail with these selectors, spelled as the API does or as CloudTrail, records each
    management event that changes something. Those of KMS and of RDS's data API are so many that AWS
    lets a trail exclude them, and are not missed.
    """
    basic = _maps(_get(selectors, "EventSelectors"))
    advanced = _maps(_get(selectors, "AdvancedEventSelectors"))
    return any(map(_basic_records_changes, basic)) or any(map(_advanced_records_changes, advanced))


_NOISY_SOURCES = frozenset({"kms.amazonaws.com", "rdsdata.amazonaws.com"})


def _basic_records_changes(selector: Mapping[str, Any]) -> bool:
    included = _get(selector, "IncludeManagementEvents") is not False
    # A list in the place of the text has no hash.
    kept = _get(selector, "ReadWriteType") in (None, "All", "WriteOnly")
    excluded = _get(selector, "ExcludeManagementEventSources")
    return included and kept and set(_texts(excluded)) <= _NOISY_SOURCES


def _advanced_records_changes(selector: Mapping[str, Any]) -> bool:
    fields = _maps(_get(selector, "FieldSelectors"))
    return any(map(_is_management, fields)) and all(map(_spares_changes, fields))


def _is_management(field: Mapping[str, Any]) -> bool:
    return _operators(field) == {"Field": ["eventCategory"], "Equals": ["Management"]}


def _spares_changes(field: Mapping[str, Any]) -> bool:
    """Whether this condition of an advanced selector lets all changes through."""
    if _is_management(field):
        return True
    match _operators(field):
        case {"Field": ["readOnly"], "Equals": ["false"], **others}:
            return not others
        case {"Field": ["eventSource"], "NotEquals": sources, **others}:
            return not others and set(sources) <= _NOISY_SOURCES
    return False


def _operators(field: Mapping[str, Any]) -> dict[str, list[str]]:
    return {key[:1].upper() + key[1:]: _texts(value) for key, value in field.items() if value}


def _get(where: Mapping[str, Any], key: str) -> object:
    """As the API spells it, or as CloudTrail does."""
    return where[key] if key in where else where.get(key[:1].lower() + key[1:])


def _is_foreign(name: str, account_id: str) -> bool:
    if name.startswith("arn:"):
        return name.split(":")[4:5] != [account_id]
    # An id such as AROA..., in a request as it was sent, may be of any account.
    return name != account_id


def _as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _texts(value: object) -> list[str]:
    return [item for item in _as_list(value) if isinstance(item, str)]


def _maps(value: object) -> list[Mapping[str, Any]]:
    return [item for item in _as_list(value) if isinstance(item, Mapping)]


CHECKS: Mapping[str, Condition] = {
    "policy_grants_admin": policy_grants_admin,
    "policy_is_the_customers": policy_is_the_customers,
    "document_grants_admin": document_grants_admin,
    "deny_policy_is_protected": deny_policy_is_protected,
    "trust_is_open": trust_is_open,
    "trust_names_users": trust_names_users,
    "password_policy_is_weak": password_policy_is_weak,
    "done_to_another": done_to_another,
    "done_to_oneself": done_to_oneself,
    "permission_set_grants_admin": permission_set_grants_admin,
    "function_is_open": function_is_open,
    "function_serves_anybody": function_serves_anybody,
    "layer_is_foreign": layer_is_foreign,
    "selectors_miss_changes": selectors_miss_changes,
}
