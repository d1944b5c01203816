"""What policy documents give their holder, and whom a trust policy lets in; see `escalations.py`.

Documents come from events and from IAM, and go in as JSON text (URL-encoded or not) or as objects;
an answer names the statement, the action and the reason. The question is put as requests that IAM
would evaluate: each action of each way, on a resource that nobody had in mind (so that only what
covers all of them covers it) and on the holder's own user, role, group and policies.

| Allow       | Deny        | the request is |
|-------------|-------------|----------------|
| any         | certain     | refused        |
| certain     | none        | allowed        |
| certain     | conditional | conditional    |
| conditional | not certain | conditional    |
| none        | any         | refused        |

A permissions boundary is evaluated alike, and the weaker of the two answers counts.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import json
from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import unquote

from countermand.core.escalations import ANY, WAYS, Claim, Way

_LONGEST = 1 << 20
"""Characters. IAM itself stores up to 10,240; the longest of AWS's own has some 150,000."""
_MOST_WILDCARDS = 20_000
"""Comparisons with wildcards in one judgement, some 0.2 s: no document of AWS's needs 2,000."""
_CURRENT_VERSION = "2012-10-17"
_USER_VARIABLE = "${aws:username}"
_ONLY_TEXTS = frozenset({str})
_EFFECTS = ("Allow", "Deny")
_INVERTED = {"Action": "NotAction", "Resource": "NotResource"}
_CONDITIONAL = {
    Claim.ADMIN: Claim.CONDITIONAL_ADMIN,
    Claim.ESCALATION: Claim.CONDITIONAL_ESCALATION,
    Claim.TAKEOVER: Claim.CONDITIONAL_TAKEOVER,
}


class UnreadableError(ValueError):
    """A document that IAM would not take; the text says what is wrong and where, safe to print."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has the policies. What is not known stays empty."""

    account_id: str
    arn: str = ""
    """Of the user, role or group."""
    policy_arns: Collection[str] = ()
    """Customer-managed policies attached to it."""
    group_arns: Collection[str] = ()

    @classmethod
    def of(cls, arn: str) -> "Holder":
        """The user, role or group with this ARN."""
        return cls(arn.split(":")[4], arn)


@dataclass(frozen=True, slots=True)
class Judgement:
    """An answer with its reason. All texts are printable ASCII of bounded length."""

    claim: Claim
    why: str
    """One sentence, for people."""
    document: str = ""
    """Its name among those that were given."""
    statement: str = ""
    """Its Sid, or its number from 1."""
    action: str = ""
    """The action or actions, joined by ` + `."""
    source: str = ""
    """URL of who describes the way."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A document that was read."""

    statements: Sequence[Mapping[str, Any]]
    has_variables: bool
    """Whether `${aws:username}` means the user; in older versions it means itself."""


NOTHING = Judgement(Claim.NONE, "gives no way to administrator rights")


def judge_policies(
    documents: Mapping[str, object], holder: Holder, boundary: object = None
) -> Judgement:
    """The worst that these identity policies together give their holder; `documents` by name.

    A document that cannot be read neither allows nor denies; a boundary that cannot be read takes
    nothing away.
    """
    reader = _Reader(holder)
    grants: list[_Grant] = []
    unreadable: Judgement | None = None
    for name, document in documents.items():
        try:
            grants += reader.grants(printable(name), document)
        except UnreadableError as error:
            why = f"{_of(printable(name))}cannot be read as a policy: {error}"
            unreadable = unreadable or Judgement(Claim.UNREADABLE, why, printable(name))
    found = _worst(grants, reader.limits(boundary), reader.aims)
    return found if unreadable is None or found.claim.is_risk else unreadable


def read_policy(document: object) -> Policy:
    """Raises `UnreadableError`.

    A key that comes twice is refused, as IAM refuses it: "Individual elements must not contain
    multiple instances of the same key". To take the last one would let a forged event hide the
    first. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
    """
    policy = _parsed(document) if isinstance(document, str) else document
    if not isinstance(policy, Mapping) or "Statement" not in policy:
        raise UnreadableError("a policy is an object with Statement")
    found = policy["Statement"]
    statements = found if isinstance(found, list) else [found]
    for number, statement in enumerate(statements, start=1):
        if (wrong := _wrong(statement)) is not None:
            raise UnreadableError(f"statement {number}: {wrong}")
    return Policy(statements, policy.get("Version") == _CURRENT_VERSION)


