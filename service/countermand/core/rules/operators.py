"""The operators of an event pattern: from their arguments to one test of a value.

`pattern.py` finds the operators in a pattern and has the grammar. Each function here receives all
arguments that one field lists for an operator. It refuses what AWS refuses, with the place.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any, TypeGuard

type Test = Callable[[Any], bool]
"""A function from one value (a text, number, boolean or null) to whether it matches."""

_LARGEST_NUMBER = 5e9
_MOST_DECIMALS = 6
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "=": lambda value, bound: value == bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
}


class PatternError(ValueError):
    """Raised when AWS or Countermand refuses a pattern; the text begins with the place."""


def any_of(tests: Sequence[Test]) -> Test:
    """Join tests, of which one must hold."""
    if len(tests) == 1:
        return tests[0]
    return lambda value: any(test(value) for test in tests)


def exists(arguments: list[Any], where: str) -> set[bool]:
    """Return which of presence and absence the field accepts."""
    if not all(isinstance(argument, bool) for argument in arguments):
        raise PatternError(f"{where}: needs true or false")
    return set(arguments)


def _prefix(arguments: list[Any], where: str) -> Test:
    exact, lower = _affixes(arguments, where)
    if not lower:
        return lambda value: type(value) is str and value.startswith(exact)
    return lambda value: (
        type(value) is str and (value.startswith(exact) or _lower(value).startswith(lower))
    )


def _suffix(arguments: list[Any], where: str) -> Test:
    exact, lower = _affixes(arguments, where)
    if not lower:
        return lambda value: type(value) is str and value.endswith(exact)
    return lambda value: (
        type(value) is str and (value.endswith(exact) or _lower(value).endswith(lower))
    )


def _affixes(arguments: list[Any], where: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the texts to compare exactly, and those to compare in lower case."""
    exact, lower = [], []
    for argument in arguments:
        if isinstance(argument, Mapping):
            if set(argument) != {"equals-ignore-case"}:
                raise PatternError(f"{where}: needs a text, or an object with equals-ignore-case")
            text = _text(argument["equals-ignore-case"], f"{where}.equals-ignore-case")
            lower.append(_lower(text))
        else:
            exact.append(_text(argument, where))
    return tuple(exact), tuple(lower)


def _equals_ignore_case(arguments: list[Any], where: str) -> Test:
    wanted = frozenset(_lower(_text(argument, where)) for argument in arguments)
    return lambda value: type(value) is str and _lower(value) in wanted


_SIGMA = "\N{GREEK CAPITAL LETTER SIGMA}"


def _lower(text: str) -> str:
    """Lower each character alone: Python lowers a sigma differently at the end of a word."""
    return text.replace(_SIGMA, _SIGMA.lower()).lower()


def _wildcard(arguments: list[Any], where: str) -> Test:
    wanted = [tuple(_segments(_text(argument, where), where)) for argument in arguments]
    return any_of([_like(segments) for segments in wanted])


def _like(segments: tuple[str, ...]) -> Test:
    """Find each segment at its first place after the previous one: no backtracking, never slow."""
    if len(segments) == 1:
        return lambda value: type(value) is str and value == segments[0]
    first, *middle, last = segments
    shortest = len(first) + len(last)

    def test(value: Any) -> bool:  # noqa: ANN401
        if type(value) is not str or len(value) < shortest:
            return False
        if not (value.startswith(first) and value.endswith(last)):
            return False
        at, end = len(first), len(value) - len(last)
        for segment in middle:
            found = value.find(segment, at, end)
            if found < 0:
                return False
            at = found + len(segment)
        return True

    return test


def _segments(text: str, where: str) -> Iterator[str]:
    """Yield the texts between the wildcards."""
    segment, characters, before = "", iter(text), ""
    for character in characters:
        if character == before == "*":
            raise PatternError(f"{where}: two wildcards in a row")
        before = character
        if character == "\\":
            escaped = next(characters, "")
            if escaped not in {"*", "\\"}:
                raise PatternError(f"{where}: a backslash may precede only * or another backslash")
            segment += escaped
            before = ""
        elif character == "*":
            yield segment
            segment = ""
        else:
            segment += character
    yield segment


def _numeric(arguments: list[Any], where: str) -> Test:
    ranges = tuple(_range(argument, where) for argument in arguments)
    return lambda value: (
        _is_comparable(value)
        and any(all(holds(value, bound) for holds, bound in one) for one in ranges)
    )


