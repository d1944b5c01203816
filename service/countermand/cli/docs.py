"""The pages of the documentation that are made from the code; `make docs` writes them."""

import json
from collections.abc import Callable, Mapping

from pydantic import TypeAdapter

from countermand.actions import ALL as ACTIONS
from countermand.cli.catalogue import calls_of, reaction
from countermand.core.rules.rule import Correlation, Rule, RuleSet
from countermand.core.rules.schema import CorrelationFile, RuleFile
from countermand.core.runbook import steps_of
from countermand.rules.rulebook import BUILT_IN, load_rules
from countermand.settings.docs import configuration_page


def rules_page() -> str:
    """Build `docs/rules.md`."""
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
    """Build `docs/rule.schema.json`: the JSON Schema of a rule file, for editors."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    either = TypeAdapter(RuleFile | CorrelationFile).json_schema()
    return json.dumps(schema | either, indent=2) + "\n"


PAGES: Mapping[str, Callable[[], str]] = {
    "configuration.md": configuration_page,
    "rules.md": rules_page,
    "rule.schema.json": rule_schema,
}


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
        *steps_of(_flat(rule.file.runbook)),
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


def _flat(text: str) -> str:
    return " ".join(text.split())
