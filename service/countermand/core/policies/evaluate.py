"""What policies together give their holder: administrator rights, or a way to them.

Called by the checks and actions, and by `facts.py`, with documents as they come; an answer names
the statement, the action and the reason. The question is put as requests that IAM would evaluate,
taken from `escalations.py`: each action of each way, on a resource that nobody had in mind (so that
only what covers all of them covers it) and on the holder's own user, role, group and policies.

| Allow       | Deny        | the request is |
|-------------|-------------|----------------|
| any         | certain     | refused        |
| certain     | none        | allowed        |
| certain     | conditional | conditional    |
| conditional | not certain | conditional    |
| none        | any         | refused        |

A condition that every holder can meet at will does not count (`conditions.py`).
A policy variable is the holder's name or account, or else a condition: it may stand for anything.
A permissions boundary is evaluated alike, and the weaker of the two answers counts.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from countermand.core.policies.conditions import holds_back_nobody
from countermand.core.policies.document import (
    UnreadableError,
    folded,
    in_order,
    matches,
    one_of,
    printable,
    read_policy,
)
from countermand.core.policies.escalations import ANY, WAYS, Privilege, Way

_MOST_STEPS = 100_000
"""Characters and patterns compared in one evaluation: what bounds the cost of a hostile document.
Ten of AWS's managed policies, as many as a group may have, need fewer (`test_policydoc.py`)."""
_STEPS_OF_A_PATTERN = 20
"""What it costs to take a resource apart, before it is compared."""
_TOO_LONG = "takes too long to judge: too many wildcards"
_USER_VARIABLE = "${aws:username}"
_VARIABLE = re.compile(r"\$\{\s*([^\s,}'*?$]+)\s*(?:,\s*'[^']*'\s*)?\}")
"""With a default or not; the names are in any letters.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html"""
_CONDITIONAL = {
    Privilege.ADMIN: Privilege.CONDITIONAL_ADMIN,
    Privilege.ESCALATION: Privilege.CONDITIONAL_ESCALATION,
    Privilege.TAKEOVER: Privilege.CONDITIONAL_TAKEOVER,
}


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
class Evaluation:
    """An answer with its reason. All texts are printable ASCII of bounded length."""

    privilege: Privilege
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


NOTHING = Evaluation(Privilege.NONE, "gives no way to administrator rights")


def evaluate_policies(
    documents: Mapping[str, object], holder: Holder, boundary: object = None
) -> Evaluation:
    """The worst that these identity policies together give their holder; `documents` by name.

    A document that cannot be read neither allows nor denies; a boundary that cannot be read takes
    nothing away.
    """
    reader = _Reader(holder)
    grants: list[_Grant] = []
    unreadable: Evaluation | None = None
    for name, document in documents.items():
        try:
            grants += reader.grants(printable(name), document)
        except UnreadableError as error:
            why = f"{_of(printable(name))}cannot be read as a policy: {error}"
            unreadable = unreadable or Evaluation(Privilege.UNREADABLE, why, printable(name))
    found = _worst(grants, reader.limits(boundary), reader.aims)
    return found if unreadable is None or found.privilege.is_risk else unreadable


# --- the requests of the ways


_NEEDS = tuple(dict.fromkeys(need for way in WAYS for need in way.needs))
_BIT = {need: 1 << number for number, need in enumerate(_NEEDS)}
_EVERY_BIT = (1 << len(_NEEDS)) - 1
_SOME_BITS = sum(bit for need, bit in _BIT.items() if need.endswith(":role/SOME"))
_OWN_BITS = sum(_BIT[way.needs[0]] for way in WAYS if way.on_own)


def _place(resource: str) -> str:
    """The ARN of `service:resource`, with ACCOUNT for the account. Its region is none that exists;
    see `_normal`.
    """
    service, _, rest = resource.replace("NAME", "=").replace("SOME", "=").partition(":")
    if rest.startswith("::"):
        return f"arn:aws:{service}:{rest}"
    return f"arn:aws:{service}:{'' if service == 'iam' else '='}:ACCOUNT:{rest}"


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
_ANY_REGION = ("", "*", "**")
_PICKS_NAMES = frozenset("?=")
_LETTER = re.compile(r"(?<=[/:*])[^*/:]\*|(?<=\*)[^*/:]$")
"""A name of one letter and anything: `a*`, `*a*`, `*a`."""
_MANY_LETTERS = 5
"""Nearly every name has one of five vowels."""
_BITS_OF_RESOURCE = _grouped(1)
_PLACES = tuple(
    (arn, sum(bits for resource, bits in _BITS_OF_RESOURCE.items() if _place(resource) == arn))
    for arn in dict.fromkeys(map(_place, _BITS_OF_RESOURCE))
)
_PLACE_OF_BIT = {
    bit.bit_length(): place
    for place, (_, bits) in enumerate(_PLACES)
    for bit in _BIT.values()
    if bit & bits
}
_OWN_BITS_OF_RESOURCE = _grouped(1, own=True)