def _range(
    argument: object, where: str
) -> tuple[tuple[Callable[[float, float], bool], float], ...]:
    match argument:
        case [str(sign), bound] if sign in _COMPARISONS:
            return ((_COMPARISONS[sign], _number(bound, where)),)
        case [(">" | ">=") as above, bottom, ("<" | "<=") as below, top]:
            low, high = _number(bottom, where), _number(top, where)
            if low >= high:
                raise PatternError(f"{where}: the lower bound must be less than the upper one")
            return (_COMPARISONS[above], low), (_COMPARISONS[below], high)
    signs = " ".join(_COMPARISONS)
    raise PatternError(
        f"{where}: needs a list of one comparison ({signs}) and a number, or of > or >=, a number, "
        "< or <=, a number"
    )


def _number(value: Any, where: str) -> float:  # noqa: ANN401
    if not _is_comparable(value):
        raise PatternError(f"{where}: needs numbers from -5e9 to 5e9 with at most six decimals")
    return value


def _is_comparable(value: Any) -> TypeGuard[float]:  # noqa: ANN401
    return (
        type(value) in {int, float}
        and -_LARGEST_NUMBER <= value <= _LARGEST_NUMBER
        and round(value, _MOST_DECIMALS) == value
    )


def _cidr(arguments: list[Any], where: str) -> Test:
    networks = tuple(_network(_text(argument, where), where) for argument in arguments)

    def test(value: Any) -> bool:  # noqa: ANN401
        if type(value) is not str or _ADDRESS.fullmatch(value) is None:
            return False
        try:
            address = ip_address(value)
        except ValueError:
            return False
        return any(address in network for network in networks)

    return test


_ADDRESS = re.compile(r"[0-9.]{7,15}|[0-9A-Fa-f:]{2,39}")
"""IPv4 or IPv6 without a zone: Python accepts more notations than event-ruler."""


def _network(text: str, where: str) -> Any:  # noqa: ANN401  either version
    address, _, bits = text.partition("/")
    plain = _ADDRESS.fullmatch(address) and bits.isascii() and bits.isdigit()
    try:
        network = ip_network(text, strict=False) if plain else None
    except ValueError:
        network = None
    if network is None:
        raise PatternError(f"{where}: needs an address, a slash and a number of bits")
    if network.prefixlen == network.max_prefixlen:
        raise PatternError(f"{where}: at most {network.max_prefixlen - 1} bits; list the address")
    return network


def _anything_but(arguments: list[Any], where: str) -> Test:
    return any_of([_not(_forbidden(argument, where)) for argument in arguments])


def _not(forbidden: Test) -> Test:
    return lambda value: not forbidden(value)


def _forbidden(argument: object, where: str) -> Test:
    if isinstance(argument, Mapping):
        if len(argument) != 1 or not _NEGATED.keys() >= argument.keys():
            raise PatternError(f"{where}: needs a value, a list of values, {' or '.join(_NEGATED)}")
        ((name, inner),) = argument.items()
        texts = inner if isinstance(inner, list) else [inner]
        if not texts or not all(isinstance(text, str) for text in texts):
            raise PatternError(f"{where}.{name}: needs a text, or a list of texts")
        if "" in texts and name in {"prefix", "suffix"}:
            raise PatternError(f"{where}.{name}: needs a text that is not empty")
        return _NEGATED[name](texts, f"{where}.{name}")
    values = argument if isinstance(argument, list) else [argument]
    kinds = {type(value) for value in values}
    if not kinds or not (kinds == {str} or kinds <= {int, float}):
        raise PatternError(f"{where}: needs texts or numbers, not both, and nothing else")
    if kinds == {str}:
        wanted = frozenset(values)
        return lambda value: type(value) is str and value in wanted
    numbers = frozenset(_number(value, where) for value in values)
    return lambda value: type(value) in {int, float} and value in numbers


def _text(argument: object, where: str) -> str:
    if not isinstance(argument, str):
        raise PatternError(f"{where}: needs a text")
    return argument


_NEGATED: Mapping[str, Callable[[list[Any], str], Test]] = {
    "prefix": _prefix,
    "suffix": _suffix,
    "equals-ignore-case": _equals_ignore_case,
    "wildcard": _wildcard,
}
OPERATORS: Mapping[str, Callable[[list[Any], str], Test]] = {
    **_NEGATED,
    "anything-but": _anything_but,
    "numeric": _numeric,
    "cidr": _cidr,
}
RESERVED = frozenset(
    {
        *OPERATORS,
        *_COMPARISONS,
        *("exists", "exactly", "regex", "html", "not-wildcard", "not-equals-ignore-case"),
        *("date-after", "date-on-or-after", "date-before", "date-on-or-before", "in-date-range"),
        *("ip-address-in-range", "ip-address-not-in-range"),
    }
)
"""Field names that event-ruler refuses inside `$or`, at any depth."""
