"""The EventBridge event pattern language: the same text routes an event in AWS and matches it here.

A pattern is compiled once into nested closures and then only called. So far: exact values,
`prefix`, `suffix`, `anything-but` (values, lists, prefix, suffix), `exists` and `$or`; anything
else is refused rather than ignored. Semantics:
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html

- Fields of one object must all match; the values listed for a field are alternatives.
- An event value that is a list matches when one of its elements does; in a list of objects, one
  and the same element must match the whole nested pattern.
- `exists: false` is the only matcher that a missing field satisfies.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

type Matcher = Callable[[Any], bool]

_MISSING = object()
_SCALARS = (str, int, float, bool, type(None))


class PatternError(ValueError):
    """A pattern that AWS or we refuse; the text names the place."""


def compile_pattern(pattern: object, where: str = "when") -> Matcher:
    """Turn a pattern into a function from the event (a JSON object) to whether it matches."""
    if not isinstance(pattern, Mapping) or not pattern:
        raise PatternError(f"{where}: a pattern is an object with at least one field")
    alternatives = _compile_or(pattern["$or"], where) if "$or" in pattern else None
    fields = tuple(
        (key, _compile_field(value, f"{where}.{key}"))
        for key, value in pattern.items()
        if key != "$or"
    )

    def matches(event: Any) -> bool:  # noqa: ANN401
        if type(event) is not dict:
            return _matches_any(event)
        for key, matcher in fields:
            if not matcher(event.get(key, _MISSING)):
                return False
        return alternatives is None or alternatives(event)

    def _matches_any(event: Any) -> bool:  # noqa: ANN401
        if type(event) is list:
            return any(matches(element) for element in event if type(element) is dict)
        return matches({}) if event is _MISSING else False

    return matches


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


def _compile_or(alternatives: object, where: str) -> Matcher:
    if not isinstance(alternatives, list) or len(alternatives) < 2:  # noqa: PLR2004
        raise PatternError(f"{where}.$or: needs a list of at least two patterns")
    matchers = tuple(
        compile_pattern(alternative, f"{where}.$or[{index}]")
        for index, alternative in enumerate(alternatives)
    )
    return lambda event: any(matcher(event) for matcher in matchers)


def _compile_field(value: object, where: str) -> Matcher:
    if isinstance(value, Mapping):
        return compile_pattern(value, where)
    if not isinstance(value, list) or not value:
        raise PatternError(f"{where}: needs a list of values or a nested object")
    if all(isinstance(item, str) for item in value):
        return _exact_strings(frozenset(value))
    return _any_of(tuple(_compile_value(item, where) for item in value))


def _exact_strings(wanted: frozenset[str]) -> Matcher:
    """Nearly every field of nearly every pattern, so the usual case takes the short way."""
    in_list = _any_element(wanted.__contains__)
    return lambda value: value in wanted if type(value) is str else in_list(value)


def _any_of(matchers: Sequence[Matcher]) -> Matcher:
    if len(matchers) == 1:
        return matchers[0]
    return lambda value: any(matcher(value) for matcher in matchers)


def _any_element(test: Matcher) -> Matcher:
    """Lift a test of one present, scalar value to lists, and refuse what is missing."""

    def matches(value: Any) -> bool:  # noqa: ANN401
        if type(value) is str:
            return test(value)
        if type(value) is list:
            return any(test(element) for element in value if isinstance(element, _SCALARS))
        return isinstance(value, _SCALARS) and test(value)

    return matches


def _compile_value(item: object, where: str) -> Matcher:
    if isinstance(item, Mapping):
        return _compile_operator(item, where)
    if not isinstance(item, _SCALARS):
        raise PatternError(f"{where}: a list inside the list of values")
    return _any_element(_equals(item))


def _equals(wanted: object) -> Matcher:
    # In JSON true is not 1, in Python it is.
    kind = type(wanted)
    return lambda value: type(value) is kind and value == wanted


def _compile_operator(item: Mapping[str, Any], where: str) -> Matcher:
    if len(item) != 1:
        raise PatternError(f"{where}: an operator object has exactly one key")
    ((name, argument),) = item.items()
    compile_argument = _OPERATORS.get(name)
    if compile_argument is None:
        raise PatternError(f"{where}: unknown operator {name!r}; known: {', '.join(_OPERATORS)}")
    return compile_argument(argument, f"{where}.{name}")


def _prefix(argument: object, where: str) -> Matcher:
    text = _text(argument, where)
    return _any_element(lambda value: type(value) is str and value.startswith(text))


def _suffix(argument: object, where: str) -> Matcher:
    text = _text(argument, where)
    return _any_element(lambda value: type(value) is str and value.endswith(text))


def _exists(argument: object, where: str) -> Matcher:
    if not isinstance(argument, bool):
        raise PatternError(f"{where}: needs true or false")
    # AWS looks at leaves only: a field that holds an object neither exists nor is missing.
    if argument:
        return lambda value: value is not _MISSING and type(value) is not dict
    return lambda value: value is _MISSING


def _anything_but(argument: object, where: str) -> Matcher:
    if isinstance(argument, Mapping):
        if len(argument) != 1 or not set(argument) <= {"prefix", "suffix"}:
            raise PatternError(f"{where}: needs a value, a list of values, prefix or suffix")
        forbidden = _compile_operator(argument, where)
    else:
        values = argument if isinstance(argument, list) else [argument]
        if not values or not all(isinstance(value, (str, int, float)) for value in values):
            raise PatternError(f"{where}: needs strings or numbers")
        forbidden = _any_of([_any_element(_equals(value)) for value in values])
    return _any_element(lambda value: not forbidden(value))


def _text(argument: object, where: str) -> str:
    if not isinstance(argument, str) or not argument:
        raise PatternError(f"{where}: needs a non-empty string")
    return argument


_OPERATORS: Mapping[str, Callable[[object, str], Matcher]] = {
    "prefix": _prefix,
    "suffix": _suffix,
    "exists": _exists,
    "anything-but": _anything_but,
}