def _by_start() -> dict[str, list[str]]:
    """The actions by each of their starts, from none to the whole name."""
    found: dict[str, list[str]] = {}
    for action in _BITS_OF_ACTION:
        for end in range(len(action) + 1):
            found.setdefault(action[:end], []).append(action)
    return found


# Nearly all wildcards that a policy may hold are refused by looking up how they start and end.
_BY_START = _by_start()
_ENDS = frozenset(a[begin:] for a in _BITS_OF_ACTION for begin in range(len(a) + 1))

type _Aim = Sequence[tuple[str, int]]
"""ARNs, each with the bits of the requests that are made on it."""


def _anything(account_id: str) -> _Aim:
    return tuple([(place.replace("ACCOUNT", account_id), bits) for place, bits in _PLACES])


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
                _normal(arn, anywhere=True),
                _OWN_BITS_OF_RESOURCE.get(f"iam:{_kind(arn)}/NAME", 0),
            ),
        )
        for arn in own
    ]


def _kind(arn: str) -> str:
    """For example `user`; '' for what is no ARN."""
    return arn.split(":", 5)[-1].partition("/")[0]


def _is_held_back(statement: Mapping[str, Any]) -> bool:
    """Whether a statement has a condition that decides. That of a Deny always may."""
    condition = statement.get("Condition", {})
    return bool(condition) and (statement["Effect"] == "Deny" or not holds_back_nobody(condition))


def _partition(holder: Holder) -> str:
    """Of the holder's ARNs; `aws` when none is known."""
    arns = (holder.arn, *holder.policy_arns, *holder.group_arns)
    return next((arn.split(":")[1] for arn in arns if arn), "aws")


def _open(resource: str) -> str:
    """With anything in place of a variable whose value is not known. No name at all is one: for who
    is no user, `${aws:username}` matches nothing.
    """
    return _VARIABLE.sub(lambda found: found[0] if found[0] == _USER_VARIABLE else "*", resource)


def _normal(pattern: str, partition: str = "", *, anywhere: bool) -> str:
    """An ARN as one of `aws`: of any partition in what gives rights, and in what takes them away
    only of the holder's. The region that a statement names is as good as any other, because its
    holder may choose (`anywhere`).
    """
    parts = pattern.split(":", 5)
    if len(parts) < 6 or parts[0] != "arn":  # noqa: PLR2004  the parts of an ARN
        return pattern
    if parts[1].startswith("aws-") and (anywhere or parts[1] == partition):
        parts[1] = "aws"
    if anywhere and parts[3] not in _ANY_REGION:
        parts[3] = "="
    return ":".join(parts)


def _nearly_all(patterns: Collection[str]) -> Collection[str]:
    """What these amount to beside themselves: all names, where they are picked by their length or
    letter by letter. Only for what gives rights, where it errs on the safe side.
    """
    by_length = {p.replace("?", "*") for p in patterns if "?" in p}
    letters = Counter(re.sub(_LETTER, "*", pattern).replace("**", "*") for pattern in patterns)
    return by_length | {pattern for pattern, n in letters.items() if n >= _MANY_LETTERS}


class _Grant(NamedTuple):
    """A statement, as far as the requests go."""

    document: str
    label: str
    allows: bool
    conditional: bool
    bits: tuple[int, ...]
    """Of the requests that it is about, for each aim."""


type _Glob = tuple[str, str, str, Sequence[str]]
"""A pattern, its literal start and end, which decide most comparisons, and all parts between its
`*`, or none if it has a `?`.
"""


def _glob(pattern: str) -> _Glob:
    while "**" in pattern:
        pattern = pattern.replace("**", "*")
    parts = pattern.split("*")
    if "?" in pattern:
        return pattern, parts[0].partition("?")[0], parts[-1].rpartition("?")[2], ()
    return pattern, parts[0], parts[-1], parts