def one_of(statement: Mapping[str, Any], key: str) -> tuple[list[str], bool]:
    """The texts of `key` or `Not<key>`, and whether it was the latter. Raises `UnreadableError`."""
    inverted = (not_key := _INVERTED[key]) in statement
    if inverted == (key in statement):
        raise UnreadableError(f"a statement needs either {key} or {not_key}")
    return texts(statement[not_key if inverted else key], key), inverted


def texts(value: object, key: str) -> list[str]:
    """One text or a list of them, as a list. Raises `UnreadableError`."""
    if type(value) is str:
        return [value]
    if type(value) is not list or not _ONLY_TEXTS.issuperset(map(type, value)):
        raise UnreadableError(f"{key} must be a text or a list of texts")
    return value


def is_all(pattern: str) -> bool:
    """Whether it is `*`, or means the same."""
    return bool(pattern) and not pattern.strip("*")


def matches(pattern: str, text: str) -> bool:
    """IAM's `*` and `?`, without the exponential time that a regular expression may take."""
    if len(pattern) - pattern.count("*") > len(text):
        return False
    if "?" in pattern:
        return _matches_each(pattern, text)
    head, *middle = pattern.split("*")
    if not middle:
        return pattern == text
    tail = middle.pop()
    if not (text.startswith(head) and text.endswith(tail)):
        return False
    at, end = len(head), len(text) - len(tail)
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def _matches_each(pattern: str, text: str) -> bool:
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


def printable(text: str, limit: int = 128) -> str:
    """For people and logs: ASCII without control characters, at most so long."""
    shown = "".join(c if " " <= c <= "~" else "?" for c in text[:limit])
    return shown + "..." if len(text) > limit else shown


# --- reading


def _parsed(text: str) -> object:
    if len(text) > _LONGEST:
        raise UnreadableError(f"longer than {_LONGEST} characters")
    text = text if text.lstrip()[:1] == "{" else unquote(text)
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise UnreadableError(f"no JSON at character {error.pos}: {error.msg}") from None
    except RecursionError:
        raise UnreadableError("nested too deeply") from None
    except UnreadableError:
        raise
    except ValueError:
        raise UnreadableError("a number has too many digits") from None


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(k for k, _ in pairs if k in seen or seen.add(k))  # type: ignore[func-returns-value]
        raise UnreadableError(f'key "{printable(twice, 40)}" comes twice in one object')
    return found


def _wrong(statement: object) -> str | None:
    if type(statement) is not dict and not isinstance(statement, Mapping):
        return "not an object"
    if statement.get("Effect") not in _EFFECTS:
        return "Effect must be Allow or Deny"
    if "Condition" in statement and not isinstance(statement["Condition"], Mapping):
        return "Condition must be an object"
    return None


_DECODER = json.JSONDecoder(object_pairs_hook=_without_repeats)


# --- the requests of the ways


_NEEDS = tuple(dict.fromkeys(need for way in WAYS for need in way.needs))
_BIT = {need: 1 << number for number, need in enumerate(_NEEDS)}
_EVERY_BIT = (1 << len(_NEEDS)) - 1
_OWN_BITS = sum(_BIT[way.needs[0]] for way in WAYS if way.on_own)


def _around(resource: str) -> tuple[str, str]:
    """The ARN of `service:resource` before and after the account. Its region is none that exists;
    see `_normal`.
    """
    service, _, rest = resource.replace("NAME", "=").partition(":")
    return f"arn:aws:{service}:{'' if service == 'iam' else '='}:", f":{rest}"


def _grouped(word: int, *, own: bool = False) -> dict[str, int]:
    """The bits of all needs by their action (word 0, lower case) or resource (word 1)."""
    found: dict[str, int] = {}
    for need, bit in _BIT.items():
        if not own or bit & _OWN_BITS:
            key = need.split(" ")[word]
            key = key if word else key.lower()
            found[key] = found.get(key, 0) | bit
    return found


_BITS_OF_ACTION = _grouped(0)
_ACTIONS = sorted(_BITS_OF_ACTION)
_NAMES_OF_ACTIONS = frozenset(_ACTIONS)
_LAST = chr(0x10FFFF)
_ANY_REGION = ("", "*", "**")
_BITS_OF_RESOURCE = _grouped(1)
_PLACES = tuple((*_around(resource), bits) for resource, bits in _BITS_OF_RESOURCE.items())
_OWN_BITS_OF_RESOURCE = _grouped(1, own=True)

type _Aim = tuple[tuple[str, int], ...]
"""ARNs, each with the bits of the requests that are made on it."""


def _anything(account_id: str) -> _Aim:
    return tuple([(f"{head}{account_id}{tail}", bits) for head, tail, bits in _PLACES])


