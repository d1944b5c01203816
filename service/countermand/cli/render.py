"""What the commands show: tables for people, JSON lines for machines.

Names in here may be an attacker's: they are printed escaped, never interpreted by the terminal.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from countermand.actions import ALL as ACTIONS
from countermand.api.views import decision_view
from countermand.cli.cases import CaseResult
from countermand.cli.catalogue import reaction
from countermand.cli.tables import Form, show_list
from countermand.cli.yaml_text import as_yaml
from countermand.core.model import Record
from countermand.core.rules.rule import Correlation, Rule, RuleSet
from countermand.ports import Action

COLORS = {
    "remediate": "red",
    "alert_only": "yellow",
    "skip": "green",
    "wait": "cyan",
}
_SEVERITIES = {"critical": "red", "high": "yellow", "medium": "cyan", "low": "green"}


_DECISION = (
    "TIME",
    "DECISION",
    "SEVERITY",
    "VERDICT",
    "OUTCOME",
    "RULE",
    "ACTOR",
    "TARGET",
    "REASON",
)


def show_decisions(records: Sequence[Record], form: Form, *, headers: bool = True) -> None:
    """Print decisions in the order given."""
    if form is Form.JSON:
        for record in records:
            # ASCII, so that no name from an event can move the cursor.
            print(json.dumps(decision_view(record).model_dump(mode="json")))  # noqa: T201
        return
    rows = [_decision_row(record) for record in records]
    colors = [COLORS[record.decision.verdict] for record in records]
    show_list(_DECISION, rows, form, styles=colors, with_headers=headers, narrow=(0, 1, 4, 7))


def show_decision(record: Record, *, as_json: bool) -> None:
    """Print one decision in full: as the API does, or as YAML without what is empty."""
    show_answer(decision_view(record).model_dump(mode="json"), as_json=as_json)


def show_answer(decision: Mapping[str, Any], *, as_json: bool) -> None:
    """Print a decision that has the form of the API."""
    if as_json:
        print(json.dumps(decision, indent=2))  # noqa: T201
        return
    document = _without_empty({k: v for k, v in decision.items() if k != "links"})
    # ASCII, so that no name from an event can move the cursor.
    print(yaml.safe_dump(document, sort_keys=False, width=100), end="")  # noqa: T201


def _without_empty(value: object) -> object:
    if isinstance(value, dict):
        inside = {name: _without_empty(each) for name, each in value.items()}
        return {name: each for name, each in inside.items() if each not in (None, [], {}, "")}
    return [_without_empty(each) for each in value] if isinstance(value, list) else value


def show_rules(rules: RuleSet, form: Form) -> None:
    """Print one row a rule."""
    rows = [(rule.id, str(rule.severity), reaction(rule), rule.title) for rule in rules.every]
    styles = [_SEVERITIES[rule.severity] for rule in rules.every]
    show_list(
        ("RULE", "SEVERITY", "REMEDIATION", "TITLE"), rows, form, styles=styles, narrow=(0, 1)
    )
    if form is Form.TABLE:
        Console().print(f"{len(rules)} rules", highlight=False)


def show_rule(rule: Rule | Correlation) -> None:
    """Print a rule file in full, and what its action needs."""
    console = Console()
    document = rule.file.model_dump(mode="json", exclude_defaults=True)
    text = as_yaml(document, allow_unicode=True)
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


def show_coverage(calls: Mapping[str, Sequence[str]], form: Form) -> None:
    """Print each call with the rules that look at it."""
    rows = [(call, ", ".join(rule_ids)) for call, rule_ids in calls.items()]
    show_list(("CALL", "RULES"), rows, form)
    if form is Form.TABLE:
        Console().print(f"{len(calls)} calls", highlight=False)


def show_actions(actions: Iterable[Action], form: Form = Form.TABLE) -> None:
    """Print each action, with the permissions that it needs."""
    infos = [action.info for action in actions]
    if form is not Form.TABLE:
        needs = [
            (i.name, i.description, *map(" ".join, (i.reads, i.writes, i.undo_calls)))
            for i in infos
        ]
        show_list(("ACTION", "DESCRIPTION", "READS", "WRITES", "UNDO"), needs, form)
        return
    console = Console()
    for info in infos:
        console.print(Text(f"{info.name}: {info.description}"))
        for label, permissions in (
            ("reads", info.reads),
            ("writes", info.writes),
            ("undo", info.undo_calls),
        ):
            if permissions:
                console.print(Padding(Text(f"{label:<7}{', '.join(permissions)}"), (0, 0, 0, 4)))


def _decision_row(record: Record) -> tuple[str, ...]:
    decision, decided = record.decision, record.timings.decided_at
    finding = decision.leading.finding
    return (
        f"{decided:%Y-%m-%dT%H:%M:%SZ}" if decided else "",
        decision.id,
        str(finding.severity),
        str(decision.verdict),
        "undone" if record.undo else record.outcome,
        finding.rule_id,
        _caller_name(record),
        finding.subject.name if finding.subject else "hidden",
        decision.reason,
    )


def _caller_name(record: Record) -> str:
    actor = record.decision.event.actor
    known = record.caller.name if record.caller is not None else None
    return known or actor.arn.rpartition("/")[2] or actor.type
