"""The event pattern language, against the semantics that AWS documents."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermand.core.rules.operators import PatternError
from countermand.core.rules.pattern import compile_pattern, exact_values
from support.counting import lines_run
from support.patterns import CASES


@pytest.mark.parametrize(
    ("pattern", "event", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_pattern_matches_as_aws_documents(
    pattern: dict[str, Any],
    event: dict[str, Any],
    expected: bool,
) -> None:
    assert compile_pattern(pattern)(event) is expected


@pytest.mark.parametrize(
    ("pattern", "where"),
    [
        ({}, "when: a pattern is an object"),
        ([], "when: a pattern is an object"),
        ({"a": "x"}, "when.a: needs a list"),
        ({"a": []}, "when.a: needs a list"),
        ({"a": [["x"]]}, "when.a: a list inside"),
        ({"a": {"b": "x"}}, "when.a.b: needs a list"),
        ({"a": [{"prefix": 1}]}, "when.a.prefix: needs a text"),
        ({"a": [{"exists": "yes"}]}, "when.a.exists: needs true or false"),
        ({"a": [{"like": "x"}]}, "when.a: unknown operator 'like'"),
        ({"a": [{"prefix": "x", "suffix": "y"}]}, "when.a: an operator object has exactly one key"),
        ({"a": [{"anything-but": []}]}, "when.a.anything-but: needs texts or numbers"),
        ({"a": [{"anything-but": {"exists": True}}]}, "when.a.anything-but: needs a value"),
        ({"$or": [{"a": ["x"]}]}, "when.$or: needs a list of at least two"),
        ({"$or": [{"a": ["x"]}, {"b": "y"}]}, "when.$or[1].b: needs a list"),
        ({"$or": {"a": ["x"]}}, "when.$or: needs a list of at least two"),
        ({"$or": [{"a": ["x"]}, {}]}, "when.$or[1]: a pattern is an object"),
        (
            {"$or": [{"a": ["x"]}, {"prefix": ["x"]}]},
            "when.$or[1].prefix: an operator cannot be a field name",
        ),
        (
            {"$or": [{"a": {"b": {"prefix": ["x"]}}}, {"c": ["y"]}]},
            "when.$or[0].a.b.prefix: an operator cannot be a field name",
        ),
        (
            {"$or": [{"a": ["x"]}, {"date-after": ["x"]}]},
            "when.$or[1].date-after: an operator cannot",
        ),
        ({"a": [float("nan")]}, "when.a: nan is not a JSON number"),
        ({"a": [float("-inf")]}, "when.a: -inf is not a JSON number"),
        ({"a": {}}, "when.a: a pattern is an object"),
        ({"a": None}, "when.a: needs a list"),
        ({"a.b": ["x"]}, "when.a.b: a field name is a text without dots"),
        ({1: ["x"]}, "when.1: a field name is a text"),
        ({"a": [{}]}, "when.a: an operator object has exactly one key"),
        ({"a": [{"prefix": {"equals-ignore-case": 1}}]}, "when.a.prefix.equals-ignore-case: needs"),
        ({"a": [{"prefix": {"suffix": "x"}}]}, "when.a.prefix: needs a text, or an object with"),
        ({"a": [{"suffix": ["x"]}]}, "when.a.suffix: needs a text"),
        ({"a": [{"equals-ignore-case": ["x"]}]}, "when.a.equals-ignore-case: needs a text"),
        ({"a": [{"wildcard": "a**"}]}, "when.a.wildcard: two wildcards in a row"),
        ({"a": [{"wildcard": r"a\x"}]}, "when.a.wildcard: a backslash may precede only"),
        ({"a": [{"wildcard": "a\\"}]}, "when.a.wildcard: a backslash may precede only"),
        ({"a": [{"anything-but": {"wildcard": "**"}}]}, "when.a.anything-but.wildcard: two wild"),
        (
            {"a": [{"anything-but": {"prefix": ""}}]},
            "when.a.anything-but.prefix: needs a text that",
        ),
        (
            {"a": [{"anything-but": {"suffix": []}}]},
            "when.a.anything-but.suffix: needs a text, or",
        ),
        ({"a": [{"anything-but": {"numeric": ["=", 1]}}]}, "when.a.anything-but: needs a value"),
        ({"a": [{"anything-but": [1, "x"]}]}, "when.a.anything-but: needs texts or numbers, not"),
        ({"a": [{"anything-but": 123456789012}]}, "when.a.anything-but: needs numbers from -5e9"),
        ({"a": [{"anything-but": [1, 0.1234567]}]}, "when.a.anything-but: needs numbers from -5e9"),
        ({"a": [{"anything-but": None}]}, "when.a.anything-but: needs texts or numbers"),
        ({"a": [{"anything-but": [True]}]}, "when.a.anything-but: needs texts or numbers"),
        ({"a": [{"numeric": []}]}, "when.a.numeric: needs a list of one comparison"),
        ({"a": [{"numeric": ["!=", 1]}]}, "when.a.numeric: needs a list of one comparison"),
        ({"a": [{"numeric": ["<", 1, ">", 0]}]}, "when.a.numeric: needs a list of one comparison"),
        ({"a": [{"numeric": [">", 0, "<", 5, "<", 6]}]}, "when.a.numeric: needs a list of one"),
        ({"a": [{"numeric": [">", 5, "<", 5]}]}, "when.a.numeric: the lower bound must be less"),
        ({"a": [{"numeric": ["=", "1"]}]}, "when.a.numeric: needs numbers from -5e9"),
        ({"a": [{"numeric": ["=", True]}]}, "when.a.numeric: needs numbers from -5e9"),
        ({"a": [{"numeric": ["<", 5.1e9]}]}, "when.a.numeric: needs numbers from -5e9"),
        ({"a": [{"numeric": ["<", 0.1234567]}]}, "when.a.numeric: needs numbers from -5e9"),
        ({"a": [{"numeric": ["<", float("nan")]}]}, "when.a.numeric: needs numbers from -5e9"),
        ({"a": [{"cidr": "fe80::1%eth0/64"}]}, "when.a.cidr: needs an address, a slash"),
        ({"a": [{"cidr": "::1.2.3.4/64"}]}, "when.a.cidr: needs an address, a slash"),
        ({"a": [{"cidr": "10.0.0.0"}]}, "when.a.cidr: needs an address, a slash and a number"),
        ({"a": [{"cidr": "10.0.0.0/255.0.0.0"}]}, "when.a.cidr: needs an address, a slash"),
        ({"a": [{"cidr": "10.0.0/8"}]}, "when.a.cidr: needs an address, a slash"),
        ({"a": [{"cidr": "10.0.0.1/32"}]}, "when.a.cidr: at most 31 bits"),
        ({"a": [{"cidr": 8}]}, "when.a.cidr: needs a text"),
        (
            {"a": ["x"], "$or": [{"a": {"b": ["x"]}}, {"c": ["y"]}]},
            "when.a: is both a list of values and an object",
        ),
    ],
)
def test_a_wrong_pattern_has_its_place(pattern: Any, where: str) -> None:
    """A wrong pattern is refused with its place."""
    with pytest.raises(PatternError) as refusal:
        compile_pattern(pattern)
    assert where in str(refusal.value)


def test_only_plain_string_fields_are_indexed() -> None:
    """Only fields with plain strings are indexed."""
    pattern = {"detail": {"eventName": ["A", "B"], "source": [{"prefix": "x"}]}}
    assert exact_values(pattern, "detail", "eventName") == frozenset("AB")
    assert exact_values(pattern, "detail", "source") is None
    assert exact_values(pattern, "detail", "missing") is None


# --- hostile patterns and events


def test_multiplying_alternatives_are_refused() -> None:
    either = [{"a": ["x"]}, {"b": ["y"]}]
    pattern = {f"f{n}": {"$or": either} for n in range(10)}
    with pytest.raises(PatternError, match="more than 1000 combinations"):
        compile_pattern(pattern)


def test_a_pattern_that_is_too_deep_is_refused() -> None:
    pattern: dict[str, Any] = {"a": ["x"]}
    for _ in range(1000):
        pattern = {"a": pattern}
    with pytest.raises(PatternError, match="more than 50 levels"):
        compile_pattern(pattern)


@pytest.mark.parametrize("operator", [None, "prefix", "suffix", "equals-ignore-case"])
def test_many_values_cost_as_much_as_few(operator: str | None) -> None:
    """Values are looked up and not compared one by one."""

    def steps(number: int) -> int:
        texts = [f"value-{n:05}-" for n in range(number)]
        matches = compile_pattern({"a": [t if operator is None else {operator: t} for t in texts]})
        assert matches({"a": texts[-1]})
        assert not matches({"a": "another"})
        return lines_run(lambda: matches({"a": texts[-1]}))

    assert steps(10_000) <= 2 * steps(10)


def test_wildcards_never_go_back() -> None:
    matches = compile_pattern({"a": [{"wildcard": "*a" * 50 + "*b"}]})
    assert not matches({"a": "a" * 200_000})


def test_a_large_event_is_gone_through_once() -> None:
    pattern = {"a": {"b": {"c": ["x"], "d": ["y"]}, "e": [{"exists": False}]}}
    matches = compile_pattern(pattern)
    event = {"a": [{"b": [{"c": "x"}] * 300}] * 300}
    assert not matches(event)


# --- properties

names = st.sampled_from("abc")
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.floats(-3, 3), st.text("aA*.1", max_size=3)
)
events = st.recursive(
    st.dictionaries(names, st.one_of(scalars, st.lists(scalars, max_size=3)), max_size=3),
    lambda inner: st.dictionaries(
        names,
        st.one_of(scalars, inner, st.lists(st.one_of(inner, scalars), max_size=3)),
        max_size=3,
    ),
    max_leaves=12,
)
short = st.text("aA.1", max_size=2)
operators = st.one_of(
    st.builds(lambda t: {"prefix": t}, short),
    st.builds(lambda t: {"suffix": {"equals-ignore-case": t}}, short),
    st.builds(lambda t: {"equals-ignore-case": t}, short),
    st.builds(lambda t: {"wildcard": f"{t}*{t}"}, short),
    st.builds(lambda t: {"anything-but": t}, st.one_of(short, st.integers(-3, 3))),
    st.builds(lambda n: {"numeric": [">", n, "<=", n + 2]}, st.integers(-3, 3)),
    st.builds(lambda b: {"exists": b}, st.booleans()),
)
leaves = st.lists(st.one_of(scalars, operators), min_size=1, max_size=3)
objects = st.recursive(
    st.dictionaries(names, leaves, min_size=1, max_size=2),
    lambda inner: st.dictionaries(names, st.one_of(leaves, inner), min_size=1, max_size=2),
    max_leaves=4,
)


@given(objects, events)
def test_the_order_of_a_pattern_has_no_meaning(pattern: Any, event: Any) -> None:
    """The order of fields and values has no meaning."""

    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: turned(inner) for key, inner in reversed(value.items())}
        return value[::-1] if isinstance(value, list) and "<=" not in value else value

    assert compile_pattern(pattern)(event) == compile_pattern(turned(pattern))(event)


@given(objects, events)
def test_more_fields_in_the_event_change_nothing(pattern: Any, event: Any) -> None:
    more = {**event, "other": [{"a": "x"}]}
    assert compile_pattern(pattern)(event) == compile_pattern(pattern)(more)


@given(objects, objects, events)
def test_or_is_either_of_the_two(one: Any, other: Any, event: Any) -> None:
    either = compile_pattern({"$or": [one, other]})(event)
    assert either == (compile_pattern(one)(event) or compile_pattern(other)(event))


@given(leaves, leaves, events)
def test_the_values_of_a_field_are_alternatives(one: Any, other: Any, event: Any) -> None:
    both = compile_pattern({"a": one + other})(event)
    assert both == (compile_pattern({"a": one})(event) or compile_pattern({"a": other})(event))


@given(leaves, leaves, events)
def test_different_fields_must_all_match(one: Any, other: Any, event: Any) -> None:
    both = compile_pattern({"a": one, "b": other})(event)
    assert both == (compile_pattern({"a": one})(event) and compile_pattern({"b": other})(event))


@given(scalars, st.lists(scalars, max_size=3), leaves)
def test_a_list_matches_if_one_element_does(value: Any, more: Any, leaf: Any) -> None:
    matches = compile_pattern({"a": leaf})
    if matches({"a": value}):
        assert matches({"a": [*more, value]})
        assert matches({"a": [[value], *more]})


@given(st.text("aA*b", max_size=8), st.lists(st.sampled_from(["a", "b", "A"]), max_size=4))
def test_a_wildcard_equals_its_regular_expression(text: str, parts: list[str]) -> None:
    wildcard = "*".join(parts)
    expected = re.fullmatch(".*".join(map(re.escape, parts)), text, re.DOTALL) is not None
    assert compile_pattern({"x": [{"wildcard": wildcard}]})({"x": text}) is expected


@given(st.recursive(scalars, lambda i: st.lists(i) | st.dictionaries(st.text(), i), max_leaves=8))
def test_any_pattern_compiles_or_is_refused(pattern: Any) -> None:
    """Whatever a pattern is, it compiles or is refused."""
    try:
        compile_pattern(pattern)({"a": "x"})
    except PatternError as refusal:
        notified = str(refusal)
    else:
        notified = "when"
    assert notified.startswith("when")
