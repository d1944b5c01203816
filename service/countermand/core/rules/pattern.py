r"""The EventBridge event pattern language: one pattern routes an event in AWS and matches it here.

    ["text", 1, true, null]                         any of these values
    {"prefix": "a"}  {"suffix": "a"}                a text; may hold {"equals-ignore-case": "a"}
    {"equals-ignore-case": "a"}  {"wildcard": "a*"} a text; `\*` and `\\` are literal
    {"anything-but": X}                             a value, a list of values, or one of the four
                                                    above with one text or a list of texts
    {"numeric": [">", 0, "<=", 5]}                  a number from -5e9 to 5e9, six decimals
    {"cidr": "10.0.0.0/8"}                          an address, version 4 or 6
    {"exists": true}                                whether there is a value at all
    {"$or": [{...}, {...}]}                         in the place of a field, at any depth

- All fields of an object must match. The values listed for a field are alternatives.
- A list in the event matches when one of its elements does. Among objects in a list, one single
  element must match everything that the pattern says below it.
- Only values exist: for `exists`, an object and an empty list count as an absent field. Each object
  in a list is evaluated on its own. AWS instead goes through the fields by name, and evaluates all
  objects of a list together for an absent field that comes before the others.
- `1` and `1.0` differ, except for `numeric` and `anything-but`.

How to read this file: `compile_pattern` spreads `$or` out into plain trees, `_compile_leaf` turns
the values of a field into a matcher, `_compile_object` joins them, and `operators.py` has one
function for each operator. Matching only calls the nested closures that these return.

Countermand refuses what AWS refuses, and also dots in field names, which AWS takes for paths. A
field inside and outside of an `$or` must satisfy both constraints. AWS keeps the last one, so write
the inner constraint last and make it a subset of the outer one.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
https://github.com/aws/event-ruler (what EventBridge runs, by its makers)
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from math import isfinite
from typing import Any

from countermand.core.rules.operators import (
    OPERATORS,
    RESERVED,
    PatternError,
    Test,
    any_of,
    exists,
)

type Matcher = Callable[[Any], bool]
"""A function from a part of an event, or `_MISSING`, to whether it matches."""

_MISSING = object()
_NOTHING: Mapping[str, Any] = {}
_MOST_ALTERNATIVES = 1000
_DEEPEST = 50


def compile_pattern(pattern: object, where: str = "when") -> Matcher:
    """Turn a pattern into a function from the event (a JSON object) to whether it matches."""
    alternatives = [_compile_object(tree) for tree in _alternatives(pattern, where)]
    return any_of(alternatives)


def exact_values(pattern: object, *path: str) -> frozenset[str] | None:
    """Return the strings that a field may have, if the pattern lists only exact strings there.

    None when the pattern leaves the field open: the rule set cannot index such a rule by it.
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
"""An object of a pattern without `$or`, with compiled leaves."""


def _alternatives(
    pattern: object, where: str, depth: int = 0, *, in_or: bool = False
) -> list[_Tree]:
    """Return the objects without `$or` that together mean the pattern.

    Each `$or` is spread over the whole pattern, because its constraints and those beside it must
    hold for the same element of a list.
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
    """Return the alternatives that one key means."""
    if key == "$or":
        return _or(value, f"{where}.$or", depth)
    if not isinstance(key, str) or "." in key:
        raise PatternError(f"{where}.{key}: a field name is a text without dots")
    place = f"{where}.{key}"
    if in_or and key in RESERVED:
        raise PatternError(f"{place}: an operator cannot be a field name inside $or")
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
                raise PatternError(f"{where}.{key}: is both a list of values and an object")
            else:
                merged[key] = _all_of(known, value)
    return merged


def _all_of(one: Matcher, other: Matcher) -> Matcher:
    return lambda value: one(value) and other(value)


def _compile_object(tree: _Tree) -> Matcher:
    # Nested objects first: the index already matched the call, so `detail` decides most often.
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
            # With the type, because true equals 1 in Python and not in JSON.
            others.add((type(value), _plain(value, where)))
    presence = exists(arguments.pop("exists", []), f"{where}.exists")
    if not others and not arguments and not presence:
        return _among_texts(texts)
    tests = [OPERATORS[name](given, f"{where}.{name}") for name, given in arguments.items()]
    if True in presence:
        tests.append(lambda _: True)
    return _lifted(_test_of(texts, frozenset(others), tests), absent=False in presence)


def _plain(value: object, where: str) -> object:
    if value is not None and not isinstance(value, bool | int | float):
        raise PatternError(f"{where}: a {type(value).__name__} inside the list of values")
    if isinstance(value, float) and not isfinite(value):
        raise PatternError(f"{where}: {value} is not a JSON number")
    return value


def _operator(item: Mapping[str, Any], where: str) -> tuple[str, Any]:
    if len(item) != 1:
        raise PatternError(f"{where}: an operator object has exactly one key")
    ((name, argument),) = item.items()
    if name != "exists" and name not in OPERATORS:
        known = ", ".join((*OPERATORS, "exists"))
        raise PatternError(f"{where}: unknown operator {name!r}; known: {known}")
    return name, argument


def _among_texts(texts: frozenset[str]) -> Matcher:
    """Match exact texts: the fast path of nearly every field."""

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
        return tests[0]  # most fields with an operator have only that one

    def test(value: Any) -> bool:  # noqa: ANN401
        if type(value) is str:
            if value in texts:
                return True
        elif (type(value), value) in others:
            return True
        return any(one(value) for one in tests)

    return test


def _lifted(test: Test, *, absent: bool) -> Matcher:
    """Turn a test of a value into a matcher of a value, a list, an object or nothing."""

    def matches(value: Any) -> bool:  # noqa: ANN401
        if type(value) is list:
            found = [element for element in _elements(value) if type(element) is not dict]
            return any(map(test, found)) if found else absent
        if value is _MISSING or type(value) is dict:
            return absent
        return test(value)

    return matches


def _elements(values: list[Any]) -> Iterator[Any]:
    """Yield the elements of a list and of the lists in it."""
    for value in values:
        if type(value) is list:
            yield from _elements(value)
        else:
            yield value
