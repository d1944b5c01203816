"""The EventBridge rules that bring the worker its events, as data.

Terraform, `countermand doctor` and the demo create or compare them, so that AWS routes exactly what
the rule files ask for. A pattern has at most 2,048 characters, hence several EventBridge rules.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, product
from typing import Any

from countermand.core import aspects
from countermand.core.model import Aspect
from countermand.core.rules.pattern import exact_values
from countermand.core.rules.rule import Rule, RuleSet

_ROUTED = (("source",), ("detail-type",), ("detail", "eventSource"), ("detail", "eventName"))


class RouteState(StrEnum):
    """Whether an EventBridge rule receives read-only calls among the events that it matches.

    "Enable the rule so that EventBridge matches events against the rule, except for read-only AWS
    management events delivered through CloudTrail", or "including" them:
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail-management.html
    """

    WITHOUT_READS = "ENABLED"
    WITH_READS = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"


@dataclass(frozen=True, slots=True)
class Route:
    """An EventBridge rule: its pattern, and whether it receives read-only events."""

    pattern: Mapping[str, Any]
    state: RouteState = RouteState.WITHOUT_READS


def routes_of(rules: RuleSet) -> dict[str, Route]:
    """Return the EventBridge rules that these rules need, by name.

    `iam` is for everything wanted of `aws.iam`, `rule-ID` for a rule that needs its own EventBridge
    rule, and `any` for the rules that name no source and can share one.
    """
    own: dict[str, Route] = {}
    by_source: dict[str, list[Rule]] = {}
    for rule in rules.rules:
        if (route := _own_route(rule)) is not None:
            own[f"rule-{rule.id}"] = route
            continue
        for source in exact_values(rule.file.when, "source") or ("aws.any",):
            by_source.setdefault(source.removeprefix("aws."), []).append(rule)
    shared = {name: Route(routing_pattern(RuleSet(of))) for name, of in by_source.items()}
    return dict(sorted((shared | own).items()))


def _own_route(rule: Rule) -> Route | None:
    """Return the EventBridge rule that a rule needs for itself; None: it shares its source's."""
    # Among the events of its source, a rule about reads would get every read of that name, such as
    # each AssumeRole.
    if rule.file.reads:
        return Route(spread_out(rule.file.when), RouteState.WITH_READS)
    # The rule's own pattern does not match the events that change what it restores.
    if exact_values(rule.file.when, "source") is None and rule.restores is None:
        return Route(spread_out(rule.file.when))
    return None


def routing_pattern(rules: RuleSet) -> dict[str, Any]:
    """Return a pattern that matches every event that one of these rules could want.

    For all built-in rules together it is longer than AWS allows: see `routes_of`.
    """
    pattern: dict[str, Any] = {}
    for path in _ROUTED:
        values = [exact_values(rule.file.when, *path) for rule in rules.rules]
        if all(values):
            place = pattern.setdefault(path[0], {}) if len(path) > 1 else pattern
            place[path[-1]] = sorted({v for found in values for v in found or ()})
    detail = pattern.get("detail", {})
    if "eventName" in detail:
        # A baseline needs every change, also those that no rule wants.
        changes = _baseline_calls(detail.get("eventSource", ()), rules.restored)
        detail["eventName"] = sorted({*detail["eventName"], *changes})
    return pattern


def _baseline_calls(sources: Iterable[str], restored: frozenset[Aspect]) -> Iterator[str]:
    return chain.from_iterable(aspects.calls_of(source, restored) for source in sources)


def spread_out(pattern: Mapping[str, Any]) -> dict[str, Any]:
    """Rewrite a checked pattern so that no field is both inside and outside of an `$or`.

    AWS keeps the last of two such fields, and tools that store a pattern may sort its keys. The
    result keeps the inner field. It matches everything that the pattern matches, and more only
    where the inner field is not a subset of the outer one.
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
    """List the objects without `$or` that together mean the pattern. An inner field wins."""
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