def _own_aims(holder: Holder) -> list[_Aim]:
    """One for each thing of the holder's own, so that a Deny of one says nothing of another."""
    own = [*holder.policy_arns, *holder.group_arns]
    kind = _kind(holder.arn)
    if kind in {"user", "role", "group"}:
        own.append(holder.arn)
    if kind not in {"user", "role"}:
        own.append(f"arn:aws:iam::{holder.account_id}:user/{_USER_VARIABLE}")
    return [
        (
            (
                _normal(arn, "", anywhere=False),
                _OWN_BITS_OF_RESOURCE.get(f"iam:{_kind(arn)}/NAME", 0),
            ),
        )
        for arn in own
    ]


def _kind(arn: str) -> str:
    """For example `user`; '' for what is no ARN."""
    return arn.split(":", 5)[-1].partition("/")[0]


def _normal(pattern: str, user: str, *, anywhere: bool) -> str:
    """An ARN of any partition as one of `aws`; the region that a statement names is as good as any
    other, because its holder may choose (`anywhere`).
    """
    if user and _USER_VARIABLE in pattern:
        pattern = pattern.replace(_USER_VARIABLE, user)
    if not pattern.startswith("arn:"):
        return pattern
    parts = pattern.split(":", 5)
    if len(parts) < 6:  # noqa: PLR2004  the parts of an ARN
        return pattern
    partition, region = parts[1], parts[3]
    if not partition.startswith("aws-") and (not anywhere or region in _ANY_REGION):
        return pattern
    parts[1] = "aws" if partition.startswith("aws-") else partition
    if anywhere and region not in _ANY_REGION:
        parts[3] = "="
    return ":".join(parts)


class _Grant(NamedTuple):
    """A statement, as far as the requests go."""

    document: str
    label: str
    allows: bool
    conditional: bool
    bits: tuple[int, ...]
    """Of the requests that it is about, for each aim."""


class _Glob(NamedTuple):
    """A pattern with its literal start and end, which decide most comparisons."""

    pattern: str
    head: str
    tail: str


def _glob(pattern: str) -> _Glob:
    while "**" in pattern:
        pattern = pattern.replace("**", "*")
    head, tail = pattern.partition("*")[0], pattern.rpartition("*")[2]
    if "?" in pattern:
        head, tail = head.partition("?")[0], tail.rpartition("?")[2]
    return _Glob(pattern, head, tail)


class _Reader:
    """Turns documents into grants, for one judgement; counts what wildcards cost."""

    def __init__(self, holder: Holder) -> None:
        self._own = _own_aims(holder)
        self._account_id = holder.account_id
        self._anything: _Aim = ()
        self._user = holder.arn.rpartition("/")[2] if ":user/" in holder.arn else ""
        self._wildcards_left = _MOST_WILDCARDS
        self.aims = 1 + len(self._own)

    def grants(self, name: str, document: object) -> list[_Grant]:
        policy = read_policy(document)
        found = []
        for number, statement in enumerate(policy.statements, start=1):
            try:
                bits = self._bits(statement, policy)
            except UnreadableError as error:
                raise UnreadableError(f"statement {number}: {error}") from None
            if any(bits):
                sid = statement.get("Sid")
                label = printable(sid, 40) if isinstance(sid, str) and sid else str(number)
                allows = statement["Effect"] == "Allow"
                conditional = bool(statement.get("Condition"))
                found.append(_Grant(name, label, allows, conditional, bits))
        return found

    def limits(self, boundary: object) -> tuple[list[_Grant], ...]:
        """The grants of the boundary, or nothing when there is none to hold anything back."""
        if boundary is None:
            return ()
        try:
            return (self.grants("permissions boundary", boundary),)
        except UnreadableError:
            return ()

    def _bits(self, statement: Mapping[str, Any], policy: Policy) -> tuple[int, ...]:
        patterns, inverted = one_of(statement, "Action")
        actions = self._actions(patterns)
        if inverted:
            actions = _EVERY_BIT & ~actions
        patterns, inverted = one_of(statement, "Resource")
        if not actions:
            return ()
        if "*" in patterns or any(map(is_all, patterns)):
            actions = 0 if inverted else actions
            return (actions, *[actions & aim[0][1] for aim in self._own])
        user = self._user if policy.has_variables else ""
        anywhere = (statement["Effect"] == "Allow") != inverted
        globs = {_glob(_normal(pattern, user, anywhere=anywhere)) for pattern in patterns}
        self._anything = self._anything or _anything(self._account_id)
        aims = (self._anything, *self._own)
        return tuple([self._on(aim, actions, globs, inverted=inverted) for aim in aims])

    def _actions(self, patterns: Sequence[str]) -> int:
        bits = 0
        lowered = [patterns[0].lower()] if len(patterns) == 1 else set(map(str.lower, patterns))
        for name in _NAMES_OF_ACTIONS.intersection(lowered):
            bits |= _BITS_OF_ACTION[name]
        for pattern in lowered:
            if "*" in pattern or "?" in pattern:
                bits |= self._wild_actions(pattern)
        return bits

    def _wild_actions(self, pattern: str) -> int:
        head = pattern.partition("*")[0].partition("?")[0]
        begin = bisect_left(_ACTIONS, head)
        end = bisect_left(_ACTIONS, head + _LAST, begin)
        if begin == end:
            return 0
        glob = _glob(pattern)
        tail, bits = glob.tail, 0
        for action in _ACTIONS[begin:end]:
            if action.endswith(tail) and self._matches(glob, action):
                bits |= _BITS_OF_ACTION[action]
        return bits

    def _on(self, aim: _Aim, actions: int, globs: Collection[_Glob], *, inverted: bool) -> int:
        bits = 0
        for arn, mask in aim:
            if actions & mask and inverted != self._covered(arn, globs):
                bits |= actions & mask
        return bits

    def _covered(self, arn: str, globs: Collection[_Glob]) -> bool:
        for glob in globs:
            if arn.startswith(glob.head) and arn.endswith(glob.tail) and self._matches(glob, arn):
                return True
        return False

    def _matches(self, glob: _Glob, text: str) -> bool:
        """Whether a text with this start and end matches."""
        self._wildcards_left -= 1
        if self._wildcards_left < 0:
            raise UnreadableError("too many wildcards to be judged")
        return matches(glob.pattern, text)


