"""The pattern of an EventBridge rule means the same however its keys are sorted."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from countermand.core.rules.pattern import compile_pattern
from countermand.core.rules.routing import spread_out
from support.patterns import CASES

OUTSIDE_AND_INSIDE = {
    "source": ["aws.sts"],
    "detail": {
        "eventName": ["AssumeRoot", "GetSessionToken"],
        "$or": [{"eventName": ["AssumeRoot"]}, {"userIdentity": {"type": ["Root"]}}],
    },
}


def paths(
    pattern: Mapping[str, Any], above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Each field that is named, and whether inside of an `$or`."""
    for key, value in pattern.items():
        if key == "$or":
            yield from ((path, True) for each in value for path, _ in paths(each, above))
        elif isinstance(value, Mapping):
            yield from paths(value, (*above, key))
        else:
            yield (*above, key), False


@pytest.mark.parametrize(
    ("pattern", "event", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_an_expanded_pattern_matches_the_same(
    pattern: dict[str, Any], event: Any, expected: bool
) -> None:
    """A pattern that is spread out matches what it did before."""
    assert compile_pattern(spread_out(pattern))(event) is expected


@pytest.mark.parametrize("pattern", [*(case[1] for case in CASES), OUTSIDE_AND_INSIDE])
def test_no_field_is_inside_and_outside_an_or(pattern: dict[str, Any]) -> None:
    """No field is both inside and outside an `$or`."""
    named = list(paths(spread_out(pattern)))
    assert not {p for p, inside in named if inside} & {p for p, inside in named if not inside}


def test_an_inner_field_wins_over_an_outer_one() -> None:
    """The outer one moves into the alternatives that lack it."""
    assert spread_out(OUTSIDE_AND_INSIDE) == {
        "source": ["aws.sts"],
        "$or": [
            {"detail": {"eventName": ["AssumeRoot"]}},
            {
                "detail": {
                    "eventName": ["AssumeRoot", "GetSessionToken"],
                    "userIdentity": {"type": ["Root"]},
                }
            },
        ],
    }


def test_a_pattern_without_or_stays_as_it_is() -> None:
    pattern = {"source": ["aws.sts"], "detail": {"userIdentity": {"type": [{"exists": True}]}}}
    assert spread_out(pattern) == pattern


def test_spreading_out_again_changes_nothing() -> None:
    once = spread_out(OUTSIDE_AND_INSIDE)
    assert json.dumps(spread_out(once)) == json.dumps(once)