class _Reader:
    """Turns documents into grants, for one evaluation; counts what comparing costs."""

    def __init__(self, holder: Holder) -> None:
        self._own = _own_aims(holder)
        self._account_id = holder.account_id
        self._partition = _partition(holder)
        self._places: _Aim = ()
        self._user = holder.arn.rpartition("/")[2] if ":user/" in holder.arn else ""
        self.steps_left = _MOST_STEPS
        self.aims = 1 + len(self._own)

    def grants(self, name: str, document: object) -> list[_Grant]:
        policy = read_policy(document)
        found = []
        for number, statement in enumerate(policy.statements, start=1):
            try:
                readings = self._readings(statement, policy.has_variables)
            except UnreadableError as error:
                raise UnreadableError(f"statement {number}: {error}") from None
            for bits, unsure in readings:
                sid = statement.get("Sid")
                label = printable(sid, 40) if isinstance(sid, str) and sid else str(number)
                allows = statement["Effect"] == "Allow"
                conditional = unsure or _is_held_back(statement)
                found.append(_Grant(name, label, allows, conditional, bits))
        return found

    def _readings(
        self,
        statement: Mapping[str, Any],
        has_variables: bool,  # noqa: FBT001
    ) -> Sequence[tuple[tuple[int, ...], bool]]:
        """The requests that a statement is about, and whether that is unsure.

        A variable whose value nobody knows may stand for anything or nothing, which makes two
        readings: what is in both of them is sure.
        """
        patterns, inverted = one_of(statement, "Action")
        actions = self._actions(patterns)
        if inverted:
            actions = _EVERY_BIT & ~actions
        patterns, inverted = one_of(statement, "Resource")
        if not actions:
            return ()
        anywhere = (statement["Effect"] == "Allow") != inverted
        if not has_variables or "${" not in "".join(patterns):
            bits = self._bits(actions, patterns, anywhere=anywhere, inverted=inverted)
            return ((bits, False),) if any(bits) else ()
        filled = [_VARIABLE.sub(self._value, pattern) for pattern in patterns]
        most = list(map(_open, filled))
        least = [pattern for pattern, opened in zip(filled, most, strict=True) if pattern == opened]
        readings = [(most if inverted else least, False), (least if inverted else most, True)]
        return [
            (self._bits(actions, read, anywhere=anywhere, inverted=inverted), unsure)
            for read, unsure in readings
        ]

    def _value(self, variable: re.Match[str]) -> str:
        name = variable[1].lower()
        if name == "aws:username":
            return self._user or _USER_VARIABLE
        return self._account_id if name == "aws:principalaccount" else variable[0]

    def limits(self, boundary: object) -> tuple[list[_Grant], ...]:
        """The grants of the boundary, or nothing when there is none to hold anything back."""
        if boundary is None:
            return ()
        try:
            return (self.grants("permissions boundary", boundary),)
        except UnreadableError:
            return ()

    def _bits(
        self,
        actions: int,
        patterns: Sequence[str],
        *,
        anywhere: bool,
        inverted: bool,
    ) -> tuple[int, ...]:
        if "*" in patterns:
            actions = 0 if inverted else actions
            return (actions, *[actions & aim[0][1] for aim in self._own])
        self.steps_left -= _STEPS_OF_A_PATTERN * len(patterns)
        if self.steps_left < 0:
            raise UnreadableError(_TOO_LONG)
        if not anywhere:
            # What takes away must take every name away: neither `?` nor our stand-in for a name,
            # which whoever reads this could write, stands for all of them.
            patterns = [pattern for pattern in patterns if not _PICKS_NAMES.intersection(pattern)]
        normal = {_normal(pattern, self._partition, anywhere=anywhere) for pattern in patterns}
        globs = list(map(_glob, normal))
        found = [self._on(aim, actions, globs, inverted=inverted) for aim in self._own]
        if anywhere and (len(normal) >= _MANY_LETTERS or "?" in "".join(normal)):
            globs += map(_glob, _nearly_all(normal))
        bits = self._on(self._anything(actions), actions, globs, inverted=inverted)
        if anywhere and not inverted and actions & _SOME_BITS and self._name_roles(normal):
            bits |= actions & _SOME_BITS
        return (bits, *found)

    def _name_roles(self, patterns: Collection[str]) -> bool:
        starts = tuple([f"arn:aws:iam::{account}:role/" for account in ("*", self._account_id)])
        return any(pattern.startswith(starts) for pattern in patterns)

    def _anything(self, actions: int) -> _Aim:
        """The ARNs that nobody had in mind, as far as these actions are about them."""
        self._places = self._places or _anything(self._account_id)
        found = []
        while actions:
            place = self._places[_PLACE_OF_BIT[actions.bit_length()]]
            found.append(place)
            actions &= ~place[1]
        return found

    def _actions(self, patterns: Sequence[str]) -> int:
        bits = 0
        for pattern in folded(patterns):
            if "*" in pattern or "?" in pattern:
                bits |= self._wild_actions(pattern)
            else:
                bits |= _BITS_OF_ACTION.get(pattern, 0)
        return bits

    def _wild_actions(self, pattern: str) -> int:
        if pattern.partition("*")[0].partition("?")[0] not in _BY_START:
            return 0
        if pattern.rpartition("*")[2].rpartition("?")[2] not in _ENDS:
            return 0
        glob, bits = _glob(pattern), 0
        _, head, tail, _ = glob
        actions = _BY_START[head]
        self.steps_left -= len(actions)
        if self.steps_left < 0:
            raise UnreadableError(_TOO_LONG)
        for action in actions:
            if action.endswith(tail) and self._matches(glob, action):
                bits |= _BITS_OF_ACTION[action]
        return bits

    def _on(self, aim: _Aim, actions: int, globs: Collection[_Glob], *, inverted: bool) -> int:
        bits = 0
        self.steps_left -= len(aim) * len(globs)
        if self.steps_left < 0:
            raise UnreadableError(_TOO_LONG)
        for arn, mask in aim:
            if actions & mask and inverted != self._covered(arn, globs):
                bits |= actions & mask
        return bits

    def _covered(self, arn: str, globs: Collection[_Glob]) -> bool:
        for glob in globs:
            if arn.startswith(glob[1]) and arn.endswith(glob[2]) and self._matches(glob, arn):
                return True
        return False

    def _matches(self, glob: _Glob, text: str) -> bool:
        """Whether a text with this start and end matches."""
        pattern, _, _, parts = glob
        # A `?` may have to be tried at each place of the text.
        self.steps_left -= len(pattern) * (1 if parts else len(text))
        if self.steps_left < 0:
            raise UnreadableError(_TOO_LONG)
        return in_order(parts, text) if parts else matches(pattern, text)


