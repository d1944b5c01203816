"""Whom a role's trust policy lets in, beside its own account and AWS's services."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from countermand.core.policies.document import (
    UnreadableError,
    folded,
    is_all,
    matches,
    one_of,
    printable,
    read_policy,
    texts,
)

_ASSUMES = (
    "sts:assumerole",
    "sts:assumerolewithsaml",
    "sts:assumerolewithwebidentity",
)
_EVERYBODY = "*"


class Opening(StrEnum):
    """How open a role is to outsiders, worst first."""

    OPEN = "open"
    CONDITIONAL = "conditional"
    """Under a condition, such as `sts:ExternalId` or `aws:PrincipalOrgID`."""
    UNREADABLE = "unreadable"
    CLOSED = "closed"

    @property
    def is_risk(self) -> bool:
        """Whether rules fire on it and actions take it back."""
        return self is not Opening.CLOSED


@dataclass(frozen=True, slots=True)
class TrustJudgement:
    """An answer with its reason, in printable ASCII of bounded length."""

    opening: Opening
    why: str
    statement: str = ""
    """Its Sid, or its number from 1."""
    principal: str = ""


@dataclass(frozen=True, slots=True)
class _Entry:
    """One principal that a statement names; `name` is `*` for everybody."""

    kind: str
    name: str
    conditional: bool
    actions: frozenset[str]
    label: str
    inverted: bool = False
    """Whether it stands for all but those that the statement names."""


def evaluate_trust(
    document: object, own_accounts: Collection[str], *, ids_are_foreign: bool = False
) -> TrustJudgement:
    """The widest opening. Any federated principal is an outsider: who signs in there, another
    system decides. A Deny closes the role only without a condition. `ids_are_foreign` is for a
    document as it was sent: IAM takes the id of a principal of any account, and stores its ARN.
    """
    try:
        statements = read_policy(document).statements
        allowed = [e for s in _numbered(statements, "Allow") for e in _entries(*s)]
        denied = [e for s in _numbered(statements, "Deny") for e in _entries(*s)]
    except UnreadableError as error:
        return TrustJudgement(
            Opening.UNREADABLE, f"the trust policy cannot be read as a policy: {error}"
        )
    found = [
        _told(entry, opening)
        for entry in allowed
        if _is_outsider(entry, own_accounts, ids_are_foreign)
        and (opening := _opening(entry, denied)) is not Opening.CLOSED
    ]
    closed = TrustJudgement(Opening.CLOSED, "lets in nobody but its own account and services")
    return min(found, key=lambda told: list(Opening).index(told.opening), default=closed)


def users_let_in(document: object, account_id: str) -> tuple[str, ...]:
    """ARNs of the account's own IAM users that the policy names. A user or role of the own account
    whom it names needs no right of his own to take the role. Empty for what cannot be read.
    """
    try:
        statements = read_policy(document).statements
        allowed = [e for s in _numbered(statements, "Allow") for e in _entries(*s)]
    except UnreadableError:
        return ()
    is_user = re.compile(rf"arn:[^:]*:iam::{re.escape(account_id)}:user/")
    named = (e.name for e in allowed if e.kind == "AWS" and is_user.match(e.name))
    return tuple(dict.fromkeys(named))


def _numbered(
    statements: Sequence[Mapping[str, Any]], effect: str
) -> Iterator[tuple[Mapping[str, Any], int]]:
    for number, statement in enumerate(statements, start=1):
        if statement["Effect"] == effect:
            yield statement, number


def _entries(statement: Mapping[str, Any], number: int) -> Iterator[_Entry]:
    try:
        actions = _assumes(statement)
        inverted = "NotPrincipal" in statement
        named = list(_principals(statement["NotPrincipal" if inverted else "Principal"]))
    except KeyError:
        raise UnreadableError(f"statement {number}: Principal is missing") from None
    except UnreadableError as error:
        raise UnreadableError(f"statement {number}: {error}") from None
    if not actions:
        return
    sid = statement.get("Sid")
    label = printable(sid, 40) if isinstance(sid, str) and sid else str(number)
    conditional = bool(statement.get("Condition"))
    if inverted:
        yield _Entry("AWS", _EVERYBODY, conditional, actions, label, inverted=True)
        return
    for kind, name in named:
        yield _Entry(kind, name, conditional, actions, label)


def _assumes(statement: Mapping[str, Any]) -> frozenset[str]:
    patterns, inverted = one_of(statement, "Action")
    lowered = folded(patterns)
    return frozenset(a for a in _ASSUMES if inverted != any(matches(p, a) for p in lowered))


def _principals(principal: object) -> Iterator[tuple[str, str]]:
    """Kind and name; `"*"` alone is everybody, as is `{"AWS": "*"}`."""
    if principal == _EVERYBODY:
        yield "AWS", _EVERYBODY
    elif isinstance(principal, Mapping):
        for kind, names in principal.items():
            for name in texts(names, "Principal"):
                yield str(kind), name
    else:
        raise UnreadableError("Principal must be * or an object")


def _is_outsider(
    entry: _Entry,
    own_accounts: Collection[str],
    ids_are_foreign: bool,  # noqa: FBT001
) -> bool:
    if entry.kind == "Service":
        return False
    if entry.kind != "AWS":
        return True
    if entry.name.startswith("arn:"):
        return entry.name.split(":")[4:5] not in [[account] for account in own_accounts]
    if entry.name.startswith(("AIDA", "AROA")):
        # What IAM shows for a principal that was deleted.
        return ids_are_foreign
    return entry.name not in own_accounts


def _opening(entry: _Entry, denied: Sequence[_Entry]) -> Opening:
    opening = Opening.CONDITIONAL if entry.conditional else Opening.OPEN
    for deny in denied:
        if not entry.actions & deny.actions or not _may_be(entry, deny):
            continue
        if _covers(deny, entry):
            return Opening.CLOSED
        opening = Opening.CONDITIONAL
    return opening


def _may_be(entry: _Entry, deny: _Entry) -> bool:
    """Whether a Deny may be about an entry.

    One of all services or federations says nothing of an account; one of `*` or of `{"AWS": "*"}`,
    which mean the same, is of everybody.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    if deny.inverted or (deny.kind == "AWS" and deny.name == _EVERYBODY):
        return True
    return deny.kind == entry.kind and deny.name in {_EVERYBODY, entry.name}


def _covers(deny: _Entry, entry: _Entry) -> bool:
    return not deny.conditional and not deny.inverted and entry.actions <= deny.actions


def _told(entry: _Entry, opening: Opening) -> TrustJudgement:
    name = printable(entry.name, 200)
    whom = (
        "all but some (NotPrincipal)" if entry.inverted else f"{printable(entry.kind, 20)} {name}"
    )
    if is_all(entry.name) and not entry.inverted:
        whom = "everybody (AWS *)"
    condition = " under a condition" if opening is Opening.CONDITIONAL else ""
    why = f"trusts {whom}{condition} (statement {entry.label})"
    return TrustJudgement(opening, why, entry.label, name)
