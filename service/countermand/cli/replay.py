"""What `countermand replay` prints: the settings in force, each decision, and the counts.

Everything in an event may be an attacker's text. It reaches the terminal through `plain` only.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import lru_cache

from rich.console import Console
from rich.text import Text

from countermand.app import guardrails_of, rules
from countermand.aws.clients import Caller, Clients
from countermand.aws.cloud import AwsCloud
from countermand.aws.s3 import SCHEME, objects
from countermand.cli.in_force import settings_in_force
from countermand.cli.render import COLORS
from countermand.core.errors import Malformed
from countermand.core.governance.guardrails import Guardrails
from countermand.core.model import Event
from countermand.core.report import plain
from countermand.core.rules.rule import RuleSet
from countermand.replay.coverage import measure, report
from countermand.replay.readers import Source, items
from countermand.replay.replay import Guarded, Replayed, own_account, replay
from countermand.replay.source import sources
from countermand.settings import Settings
from countermand.settings.names import PREFIX

_STYLES = COLORS | {"malformed": "magenta", "skipped": "cyan"}
_LONGEST_LINE = 400
_MOST_NAMED = 5
"""How many unreadable lines are named; all are counted."""
_NOT_EVALUATED = frozenset({"malformed", "skipped"})
_IN_FORCE = (
    "account_id",
    "event_region",
    "mode",
    "user_scope",
    "role_scope",
    "group_scope",
    "policy_scope",
    "resource_scope",
    "account_scope",
    "break_glass",
    "exception_tag",
    "rules_folders",
    "rule_overrides",
)
"""The settings that change a verdict."""


def show_replay(name: str, environ: Mapping[str, str], *, as_json: bool) -> bool:
    """Print each decision as it is made, then the counts; False when no event could be read."""
    settings = settings_in_force(environ)
    in_force = rules(settings)
    _show_settings(settings, in_force)
    console, counts = Console(), Counter[str]()
    unread: list[Replayed] = []
    for replayed in replay(_sources(name, settings), in_force, guarded_by(settings)):
        counts[replayed.verdict] += 1
        if replayed.malformed is not None and len(unread) < _MOST_NAMED:
            unread.append(replayed)
        if as_json:
            print(json.dumps(_row(replayed)))  # noqa: T201
        elif replayed.verdict != "ignored":
            console.print(_line(replayed), soft_wrap=True)
    if not as_json:
        summary = ", ".join(f"{number} {verdict}" for verdict, number in counts.most_common())
        console.print(f"{counts.total()} events: {summary or 'none'}", highlight=False)
    _show_unread(unread, sum(counts[verdict] for verdict in _NOT_EVALUATED))
    if all(verdict in _NOT_EVALUATED for verdict in counts):
        _say(f"{plain(name)}: {_why_nothing(unread)}", style="red")
        return False
    return True


def show_report(name: str, environ: Mapping[str, str], *, as_json: bool) -> bool:
    """Print what the rules detect in labeled events, as Markdown or JSON lines."""
    settings = settings_in_force(environ)
    in_force = rules(settings)
    _show_settings(settings, in_force)
    families = measure(_labeled(_sources(name, settings)), in_force)
    if as_json:
        for family in families:
            print(json.dumps(asdict(family)))  # noqa: T201
    else:
        print(report(families), end="")  # noqa: T201
    if not families:
        _say(f"{plain(name)}: no labeled events in it", style="red")
    return bool(families)


def guarded_by(settings: Settings | None) -> Guarded:
    """Return the worker's guardrails; without a configured account, the event's own is guarded."""
    if settings is None:
        return own_account

    @lru_cache(maxsize=64)
    def around(account_id: str) -> Guardrails:
        return guardrails_of(settings, Caller(account_id, arn=""))

    def guarded(event: Event) -> Guardrails:
        return around(event.account_id)

    return guarded


def _sources(name: str, settings: Settings | None) -> Iterator[tuple[str, Source]]:
    if not name.startswith(SCHEME):
        return sources(name)
    region = settings.region if settings else str(Settings.model_fields["region"].default)
    return objects(AwsCloud(Clients(region)), name)


def _labeled(found: Iterator[tuple[str, Source]]) -> Iterator[tuple[str, object]]:
    for name, source in found:
        for item in items(source):
            if item.error is not None:
                raise Malformed(f"{plain(name)}: line {item.line}: {plain(item.error)}")
            yield f"{plain(name)}: line {item.line}", item.document


def _show_settings(settings: Settings | None, in_force: RuleSet) -> None:
    """Print on standard error, so that `--json` and `--report` can be piped."""
    if settings is None:
        _say(f"Settings: the built-in defaults, because no {PREFIX}* variable is set")
        values: Mapping[str, object] = {
            **{name: field.default for name, field in Settings.model_fields.items()},
            "event_region": "the region of each event",
        }
    else:
        _say(f"Settings: the {PREFIX}* variables, with the defaults for the rest")
        values = settings.model_dump()
    for name in _IN_FORCE:
        _say(f"  {name} = {plain(_shown(name, values[name]))}")
    _say(f"  rules = {len(in_force)}")


def _shown(name: str, value: object) -> str:
    if name == "account_id" and value is None:
        return "the account of each event"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return "none" if value in {None, ""} else str(value)


def _show_unread(unread: list[Replayed], count: int) -> None:
    for replayed in unread:
        _say(f"{plain(replayed.place)}: {plain(replayed.malformed or '', _LONGEST_LINE)}")
    if count > len(unread):
        _say(f"{count - len(unread)} more documents could not be evaluated")


def _why_nothing(unread: list[Replayed]) -> str:
    if not unread:
        return "no CloudTrail events in it"
    if all(replayed.verdict == "skipped" for replayed in unread):
        return "only digest files of CloudTrail, which hold no events"
    first = next(replayed for replayed in unread if replayed.verdict != "skipped")
    return f"no event could be read: {plain(first.malformed or '', _LONGEST_LINE)}"


def _say(text: str, style: str | None = None) -> None:
    Console(file=sys.stderr).print(Text(text, style=style or ""), soft_wrap=True)


def _row(replayed: Replayed) -> dict[str, object]:
    event, decision = replayed.event, replayed.decision
    return {
        "number": replayed.number,
        "place": replayed.place,
        "verdict": replayed.verdict,
        "event_id": event.event_id if event else None,
        "event_name": event.name if event else None,
        "rule_id": decision.leading.finding.rule_id if decision else None,
        "approved_for_remediation": bool(decision and decision.approved_for_remediation),
        "reason": decision.reason if decision else replayed.malformed,
    }


def _line(replayed: Replayed) -> Text:
    event, decision = replayed.event, replayed.decision
    line = Text(f"{replayed.number:>6} ")
    line.append(f"{replayed.verdict:<11}", style=_STYLES[replayed.verdict])
    if event is None or decision is None:
        return line.append(plain(replayed.malformed or "", _LONGEST_LINE))
    finding = decision.leading.finding
    target = plain(finding.subject.name) if finding.subject else "hidden target"
    rule = plain(finding.rule_id)
    reason = plain(decision.reason, _LONGEST_LINE)
    return line.append(f"{plain(event.name)} {target} [{rule}] {reason}")