# --- the answer


def _worst(grants: Sequence[_Grant], limits: Sequence[Sequence[_Grant]], aims: int) -> Evaluation:
    certain, possible = _allowed(grants, aims)
    for limit in limits:
        most_certain, most_possible = _allowed(limit, aims)
        certain = [bits & most for bits, most in zip(certain, most_certain, strict=True)]
        possible = [bits & most for bits, most in zip(possible, most_possible, strict=True)]
    if not any(possible):
        return NOTHING
    for privilege, way, need in _ORDER:
        allowed = certain if privilege in _CONDITIONAL else possible
        if allowed[0] & need == need:
            return _explained(privilege, way, grants, 0)
        if way.on_own:
            for aim in range(1, aims):
                if allowed[aim] & need == need:
                    return _explained(privilege, way, grants, aim)
    return NOTHING


_ORDER = tuple(
    (privilege, way, sum(_BIT[need] for need in way.needs))
    for privilege in Privilege
    for way in WAYS
    if privilege in {way.privilege, _CONDITIONAL.get(way.privilege)}
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


def _explained(privilege: Privilege, way: Way, grants: Sequence[_Grant], aim: int) -> Evaluation:
    first = _BIT[way.needs[0]]
    allowing = [grant for grant in grants if grant.allows and grant.bits[aim] & first]
    grant = next((grant for grant in allowing if not grant.conditional), allowing[0])
    action = _action(way)
    where = "roles that it names" if way.needs[0].endswith("/SOME") else "*"
    where = "its holder's own" if aim else where
    condition = "" if privilege is way.privilege else " under a condition"
    why = (
        f"{_of(grant.document)}allows {action} on {where}{condition} "
        f"(statement {grant.label}): its holder can {way.does}"
    )
    return Evaluation(privilege, why, grant.document, grant.label, action, way.source)


def _action(way: Way) -> str:
    if way.privilege is Privilege.ADMIN:
        return "every action"
    if way.needs == (ANY,):
        return "all but some actions"
    return " + ".join(dict.fromkeys(need.partition(" ")[0] for need in way.needs))


def _of(document: str) -> str:
    return f'policy "{document}" ' if document else ""
