"""The rules as people look at them: lists, coverage and the page `docs/rules.md`."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from countermand.actions import ALL as ACTIONS
from countermand.app import rules
from countermand.core.errors import ConfigError
from countermand.core.model import Mode
from countermand.core.rules.pattern import exact_values
from countermand.core.rules.rule import Correlation, Rule, RuleSet
from countermand.core.rules.schema import CorrelationFile, RuleFile
from countermand.deployment.iam_policy import (
    VARIABLES,
    DeploymentValues,
    enforce_policy,
    worker_policy,
)
from countermand.rules.rulebook import BUILT_IN, load_rules
from countermand.settings import load as load_settings


def rules_in(folder: Path | None, environ: Mapping[str, str]) -> RuleSet:
    """The rules of a folder; else those in force by the worker's variables, where these are set;
    else the built-in ones. Raises `ConfigError`.
    """
    if folder is not None:
        return load_rules(ACTIONS, folder)
    return rules(load_settings(environ)) if "COUNTERMAND_QUEUE_URL" in environ else rules()


def rule_in(rule_id: str, folder: Path | None, environ: Mapping[str, str]) -> Rule | Correlation:
    """One rule by id."""
    every = rules_in(folder, environ).every
    found = next((rule for rule in every if rule.id == rule_id), None)
    if found is None:
        raise ConfigError(f"no rule {rule_id!r}; `countermand rules list` shows all")
    return found


def chosen(rule_set: RuleSet, ids: Sequence[str]) -> RuleSet:
    """Only the rules of these ids, several to a text with commas between them."""
    wanted = {text.strip() for texts in ids for text in texts.split(",")}
    if unknown := wanted - {rule.id for rule in rule_set.every}:
        raise ConfigError(
            f"--rules: no rule {min(unknown)!r} is enabled; `countermand rules list` shows all"
        )
    return RuleSet(
        [rule for rule in rule_set.rules if rule.id in wanted],
        [correlation for correlation in rule_set.correlations if correlation.id in wanted],
    )


def worker_document(
    mode: Mode, rule_set: RuleSet, values: Sequence[str], *, only_writes: bool
) -> Mapping[str, Any]:
    """The worker's policy, with `NAME=VALUE` in the place of `${NAME}`."""
    named = dict(place.partition("=")[::2] for place in values)
    if wrong := [name for name, value in named.items() if name not in VARIABLES or not value]:
        known = ", ".join(VARIABLES)
        raise ConfigError(f"--place {wrong[0]}: must be NAME=VALUE; the names are {known}")
    where = DeploymentValues(**named)
    if not only_writes:
        return worker_policy(mode, rule_set, ACTIONS, where)
    document = enforce_policy(rule_set, ACTIONS, where)
    if not document["Statement"]:
        raise ConfigError("--only-writes: no enabled rule of these takes anything back")
    return document


def reaction(rule: Rule | Correlation) -> str:
    """What the rule does, in a word or two."""
    if rule.remediation is None:
        return "alerts"
    if rule.mode is Mode.OBSERVE:
        return f"{rule.remediation} (off)"
    return rule.remediation


def calls_of(rule_set: RuleSet) -> Mapping[str, Sequence[str]]:
    """Each call, as `iam:AttachUserPolicy`, with the ids of the rules that look at it."""
    found: dict[str, list[str]] = {}
    for rule in rule_set.rules:
        for source in exact_values(rule.file.when, "detail", "eventSource") or ("any",):
            for name in exact_values(rule.file.when, "detail", "eventName") or ("any",):
                call = f"{source.removesuffix('.amazonaws.com')}:{name}"
                found.setdefault(call, []).append(rule.id)
    return dict(sorted(found.items()))


def rules_page() -> str:
    """`docs/rules.md`."""
    every = load_rules(ACTIONS, BUILT_IN).every
    lines = [
        "# Rules",
        "",
        "`make docs` generates this page from the rule files; do not edit it. A rule without a",
        "remediation only alerts.",
        "",
        'A remediation marked "off" runs only if an override sets a mode for its rule. It is off',
        "because the change is routine, because an undo cannot restore everything, or because the",
        "worker would need a permission that can also grant access.",
        "",
        "| Rule | Severity | MITRE | What it does |",
        "|---|---|---|---|",
        *(
            f"| [{r.id}](#{r.id}) | {r.severity} | {', '.join(r.file.mitre)} | {reaction(r)} |"
            for r in every
        ),
        "",
    ]
    return "\n".join([*lines, *(line for rule in every for line in _section(rule))])


def rule_schema() -> str:
    """`docs/rule.schema.json`: the JSON Schema of a rule file, for editors."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    either = TypeAdapter(RuleFile | CorrelationFile).json_schema()
    return json.dumps(schema | either, indent=2) + "\n"


def _section(rule: Rule | Correlation) -> list[str]:
    rows = [_about(rule), ("False positives", _flat(rule.file.false_positives))]
    if rule.remediation is not None:
        action = ACTIONS[rule.remediation]
        rows.append(("Remediation", f"`{action.info.name}`: {_flat(action.info.description)}"))
    rows.append(("References", ", ".join(f"<{url}>" for url in rule.file.references)))
    return [
        f"## {rule.id}",
        "",
        f"**{rule.title}.** {_flat(rule.file.description)}",
        "",
        *(f"- {name}: {text}" for name, text in rows if text),
        "",
        "Runbook:",
        "",
        *_steps(rule.file.runbook),
        "",
    ]


def _about(rule: Rule | Correlation) -> tuple[str, str]:
    if isinstance(rule, Rule):
        calls = ", ".join(f"`{call}`" for call in calls_of(RuleSet([rule])))
        return "Calls", f"{calls}; read-only to CloudTrail" if rule.file.reads else calls
    correlate = rule.file.correlate
    common = f"of one {correlate.by} within {correlate.within_minutes} minutes"
    if correlate.denied_calls is not None:
        return "When", f"{correlate.denied_calls} denied calls {common}"
    steps = (" or ".join(f"[{i}](#{i})" for i in step) for step in correlate.steps)
    return "When", f"{'; and '.join(steps)}; {common}"


def _steps(runbook: str) -> list[str]:
    """Return each numbered step on a line of its own, as Markdown lists need it."""
    return re.split(r" (?=[2-9]\. )", _flat(runbook))


def _flat(text: str) -> str:
    return " ".join(text.split())