# --- the answer


def _worst(grants: Sequence[_Grant], limits: Sequence[Sequence[_Grant]], aims: int) -> Judgement:
    certain, possible = _allowed(grants, aims)
    for limit in limits:
        most_certain, most_possible = _allowed(limit, aims)
        certain = [bits & most for bits, most in zip(certain, most_certain, strict=True)]
        possible = [bits & most for bits, most in zip(possible, most_possible, strict=True)]
    if not any(possible):
        return NOTHING
    for claim, way, need in _ORDER:
        allowed = certain if claim is way.claim else possible
        if allowed[0] & need == need:
            return _explained(claim, way, grants, 0)
        if way.on_own:
            for aim in range(1, aims):
                if allowed[aim] & need == need:
                    return _explained(claim, way, grants, aim)
    return NOTHING


_ORDER = tuple(
    (claim, way, sum(_BIT[need] for need in way.needs))
    for claim in Claim
    for way in WAYS
    if claim in {way.claim, _CONDITIONAL[way.claim]}
)
"""What can be answered, worst first, with the bits that it needs."""


def _allowed(grants: Sequence[_Grant], aims: int) -> tuple[list[int], list[int]]:
    """For each aim, the requests that are allowed for certain, and those that may be."""
    certain, possible = [0] * aims, [0] * aims
    denied, perhaps_denied = [0] * aims, [0] * aims
    for grant in grants:
        perhaps, surely = (possible, certain) if grant.allows else (perhaps_denied, denied)
        for aim, bits in enumerate(grant.bits):
            perhaps[aim] |= bits
            if not grant.conditional:
                surely[aim] |= bits
    return (
        [bits & ~no for bits, no in zip(certain, perhaps_denied, strict=True)],
        [bits & ~no for bits, no in zip(possible, denied, strict=True)],
    )


def _explained(claim: Claim, way: Way, grants: Sequence[_Grant], aim: int) -> Judgement:
    first = _BIT[way.needs[0]]
    allowing = [grant for grant in grants if grant.allows and grant.bits[aim] & first]
    grant = next((grant for grant in allowing if not grant.conditional), allowing[0])
    action = _action(way)
    where = "its holder's own" if aim else "*"
    condition = "" if claim is way.claim else " under a condition"
    why = (
        f"{_of(grant.document)}allows {action} on {where}{condition} "
        f"(statement {grant.label}): its holder can {way.does}"
    )
    return Judgement(claim, why, grant.document, grant.label, action, way.source)


def _action(way: Way) -> str:
    if way.claim is Claim.ADMIN:
        return "every action"
    if way.needs == (ANY,):
        return "all but some actions"
    return " + ".join(dict.fromkeys(need.partition(" ")[0] for need in way.needs))


def _of(document: str) -> str:
    return f'policy "{document}" ' if document else ""
