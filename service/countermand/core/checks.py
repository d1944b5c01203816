"""Named conditions that a pattern cannot express; rules refer to them by name.

A check takes the event and the evidence that the rule file names, and answers with the evidence of
the finding, or None for "not this". It may raise: the finding then says so, and approves nothing.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

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

_ESCALATIONS = tuple(
    f"iam:{name}"
    for name in (
        "AddUserToGroup",
        "AttachGroupPolicy",
        "AttachRolePolicy",
        "AttachUserPolicy",
        "CreateAccessKey",
        "CreateLoginProfile",
        "CreatePolicyVersion",
        "PassRole",
        "PutGroupPolicy",
        "PutRolePolicy",
        "PutUserPolicy",
        "SetDefaultPolicyVersion",
        "UpdateAssumeRolePolicy",
        "UpdateLoginProfile",
    )
)
"""Each lets its holder become administrator when allowed on all resources.
https://github.com/RhinoSecurityLabs/AWS-IAM-Privilege-Escalation"""
_POWER_USER = "all but some actions"
_UNREADABLE = "the document cannot be read as a policy: judge by hand"
_LENGTH = 14


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


def deny_policy_is_protected(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether `requestParameters.policyArn` is a deny policy that nobody should detach."""
    request = event.request
    if request is None or "omitted" in request:
        return evidence
    policy_arn = request.get("policyArn")
    if type(policy_arn) is not str:
        raise Malformed("detail.requestParameters.policyArn must be a string")
    return {**evidence, "policy_arn": policy_arn} if policy_arn in PROTECTED_DENY_ARNS else None


def document_grants_admin(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether `requestParameters.policyDocument` lets its holder become administrator."""
    return _judged(event, evidence, "policyDocument", admin_claim)


def trust_is_open(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether the trust policy of a new or changed role lets in others than its own account."""
    key = "assumeRolePolicyDocument" if event.name == "CreateRole" else "policyDocument"
    return _judged(event, evidence, key, lambda text: open_trust_claim(text, event.account_id))


def password_policy_is_weak(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether the new account password policy asks for fewer than 14 characters (CIS AWS 1.8).

    IAM takes an absent length as 6.
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccountPasswordPolicy.html
    """
    request = event.request
    if request is None or "omitted" in request:
        return evidence
    length = request.get("minimumPasswordLength", 6)
    if type(length) is not int:
        raise Malformed("detail.requestParameters.minimumPasswordLength must be a whole number")
    return {**evidence, "claim": f"at least {length} characters"} if length < _LENGTH else None


def admin_claim(document: object) -> str | None:
    """Why this policy document (JSON text, URL-encoded or not, or an object) gives the way to
    administrator; None: it does not. What cannot be read is a claim that says so.

    Looks at one Allow statement at a time, on all resources; Deny statements are not weighed.
    """
    try:
        statements = list(_allow_statements(document))
    except (ValueError, RecursionError):
        return _UNREADABLE
    claims = (_statement_claim(statement) for statement in statements)
    return next((claim for claim in claims if claim is not None), None)


def open_trust_claim(document: object, account_id: str) -> str | None:
    """Whom else than this account a trust policy lets in; None: nobody. Services do not count."""
    try:
        statements = list(_allow_statements(document))
    except (ValueError, RecursionError):
        return _UNREADABLE
    for statement in statements:
        if "NotPrincipal" in statement:
            return "trusts all but some (NotPrincipal)"
        for kind, name in _principals(statement.get("Principal")):
            if kind == "Federated" or (kind == "AWS" and _is_foreign(name, account_id)):
                return f"trusts {kind} {name[:200]}"
    return None


def _judged(
    event: Event, evidence: Evidence, key: str, claim_of: Callable[[object], str | None]
) -> Evidence | None:
    request = event.request
    if request is None or "omitted" in request:
        return evidence
    document = request.get(key)
    if type(document) is not str:
        raise Malformed(f"detail.requestParameters.{key} must be a string")
    claim = claim_of(document)
    return None if claim is None else {**evidence, "claim": claim}


def _allow_statements(document: object) -> Iterator[Mapping[str, Any]]:
    """Raises `ValueError` for what is no policy document."""
    if isinstance(document, str):
        text = document if document.lstrip()[:1] == "{" else unquote(document)
        document = json.loads(text)
    if not isinstance(document, Mapping) or "Statement" not in document:
        raise ValueError("a policy document is an object with Statement")
    for statement in _as_list(document["Statement"]):
        if not isinstance(statement, Mapping):
            raise ValueError("a statement is an object")  # noqa: TRY004  one error for bad data
        if statement.get("Effect") == "Allow":
            yield statement


def _statement_claim(statement: Mapping[str, Any]) -> str | None:
    resources = _texts(statement.get("Resource"))
    if "NotResource" not in statement and not any(_is_all(name) for name in resources):
        return None
    action = _escalation(statement)
    if action is None:
        return None
    return f"allows {action} on *" + (" under a condition" if statement.get("Condition") else "")


def _escalation(statement: Mapping[str, Any]) -> str | None:
    if "NotAction" in statement:
        spared = _texts(statement["NotAction"])
        return next((a for a in _ESCALATIONS if not _covers(spared, a)), None) or (
            None if any(_is_all(name) for name in spared) else _POWER_USER
        )
    allowed = _texts(statement.get("Action"))
    if any(_is_all(name) or name == "*:*" for name in allowed):
        return "every action"
    return next((action for action in _ESCALATIONS if _covers(allowed, action)), None)


def _covers(patterns: list[str], action: str) -> bool:
    return any(_glob(pattern.lower(), action.lower()) for pattern in patterns)


def _glob(pattern: str, text: str) -> bool:
    """IAM's `*` and `?`, without the exponential time that a regular expression may take."""
    at = read = 0
    star = resume = -1
    while read < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, resume, at = at, read, at + 1
        elif at < len(pattern) and pattern[at] in {"?", text[read]}:
            at, read = at + 1, read + 1
        elif star >= 0:
            at, resume = star + 1, resume + 1
            read = resume
        else:
            return False
    return not pattern[at:].strip("*")


def _principals(principal: object) -> Iterator[tuple[str, str]]:
    if isinstance(principal, str):
        yield "AWS", principal
    elif isinstance(principal, Mapping):
        for kind, names in principal.items():
            for name in _texts(names):
                yield str(kind), name


def _is_foreign(name: str, account_id: str) -> bool:
    if name.startswith("arn:"):
        return name.split(":")[4:5] != [account_id]
    # An id such as AROA... is what IAM shows for a principal that was deleted.
    return name != account_id and not name.startswith(("AIDA", "AROA"))


def _is_all(pattern: str) -> bool:
    return bool(pattern) and not pattern.strip("*")


def _as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _texts(value: object) -> list[str]:
    return [item for item in _as_list(value) if isinstance(item, str)]


def done_to_another(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether `requestParameters.userName` is another user than the caller; absent means himself.

    A role session has no user name: whomever it names is another one.
    """
    request, detail = event.request, event.body.get("detail")
    if request is None or "omitted" in request:
        return evidence if event.error_code is not None or request is not None else None
    target = request.get("userName")
    if type(target) is not str:
        return None
    identity = detail.get("userIdentity") if type(detail) is dict else None
    own = identity.get("userName") if type(identity) is dict else None
    return evidence if target != own else None


def done_to_oneself(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether a user names himself in `requestParameters`, or a session of a role that role."""
    request, detail = event.request, event.body.get("detail")
    if request is None or "omitted" in request:
        return evidence
    identity = _object(detail, "userIdentity")
    issuer = _object(_object(identity, "sessionContext"), "sessionIssuer")
    for target, caller in (
        (request.get("userName"), identity if identity.get("type") == "IAMUser" else {}),
        (request.get("roleName"), issuer if issuer.get("type") == "Role" else {}),
    ):
        if type(target) is str and target == caller.get("userName"):
            return evidence
    return None


def _object(value: object, key: str) -> Mapping[str, Any]:
    """The object under a key; the empty one when there is none."""
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def permission_set_grants_admin(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether `requestParameters.inlinePolicy` lets its holder become administrator."""
    return _judged(event, evidence, "inlinePolicy", admin_claim)


def function_is_open(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether lambda:AddPermission lets in everybody or another account; services do not count."""
    request = event.request
    if request is None or "omitted" in request:
        return evidence
    principal = request.get("principal")
    if type(principal) is not str:
        raise Malformed("detail.requestParameters.principal must be a string")
    if principal.endswith((".amazonaws.com", ".amazonaws.com.cn", ".amazon.com")):
        return None
    if not _is_foreign(principal, event.account_id):
        return None
    return {**evidence, "claim": f"lets in {principal[:200]}"}


def layer_is_foreign(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether a Lambda function gets a layer (`requestParameters.layers`) of another account."""
    request = event.request
    if request is None or "omitted" in request:
        return evidence
    layers = _texts(request.get("layers"))
    found = next((name for name in layers if _is_foreign(name, event.account_id)), None)
    return None if found is None else {**evidence, "claim": f"layer {found[:200]}"}


def selectors_miss_changes(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether cloudtrail:PutEventSelectors leaves out calls that change something."""
    request = event.request
    if request is None or "omitted" in request:
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


def _maps(value: object) -> list[Mapping[str, Any]]:
    return [item for item in _as_list(value) if isinstance(item, Mapping)]


CHECKS: Mapping[str, Check] = {
    "policy_grants_admin": policy_grants_admin,
    "document_grants_admin": document_grants_admin,
    "deny_policy_is_protected": deny_policy_is_protected,
    "trust_is_open": trust_is_open,
    "password_policy_is_weak": password_policy_is_weak,
    "done_to_another": done_to_another,
    "done_to_oneself": done_to_oneself,
    "permission_set_grants_admin": permission_set_grants_admin,
    "function_is_open": function_is_open,
    "layer_is_foreign": layer_is_foreign,
    "selectors_miss_changes": selectors_miss_changes,
}
