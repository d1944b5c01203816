"""IAM's evaluation of policies, as far as Countermand's use it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

type Policy = Mapping[str, Any]
type Statement = Mapping[str, Any]

_COMPARE: Mapping[str, Callable[[str, str], bool]] = {
    "ArnEquals": fnmatchcase,
    "ArnLike": fnmatchcase,
    "StringEquals": str.__eq__,
    "StringLike": fnmatchcase,
    "Bool": lambda value, wanted: value.lower() == wanted.lower(),
}
_NEGATED = {"ArnNotEquals": "ArnEquals", "StringNotEquals": "StringEquals"}


def authorized(document: Policy, action: str, resource: str, **context: str) -> bool:
    """Whether an Allow fits and no Deny does. Condition keys are given as aws_SourceArn.

    A resource's policy is asked the same way, with `principal` as "Service events.amazonaws.com".
    """
    return effects(document, action, resource, **context) == {"Allow"}


def effects(document: Policy, action: str, resource: str, **context: str) -> set[str]:
    """Those of the statements that fit: none, one or both of Allow and Deny."""
    principal = context.pop("principal", "")
    return {
        statement["Effect"]
        for statement in document["Statement"]
        if _names(statement, "Action", action.lower(), lower=True)
        and _names(statement, "Resource", resource)
        and _speaks_of(statement, principal)
        and _met(statement.get("Condition", {}), context)
    }


def _names(statement: Statement, part: str, value: str, *, lower: bool = False) -> bool:
    """Names in Resource are compared with case, actions without, and `*` crosses slashes."""
    for key, wanted in ((part, True), (f"Not{part}", False)):
        if key in statement:
            globs = [g.lower() if lower else g for g in _listed(statement[key])]
            return any(fnmatchcase(value, glob) for glob in globs) is wanted
    return True


def _speaks_of(statement: Statement, principal: str) -> bool:
    named = statement.get("Principal", "*")
    if named == "*":
        return True
    kind, _, who = principal.partition(" ")
    return any(_same_principal(who, one) for one in _listed(named.get(kind, [])))


def _same_principal(who: str, named: str) -> bool:
    # The account's root stands for everybody in it, if their own policies say so too.
    account = named.removesuffix(":root")
    return who == named or (named.endswith(":root") and who.startswith(f"{account}:"))


def _met(condition: Mapping[str, Mapping[str, Any]], context: Mapping[str, str]) -> bool:
    """All operators and keys, any value. A negated operator is true when the key is absent."""
    present = {name.replace("_", ":", 1): value for name, value in context.items()}
    return all(
        _compared(operator, present.get(key), list(_listed(wanted)))
        for operator, keys in condition.items()
        for key, wanted in keys.items()
    )


def _compared(operator: str, value: str | None, wanted: list[str]) -> bool:
    if operator == "ForAllValues:StringEquals":
        return value is None or value in wanted  # IAM: also true of no values at all
    if operator in _NEGATED:
        return not _compared(_NEGATED[operator], value, wanted)
    compare = _COMPARE[operator]
    return value is not None and any(compare(value, one) for one in wanted)


def _listed(value: str | Iterable[str]) -> Iterable[str]:
    return [value] if isinstance(value, str) else value
