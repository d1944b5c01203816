"""What the commands show: tables for people, JSON lines for machines.

Names in here may be an attacker's: they are printed escaped, never interpreted by the terminal.
"""

from collections.abc import Iterable, Mapping, Sequence

import yaml
from rich.console import Console
from rich.text import Text

from countermand.actions import ALL as ACTIONS
from countermand.api.views import decision_view
from countermand.cli.cases import CaseResult
from countermand.cli.catalogue import reaction
from countermand.core.model import Record
from countermand.core.report import plain
from countermand.core.rules.rule import Correlation, Rule, RuleSet
from countermand.ports import Action

COLORS = {
    "remediate": "red",
    "alert_only": "yellow",
    "skip": "green",
    "wait": "cyan",
}
_SEVERITIES = {"critical": "red", "high": "yellow", "medium": "cyan", "low": "green"}


def show_decisions(records: Iterable[Record], *, as_json: bool) -> None:
    """Print decisions, newest first."""
    if as_json:
        for record in records:
            print(decision_view(record).model_dump_json())  # noqa: T201
        return
    console = Console()
    for record in records:
        console.print(_decision_line(record), soft_wrap=True)


def show_rules(rules: RuleSet) -> None:
    """Print one line a rule."""
    console = Console()
    for rule in rules.every:
        line = Text(f"{rule.id:<50} ")
        line.append(f"{rule.severity:<9}", style=_SEVERITIES[rule.severity])
        console.print(line.append(f"{reaction(rule):<32} {rule.title}"), soft_wrap=True)
    console.print(f"{len(rules)} rules", highlight=False)


def _as_block(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


class _RuleDumper(yaml.SafeDumper):
    """A dumper that keeps the steps of a runbook on lines of their own."""


_RuleDumper.add_representer(str, _as_block)


def show_rule(rule: Rule | Correlation) -> None:
    """Print a rule file in full, and what its action needs."""
    console = Console()
    document = rule.file.model_dump(mode="json", exclude_defaults=True)
    text = yaml.dump(document, Dumper=_RuleDumper, sort_keys=False, allow_unicode=True)
    console.out(text, highlight=False)
    if rule.remediation is not None:
        show_actions([ACTIONS[rule.remediation]])


def show_cases(results: Sequence[CaseResult]) -> None:
    """Print the cases that failed, and how many there are."""
    console = Console()
    for result in results:
        if not result.ok:
            where = f"{result.rule_id}, {result.kind}"
            where += f", {result.name!r}" if result.name else ""
            console.print(Text("FAIL", style="red"), Text(f"{where}: {result.detail}"))
    failed = sum(not result.ok for result in results)
    console.print(f"{len(results)} cases, {failed} failed", highlight=False)


def show_coverage(calls: Mapping[str, Sequence[str]]) -> None:
    """Print each call with the rules that look at it."""
    console = Console()
    for call, rule_ids in calls.items():
        console.print(Text(f"{call:<48} {', '.join(rule_ids)}"), soft_wrap=True)
    console.print(f"{len(calls)} calls", highlight=False)


def show_actions(actions: Iterable[Action]) -> None:
    """Print each action, with the permissions that it needs."""
    console = Console()
    for action in actions:
        console.print(Text(f"{action.info.name}: {action.info.description}"), soft_wrap=True)
        for label, permissions in (
            ("reads", action.info.reads),
            ("writes", action.info.writes),
            ("undo", action.info.undo_calls),
        ):
            if permissions:
                console.print(Text(f"    {label:<7}{', '.join(permissions)}"), soft_wrap=True)


def _decision_line(record: Record) -> Text:
    decision, decided = record.decision, record.timings.decided_at
    subject = decision.leading.finding.subject
    outcome = "undone" if record.undo else record.outcome
    line = Text(f"{decided:%Y-%m-%d %H:%M:%S} {decision.id} ")
    line.append(f"{decision.verdict:<11}", style=COLORS[decision.verdict])
    target = plain(subject.name) if subject else "hidden target"
    return line.append(f"{outcome:<10}{target}: {plain(decision.reason)} ({decision.mode})")
