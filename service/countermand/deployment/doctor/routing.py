"""Whether the EventBridge rules bring their events to the queue.

If IAM's events appear in another region than the worker's, rules of the same names there forward
them to the event bus of the worker's region. So each rule is checked in one or two regions.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from countermand.core.rules.routing import Route, RouteState
from countermand.deployment.doctor.deployed import Deployed, command, listed, repeated
from countermand.deployment.doctor.result import CheckResult, verdict
from countermand.deployment.doctor.targets import forwarding, sending

type Rule = Mapping[str, Any]


def routing(deployed: Deployed) -> Iterator[CheckResult]:
    """Check the EventBridge rules of the worker's region, and those that forward to it."""
    settings = deployed.settings
    forwards = settings.event_region != settings.region
    there = _existing(deployed, settings.region)
    yield from _rules(deployed, settings.region, there, forwards=forwards)
    yield from sending(deployed, _targets(deployed, there, settings.region))
    if forwards:
        there = _existing(deployed, settings.event_region)
        yield from _rules(deployed, settings.event_region, there, forwards=True)
        yield from forwarding(deployed, _targets(deployed, there, settings.event_region))


def _existing(deployed: Deployed, region: str) -> dict[str, Rule]:
    found = {name: deployed.aws.rule(name, region) for name in deployed.routes}
    return {name: rule for name, rule in found.items() if rule is not None}


def _targets(
    deployed: Deployed, names: Iterable[str], region: str
) -> dict[str, Sequence[Mapping[str, Any]]]:
    return {name: deployed.aws.targets(name, region) for name in names}


def _rules(
    deployed: Deployed, region: str, there: Mapping[str, Rule], *, forwards: bool
) -> Iterator[CheckResult]:
    where = f" ({region})" if forwards else ""
    routes = deployed.routes
    yield _exist(deployed, region, [n for n in routes if n not in there], where)
    if not there:
        return
    disabled = [n for n, r in there.items() if not str(r.get("State")).startswith("ENABLED")]
    yield _all_of(
        f"rules enabled{where}",
        len(there),
        disabled,
        "disabled",
        {name: command("events enable-rule", {"name": name}, region) for name in disabled},
    )
    reads = [n for n in there if routes[n].state is RouteState.WITH_READS]
    without = [n for n in reads if there[n].get("State") != RouteState.WITH_READS]
    yield _all_of(
        f"read-only events{where}",
        len(reads),
        without,
        f"not {RouteState.WITH_READS}",
        {name: put_rule(name, routes[name], region) for name in without},
    )
    narrow = [n for n, r in there.items() if not allows(r["EventPattern"], routes[n].pattern)]
    yield _all_of(
        f"rule patterns{where}",
        len(there),
        narrow,
        "too narrow",
        {name: put_rule(name, routes[name], region) for name in narrow},
    )


def _exist(deployed: Deployed, region: str, missing: list[str], where: str) -> CheckResult:
    number, elsewhere = len(deployed.routes), ""
    for bus in deployed.aws.other_buses(region) if missing else ():
        if deployed.aws.rule(missing[0], region, bus) is not None:
            elsewhere = f" (it is on the bus {bus}, where no event of AWS arrives)"
    if len(missing) == number:
        elsewhere = elsewhere or f" (is COUNTERMAND_RULE_PREFIX={deployed.settings.rule_prefix}?)"
    if not number:
        return verdict("EventBridge rules" + where, "", "no rule needs any event", "")
    return _all_of(
        f"EventBridge rules{where}",
        number,
        missing,
        "missing",
        {name: put_rule(name, deployed.routes[name], region) for name in missing},
        elsewhere,
    )


def put_rule(name: str, route: Route, region: str) -> str:
    """Return the command that creates or corrects a rule. PutRule forgets what it is not given."""
    pattern = json.dumps(route.pattern, separators=(",", ":"))
    options = {"name": name, "state": str(route.state), "event-pattern": pattern}
    return command("events put-rule", options, region)


def _all_of(
    what: str, number: int, wrong: list[str], how: str, fixes: Mapping[str, str], note: str = ""
) -> CheckResult:
    detail = f"{how}: {listed(wrong)}{note}" if wrong else None
    return verdict(what, f"{number} of {number}", detail, repeated(fixes))


def allows(found: Any, wanted: Any) -> bool:  # noqa: ANN401  parts of patterns
    """Return whether a pattern allows all that the wanted one does. It may be wider: leave fields
    open, and list more values and alternatives.
    """
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        return all(key in wanted and allows(found[key], wanted[key]) for key in found)
    if isinstance(found, list) and isinstance(wanted, list):
        return all(value in found for value in wanted)
    return bool(found == wanted)
