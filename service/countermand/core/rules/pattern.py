r"""The EventBridge event pattern language: one text routes an event in AWS and matches it here.

    ["text", 1, true, null]                         any of these values
    {"prefix": "a"}  {"suffix": "a"}                of a text; {"equals-ignore-case": "a"} inside
    {"equals-ignore-case": "a"}  {"wildcard": "a*"} of a text; `\*` and `\\` stand for themselves
    {"anything-but": X}                             a value, a list of values, or one of the four
                                                    above with one text or a list of texts
    {"numeric": [">", 0, "<=", 5]}                  of a number: 5e9 either way, six decimals
    {"cidr": "10.0.0.0/8"}                          of an address, version 4 or 6
    {"exists": true}                                whether there is a value at all
    {"$or": [{...}, {...}]}                         in the place of a field, at any depth

- Fields of one object must all match; the values listed for a field are alternatives.
- A list in the event matches when one of its elements does. Among objects in a list, one and the
  same element must match everything that the pattern says below it.
- Only values exist: to `exists`, an object and an empty list are as a field that is not there.
  Each object in a list is asked for itself. AWS goes through the fields by name, and asks all the
  objects of a list at once whether a field is absent that comes before the others there.
- `1` and `1.0` are not the same, except to `numeric` and `anything-but`.

A pattern is compiled once, into nested closures that are then only called. What AWS refuses is
refused here, and so are dots in the names of fields, which AWS takes for paths. A field that is
constrained inside and outside of an `$or` must satisfy both. AWS keeps the one that stands last:
let the inner one be a part of the outer one and stand behind it, then both agree.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
https://github.com/aws/event-ruler (what EventBridge runs, by its makers)
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network
from itertools import product
from math import isfinite
from typing import Any, TypeGuard

type Matcher = Callable[[Any], bool]
"""Of a part of an event: of whatever is there, or of `_MISSING`."""
type Test = Callable[[Any], bool]
"""Of one value: a text, a number, a boolean or null."""

_MISSING = object()
_NOTHING: Mapping[str, Any] = {}
_LARGEST_NUMBER = 5e9
_MOST_DECIMALS = 6
_MOST_ALTERNATIVES = 1000
_DEEPEST = 50
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "=": lambda value, bound: value == bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
}


class PatternError(ValueError):
    """A pattern that AWS or we refuse; the text begins with the place."""


def compile_pattern(pattern: object, where: str = "when") -> Matcher:
    """Turn a pattern into a function from the event (a JSON object) to whether it matches."""
    alternatives = [_compile_object(tree) for tree in _alternatives(pattern, where)]
    return _any_of(alternatives)


def exact_values(pattern: object, *path: str) -> frozenset[str] | None:
    """The strings that a field may have, if the pattern lists nothing but exact strings there.

    None when the pattern leaves the field open: such a rule cannot be indexed by it.
    """
    for key in path:
        if not isinstance(pattern, Mapping) or key not in pattern:
            return None
        pattern = pattern[key]
    if isinstance(pattern, list) and all(isinstance(value, str) for value in pattern):
        return frozenset(pattern)
    return None


# --- objects: fields, and `$or` spread out

type _Tree = dict[str, "_Tree | Matcher"]
"""An object of a pattern without `$or`, its leaves compiled."""


def _alternatives(
    pattern: object, where: str, depth: int = 0, *, in_or: bool = False
) -> list[_Tree]:
    """The objects without `$or` that together mean the pattern.

    They are spread over the whole pattern, not asked where they stand: what one says about the
    elements of a list must hold for the same element as what is said beside it.
    """
    if not isinstance(pattern, Mapping) or not pattern:
        raise PatternError(f"{where}: a pattern is an object with at least one field")
    if depth > _DEEPEST:
        raise PatternError(f"{where}: more than {_DEEPEST} levels")
    factors: list[list[_Tree]] = []
    combinations = 1
    for key, value in pattern.items():
        factors.append(_factor(key, value, where, depth, in_or=in_or))
        combinations *= len(factors[-1])
        if combinations > _MOST_ALTERNATIVES:
            raise PatternError(f"{where}: $or makes more than {_MOST_ALTERNATIVES} combinations")
    return [_merged(choice, where) for choice in product(*factors)]


def _factor(key: object, value: object, where: str, depth: int, *, in_or: bool) -> list[_Tree]:
    """What one key says, as alternatives."""
    if key == "$or":
        return _or(value, f"{where}.$or", depth)
    if not isinstance(key, str) or "." in key:
        raise PatternError(f"{where}.{key}: the name of a field is a text without dots")
    place = f"{where}.{key}"
    if in_or and key in _RESERVED:
        raise PatternError(f"{place}: an operator, and no name of a field inside of $or")
    if isinstance(value, Mapping):
        inner = _alternatives(value, place, depth + 1, in_or=in_or)
        return [{key: tree} for tree in inner]
    return [{key: _compile_leaf(value, place)}]


def _or(value: object, where: str, depth: int) -> list[_Tree]:
    if not isinstance(value, list) or len(value) < 2:  # noqa: PLR2004
        raise PatternError(f"{where}: needs a list of at least two patterns")
    return [
        tree
        for index, alternative in enumerate(value)
        for tree in _alternatives(alternative, f"{where}[{index}]", depth + 1, in_or=True)
    ]


def _merged(trees: Sequence[_Tree], where: str) -> _Tree:
    merged: _Tree = {}
    for tree in trees:
        for key, value in tree.items():
            known = merged.get(key)
            if known is None:
                merged[key] = value
            elif isinstance(known, dict) and isinstance(value, dict):
                merged[key] = _merged((known, value), f"{where}.{key}")
            elif isinstance(known, dict) or isinstance(value, dict):
                raise PatternError(f"{where}.{key}: is a value here and an object there")
            else:
                merged[key] = _all_of(known, value)
    return merged


def _all_of(one: Matcher, other: Matcher) -> Matcher:
    return lambda value: one(value) and other(value)


def _compile_object(tree: _Tree) -> Matcher:
    # Objects go first: a rule is asked only about its own calls, and refuses by what is inside.
    inner = [(k, _compile_object(v)) for k, v in tree.items() if isinstance(v, dict)]
    leaves = [(k, v) for k, v in tree.items() if not isinstance(v, dict)]
    fields = (*inner, *leaves)

    def matches(value: Any) -> bool:  # noqa: ANN401
        if type(value) is not dict:
            if type(value) is list:
                return _in_list(value)
            value = _NOTHING
        for key, matcher in fields:  # noqa: SIM110  a generator takes longer
            if not matcher(value.get(key, _MISSING)):
                return False
        return True

    def _in_list(value: list[Any]) -> bool:
        objects = [element for element in _elements(value) if type(element) is dict]
        return any(map(matches, objects)) if objects else matches(_NOTHING)

    return matches


# --- leaves: the values listed for a field


def _compile_leaf(values: object, where: str) -> Matcher:
    if not isinstance(values, list) or not values:
        raise PatternError(f"{where}: needs a list of values or a nested object")
    texts = frozenset(value for value in values if type(value) is str)
    others, arguments = set(), dict[str, list[Any]]()
    for value in values:
        if isinstance(value, Mapping):
            name, argument = _operator(value, where)
            arguments.setdefault(name, []).append(argument)
        elif type(value) is not str:
            others.add((type(value), _plain(value, where)))  # in JSON true is not 1, here it is
    exists = _exists(arguments.pop("exists", []), f"{where}.exists")
    if not others and not arguments and not exists:
        return _among_texts(texts)
    tests = [_OPERATORS[name](given, f"{where}.{name}") for name, given in arguments.items()]
    if True in exists:
        tests.append(lambda _: True)
    return _lifted(_test_of(texts, frozenset(others), tests), absent=False in exists)


def _plain(value: object, where: str) -> object:
    if value is not None and not isinstance(value, bool | int | float):
        raise PatternError(f"{where}: a {type(value).__name__} inside the list of values")
    if isinstance(value, float) and not isfinite(value):
        raise PatternError(f"{where}: {value} is no number of JSON")
    return value


def _operator(item: Mapping[str, Any], where: str) -> tuple[str, Any]:
    if len(item) != 1:
        raise PatternError(f"{where}: an operator object has exactly one key")
    ((name, argument),) = item.items()
    if name != "exists" and name not in _OPERATORS:
        known = ", ".join((*_OPERATORS, "exists"))
        raise PatternError(f"{where}: unknown operator {name!r}; known: {known}")
    return name, argument


def _among_texts(texts: frozenset[str]) -> Matcher:
    """Nearly every field of nearly every pattern, so the usual case takes the short way."""

    def matches(value: Any) -> bool:  # noqa: ANN401
        if type(value) is str:
            return value in texts
        if type(value) is list:
            return any(type(element) is str and element in texts for element in _elements(value))
        return False

    return matches


def _test_of(
    texts: frozenset[str], others: frozenset[tuple[type, object]], tests: Sequence[Test]
) -> Test:
    if not texts and not others and len(tests) == 1:
        return tests[0]  # most fields with an operator have one, and nothing beside it

    def test(value: Any) -> bool:  # noqa: ANN401
        if type(value) is str:
            if value in texts:
                return True
        elif (type(value), value) in others:
            return True
        return any(one(value) for one in tests)

    return test


def _lifted(test: Test, *, absent: bool) -> Matcher:
    """From one value to whatever may be in an event: a value, a list, an object, or nothing."""

    def matches(value: Any) -> bool:  # noqa: ANN401
        if type(value) is list:
            found = [element for element in _elements(value) if type(element) is not dict]
            return any(map(test, found)) if found else absent
        if value is _MISSING or type(value) is dict:
            return absent
        return test(value)

    return matches


def _elements(values: list[Any]) -> Iterator[Any]:
    """The elements of a list, and of the lists in it."""
    for value in values:
        if type(value) is list:
            yield from _elements(value)
        else:
            yield value


def _any_of(matchers: Sequence[Matcher]) -> Matcher:
    if len(matchers) == 1:
        return matchers[0]
    return lambda value: any(matcher(value) for matcher in matchers)


# --- operators: from the arguments of all that a field lists to one test


def _exists(arguments: list[Any], where: str) -> set[bool]:
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
    """Those to compare as they are, and those to compare in lower case."""
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
    """Each character for itself: Python makes another letter of a sigma that ends a word."""
    return text.replace(_SIGMA, _SIGMA.lower()).lower()


def _wildcard(arguments: list[Any], where: str) -> Test:
    wanted = [tuple(_segments(_text(argument, where), where)) for argument in arguments]
    return _any_of([_like(segments) for segments in wanted])


def _like(segments: tuple[str, ...]) -> Test:
    """Each segment at its first place after the one before: no way back, so never slow."""
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
    """The texts between the wildcards."""
    segment, characters, before = "", iter(text), ""
    for character in characters:
        if character == before == "*":
            raise PatternError(f"{where}: two wildcards in a row")
        before = character
        if character == "\\":
            escaped = next(characters, "")
            if escaped not in {"*", "\\"}:
                raise PatternError(f"{where}: a backslash stands before * or another backslash")
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
        raise PatternError(f"{where}: needs numbers from -5e9 to 5e9, of at most six decimals")
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
"""One notation or the other, without a zone: Python reads more than event-ruler does."""


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
    return _any_of([_not(_forbidden(argument, where)) for argument in arguments])


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
_OPERATORS: Mapping[str, Callable[[list[Any], str], Test]] = {
    **_NEGATED,
    "anything-but": _anything_but,
    "numeric": _numeric,
    "cidr": _cidr,
}
_RESERVED = frozenset(
    {
        *_OPERATORS,
        *_COMPARISONS,
        *("exists", "exactly", "regex", "html", "not-wildcard", "not-equals-ignore-case"),
        *("date-after", "date-on-or-after", "date-before", "date-on-or-before", "in-date-range"),
        *("ip-address-in-range", "ip-address-not-in-range"),
    }
)
"""Names of fields that event-ruler refuses inside of `$or`, at any depth."""
