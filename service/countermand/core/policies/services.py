"""Whether a resource policy lets an AWS service make a call: EventBridge a send to a queue.

A service has no policies of its own, so the policy of the queue, key or topic alone decides. For a
role, which has policies of its own, only what a resource policy denies is asked (`denial_of`).

| Deny        | Allow       | the call is |
|-------------|-------------|-------------|
| certain     | any         | refused     |
| possible    | any         | unsure      |
| none        | certain     | allowed     |
| none        | possible    | unsure      |
| none        | none        | refused     |

A condition on a key that only AWS knows makes a statement possible. A document that cannot be read
allows nothing.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

from countermand.core.policies.document import (
    UnreadableError,
    folded,
    matches,
    one_of,
    printable,
    read_policy,
    texts,
)

_DOMAIN = ".amazonaws."
_NEVER_SENT = frozenset(
    {
        "aws:principalarn",
        "aws:principalaccount",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:multifactorauthpresent",
        "aws:sourceip",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:userid",
        "aws:username",
    }
)
"""Keys of people and networks, which the call of a service does not have."""
_NEVER_SENT_BY_ROLES = frozenset(
    {"aws:sourceaccount", "aws:sourcearn", "aws:multifactorauthpresent", "aws:username"}
)


class Access(StrEnum):
    """Whether the service may make the call."""

    ALLOWED = "allowed"
    UNSURE = "unsure"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ServiceCall:
    """A call of a service: `events` sends to a queue, in the name of a rule."""

    caller: str
    """The first word of the service principal, such as `events` of `events.amazonaws.com`; for
    `denial_of`, the ARN of a role."""
    action: str
    resource: str
    sent: Mapping[str, str] = field(default_factory=dict)
    """The condition keys that the call surely has, in lower case."""
    never_sent: frozenset[str] = _NEVER_SENT
    """The condition keys that the call surely lacks."""


@dataclass(frozen=True, slots=True)
class ServiceAccess:
    """An answer, and the statement that decided, as printable ASCII of bounded length."""

    access: Access
    why: str


class _Sure(IntEnum):
    NO = 0
    MAYBE = 1
    YES = 2


def access_of(document: object, call: ServiceCall) -> ServiceAccess:
    """Evaluate a resource policy, as JSON text or an object, for the call of a service."""
    principal = f"{call.caller}.amazonaws.com"
    if not document:
        return ServiceAccess(Access.REFUSED, f"there is no policy that allows {principal}")
    try:
        found = list(_about(document, call))
    except UnreadableError as error:
        return ServiceAccess(Access.REFUSED, f"the policy cannot be read: {error}")
    for effect, sure, access, verb in (
        ("Deny", _Sure.YES, Access.REFUSED, "denies it"),
        ("Deny", _Sure.MAYBE, Access.UNSURE, "denies it under a condition"),
        ("Allow", _Sure.YES, Access.ALLOWED, "allows it"),
        ("Allow", _Sure.MAYBE, Access.UNSURE, "allows it under a condition"),
    ):
        for statement, label, found_sure in found:
            if statement["Effect"] == effect and found_sure is sure:
                return ServiceAccess(access, f"statement {label} {verb}")
    return ServiceAccess(
        Access.REFUSED, f"no statement allows {call.action} to {principal} for this source"
    )


def denial_of(document: object, role_arn: str, action: str, resource: str) -> ServiceAccess | None:
    """Return how a resource policy denies a role a call; None if it does not."""
    account_id = role_arn.split(":")[4]
    sent = {
        "aws:principalarn": role_arn,
        "aws:principalaccount": account_id,
        "aws:principalisawsservice": "false",
        "aws:securetransport": "true",
    }
    call = ServiceCall(role_arn, action, resource, sent, _NEVER_SENT_BY_ROLES)
    if not document:
        return None
    try:
        found = [about for about in _about(document, call) if about[0]["Effect"] == "Deny"]
    except UnreadableError as error:
        return ServiceAccess(Access.UNSURE, f"the policy cannot be read: {error}")
    for sure, access, how in (
        (_Sure.YES, Access.REFUSED, ""),
        (_Sure.MAYBE, Access.UNSURE, " under a condition"),
    ):
        for _, label, found_sure in found:
            if found_sure is sure:
                return ServiceAccess(access, f"statement {label} denies {action}{how}")
    return None


def _about(document: object, call: ServiceCall) -> Iterator[tuple[Mapping[str, Any], str, _Sure]]:
    for number, statement in enumerate(read_policy(document).statements, start=1):
        sid = statement.get("Sid")
        label = printable(sid, 40) if isinstance(sid, str) and sid else str(number)
        try:
            if _names(statement, call):
                yield statement, label, _met(statement.get("Condition") or {}, call)
        except UnreadableError as error:
            raise UnreadableError(f"statement {label}: {error}") from None


def _names(statement: Mapping[str, Any], call: ServiceCall) -> bool:
    """Whether principal, action and resource of the statement are those of the call."""
    inverted = "NotPrincipal" in statement
    principals = _principals(statement.get("NotPrincipal" if inverted else "Principal"))
    if (_is_one_of(call.caller, principals)) == inverted:
        return False
    actions, not_actions = one_of(statement, "Action")
    action = call.action.lower()
    if any(matches(pattern, action) for pattern in folded(actions)) == not_actions:
        return False
    if not {"Resource", "NotResource"} & statement.keys():
        return True
    resources, not_resources = one_of(statement, "Resource")
    return any(matches(pattern, call.resource) for pattern in resources) != not_resources


def _principals(principal: object) -> list[tuple[str, str]]:
    if principal == "*":
        return [("AWS", "*")]
    if not isinstance(principal, Mapping):
        raise UnreadableError("Principal must be * or an object")
    return [(str(kind), name) for kind, names in principal.items() for name in texts(names, kind)]


def _is_one_of(caller: str, principals: Sequence[tuple[str, str]]) -> bool:
    if ("AWS", "*") in principals:
        return True
    if caller.startswith("arn:"):
        account_id = caller.split(":")[4]
        names = {caller, account_id, caller.partition(":role/")[0] + ":root"}
        return any(kind == "AWS" and name in names for kind, name in principals)
    return any(
        kind == "Service" and (name == "*" or name.lower().startswith(caller + _DOMAIN))
        for kind, name in principals
    )


def _met(condition: Mapping[str, Any], call: ServiceCall) -> _Sure:
    """Whether all tests of a condition hold for the call."""
    tests = [
        _holds(str(operator), str(key).lower(), values, call)
        for operator, keys in condition.items()
        for key, values in _object(keys).items()
    ]
    return min(tests, default=_Sure.YES)


def _object(keys: object) -> Mapping[str, Any]:
    if not isinstance(keys, Mapping):
        raise UnreadableError("an operator of Condition must hold an object")
    return keys


def _holds(operator: str, key: str, values: object, call: ServiceCall) -> _Sure:
    many, _, single = operator.rpartition(":")
    base = single.removesuffix("IfExists")
    wanted = [_text(value) for value in (values if isinstance(values, list) else [values])]
    value = call.sent.get(key)
    if value is None and key not in call.never_sent:
        return _Sure.MAYBE
    if base == "Null":
        return _sure((value is None) == (wanted == ["true"]))
    negated = "Not" in base
    if value is None:
        absent_holds = negated or base != single or many == "ForAllValues"
        return _sure(absent_holds and many != "ForAnyValue")
    if any("${" in each for each in wanted):
        return _Sure.MAYBE
    compared = _compared(base.replace("Not", ""), value, wanted)
    return _Sure.MAYBE if compared is None else _sure(compared != negated)


def _compared(operator: str, value: str, wanted: Sequence[str]) -> bool | None:
    """Whether the value is one of those wanted; None for an operator that is not about texts."""
    match operator:
        case "StringEquals":
            return value in wanted
        case "StringEqualsIgnoreCase" | "Bool":
            return value.lower() in [each.lower() for each in wanted]
        case "StringLike" | "ArnLike" | "ArnEquals":
            return any(matches(each, value) for each in wanted)
        case _:
            return None


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _sure(holds: bool) -> _Sure:  # noqa: FBT001  the answer itself
    return _Sure.YES if holds else _Sure.NO
