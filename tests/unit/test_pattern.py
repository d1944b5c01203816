"""The event pattern language, against the semantics that AWS documents."""

from typing import Any

import pytest

from countermand.core.pattern import PatternError, compile_pattern, exact_values

CASES: list[tuple[str, dict[str, Any], dict[str, Any], bool]] = [
    ("an exact string", {"a": ["x"]}, {"a": "x"}, True),
    ("another string", {"a": ["x"]}, {"a": "y"}, False),
    ("another case", {"a": ["x"]}, {"a": "X"}, False),
    ("one of several values", {"a": ["x", "y"]}, {"a": "y"}, True),
    ("a missing field", {"a": ["x"]}, {}, False),
    ("a number is not its text", {"a": ["1"]}, {"a": 1}, False),
    ("a number", {"a": [1]}, {"a": 1}, True),
    ("true is not 1", {"a": [1]}, {"a": True}, False),
    ("true", {"a": [True]}, {"a": True}, True),
    ("null matches null", {"a": [None]}, {"a": None}, True),
    ("null does not match a missing field", {"a": [None]}, {}, False),
    ("the empty string", {"a": [""]}, {"a": ""}, True),
    ("one element of a list", {"a": ["x"]}, {"a": ["y", "x"]}, True),
    ("no element of a list", {"a": ["x"]}, {"a": ["y", "z"]}, False),
    ("an empty list", {"a": ["x"]}, {"a": []}, False),
    ("an object where a value is wanted", {"a": ["x"]}, {"a": {"x": 1}}, False),
    ("a nested field", {"a": {"b": ["x"]}}, {"a": {"b": "x"}}, True),
    ("a nested field that is missing", {"a": {"b": ["x"]}}, {"a": "x"}, False),
    ("all fields", {"a": ["x"], "b": ["y"]}, {"a": "x", "b": "y"}, True),
    ("not all fields", {"a": ["x"], "b": ["y"]}, {"a": "x", "b": "z"}, False),
    ("one object of a list", {"a": {"b": ["x"]}}, {"a": [{"b": "z"}, {"b": "x"}]}, True),
    (
        "one and the same object of a list",
        {"a": {"b": ["x"], "c": ["y"]}},
        {"a": [{"b": "x", "c": "n"}, {"b": "n", "c": "y"}]},
        False,
    ),
    ("a prefix", {"a": [{"prefix": "ab"}]}, {"a": "abc"}, True),
    ("no prefix", {"a": [{"prefix": "bc"}]}, {"a": "abc"}, False),
    ("a prefix of a number", {"a": [{"prefix": "1"}]}, {"a": 12}, False),
    ("a suffix", {"a": [{"suffix": "bc"}]}, {"a": "abc"}, True),
    ("a prefix or a value", {"a": [{"prefix": "z"}, "abc"]}, {"a": "abc"}, True),
    ("anything but a value", {"a": [{"anything-but": "x"}]}, {"a": "y"}, True),
    ("anything but this value", {"a": [{"anything-but": "x"}]}, {"a": "x"}, False),
    ("anything but, of a missing field", {"a": [{"anything-but": "x"}]}, {}, False),
    ("anything but a list", {"a": [{"anything-but": ["x", "y"]}]}, {"a": "y"}, False),
    ("anything but a number", {"a": [{"anything-but": 1}]}, {"a": 2}, True),
    ("anything but a prefix", {"a": [{"anything-but": {"prefix": "x"}}]}, {"a": "yx"}, True),
    ("anything but this prefix", {"a": [{"anything-but": {"prefix": "y"}}]}, {"a": "yx"}, False),
    ("exists", {"a": [{"exists": True}]}, {"a": None}, True),
    ("does not exist", {"a": [{"exists": False}]}, {"b": 1}, True),
    ("exists, but must not", {"a": [{"exists": False}]}, {"a": 1}, False),
    ("nothing exists below a missing field", {"a": {"b": [{"exists": False}]}}, {}, True),
    ("exists is about leaves", {"a": [{"exists": True}]}, {"a": {"b": 1}}, False),
    ("one alternative", {"$or": [{"a": ["x"]}, {"b": ["y"]}]}, {"b": "y"}, True),
    ("no alternative", {"$or": [{"a": ["x"]}, {"b": ["y"]}]}, {"b": "z"}, False),
    (
        "an alternative and the fields beside it",
        {"c": ["z"], "$or": [{"a": ["x"]}, {"b": ["y"]}]},
        {"a": "x", "c": "n"},
        False,
    ),
    ("a nested alternative", {"d": {"$or": [{"a": ["x"]}, {"b": ["y"]}]}}, {"d": {"a": "x"}}, True),
]


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
        ({"a": [{"prefix": 1}]}, "when.a.prefix: needs a non-empty string"),
        ({"a": [{"exists": "yes"}]}, "when.a.exists: needs true or false"),
        ({"a": [{"like": "x"}]}, "when.a: unknown operator 'like'"),
        ({"a": [{"prefix": "x", "suffix": "y"}]}, "when.a: an operator object has exactly one key"),
        ({"a": [{"anything-but": []}]}, "when.a.anything-but: needs strings or numbers"),
        ({"a": [{"anything-but": {"exists": True}}]}, "when.a.anything-but: needs a value"),
        ({"$or": [{"a": ["x"]}]}, "when.$or: needs a list of at least two"),
        ({"$or": [{"a": ["x"]}, {"b": "y"}]}, "when.$or[1].b: needs a list"),
    ],
)
def test_a_wrong_pattern_is_refused_with_its_place(pattern: Any, where: str) -> None:
    with pytest.raises(PatternError) as refusal:
        compile_pattern(pattern)
    assert where in str(refusal.value)


def test_only_fields_with_nothing_but_strings_can_be_indexed() -> None:
    pattern = {"detail": {"eventName": ["A", "B"], "source": [{"prefix": "x"}]}}
    assert exact_values(pattern, "detail", "eventName") == frozenset("AB")
    assert exact_values(pattern, "detail", "source") is None
    assert exact_values(pattern, "detail", "missing") is None
