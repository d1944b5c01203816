"""A bus rule of EventBridge as data: what it lets through, and in which state."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Any


class RouteState(StrEnum):
    """Which of the events that it matches a bus rule gets.

    "Enable the rule so that EventBridge matches events against the rule, except for read-only AWS
    management events delivered through CloudTrail", or "including" them:
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail-management.html
    """

    WITHOUT_READS = "ENABLED"
    WITH_READS = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"


@dataclass(frozen=True, slots=True)
class Route:
    """A bus rule: what it lets through, and whether read-only events are among it."""

    pattern: Mapping[str, Any]
    state: RouteState = RouteState.WITHOUT_READS


def spread_out(pattern: Mapping[str, Any]) -> dict[str, Any]:
    """A checked pattern in which no field is named both inside and outside of an `$or`.

    Of such a field AWS keeps what stands last, and whoever stores a pattern may sort its keys. Here
    the inner one stays, so that the result lets through all that the pattern does, and more only
    where the inner one is no part of the outer one.
    """
    choices = [dict(_leaves(choice)) for choice in _choices(pattern)]
    first = choices[0]
    shared = {
        path: values
        for path, values in first.items()
        if all(choice.get(path) == values for choice in choices)
    }
    spread = _nested(shared)
    if len(choices) > 1:
        rest = [{p: v for p, v in choice.items() if p not in shared} for choice in choices]
        if all(rest):
            spread["$or"] = [_nested(choice) for choice in rest]
    return spread


def _choices(pattern: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The objects without `$or` that together mean the pattern; what stands inside one counts."""
    outside = [
        [{key: choice} for choice in _choices(value)]
        if isinstance(value, Mapping)
        else [{key: value}]
        for key, value in pattern.items()
        if key != "$or"
    ]
    inside = [choice for each in pattern.get("$or", ()) for choice in _choices(each)] or [{}]
    for choice in product(*outside, inside):
        yield _nested({path: v for part in choice for path, v in _leaves(part)})


def _leaves(
    pattern: Mapping[str, Any], above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in pattern.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), value


def _nested(leaves: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    pattern: dict[str, Any] = {}
    for path, values in leaves.items():
        place = pattern
        for key in path[:-1]:
            place = place.setdefault(key, {})
        place[path[-1]] = values
    return pattern
