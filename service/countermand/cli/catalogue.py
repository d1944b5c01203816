"""The rules that a command is about: loaded, chosen by ID, and summed up."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from countermand.actions import ALL as ACTIONS
from countermand.app import rules
from countermand.cli.errors import unknown
from countermand.core.errors import ConfigError
from countermand.core.model import Mode
from countermand.core.rules.pattern import exact_values
from countermand.core.rules.rule import Correlation, Rule, RuleSet
from countermand.rules.rulebook import load_rules
from countermand.settings import load as load_settings


def rules_in(folder: Path | None, environ: Mapping[str, str]) -> RuleSet:
    """Load the rules of a folder. Without a folder, load those that the worker's variables name,
    or the built-in rules if no variables are set. Raises `ConfigError`.
    """
    if folder is not None:
        return load_rules(ACTIONS, folder)
    return rules(load_settings(environ)) if "COUNTERMAND_QUEUE_URL" in environ else rules()


def rule_in(rule_id: str, folder: Path | None, environ: Mapping[str, str]) -> Rule | Correlation:
    """Return the rule with this ID."""
    every = rules_in(folder, environ).every
    found = next((rule for rule in every if rule.id == rule_id), None)
    if found is None:
        ids = (rule.id for rule in every)
        raise unknown("rule", rule_id, ids, "`countermand rules list` shows all")
    return found


def chosen(rule_set: RuleSet, ids: Sequence[str]) -> RuleSet:
    """Return only the rules with these IDs; a text holds one ID, or several with commas."""
    wanted = {text.strip() for texts in ids for text in texts.split(",")}
    if unknown := wanted - {rule.id for rule in rule_set.every}:
        raise ConfigError(
            f"--rules: no rule {min(unknown)!r} is enabled; `countermand rules list` shows all"
        )
    return RuleSet(
        [rule for rule in rule_set.rules if rule.id in wanted],
        [correlation for correlation in rule_set.correlations if correlation.id in wanted],
    )


def reaction(rule: Rule | Correlation) -> str:
    """Say in a word or two what the rule does."""
    if rule.remediation is None:
        return "alerts"
    if rule.mode is Mode.OBSERVE:
        return f"{rule.remediation} (off)"
    return rule.remediation


def calls_of(rule_set: RuleSet) -> Mapping[str, Sequence[str]]:
    """Return each API call, as `iam:AttachUserPolicy`, with the IDs of the rules that match it."""
    found: dict[str, list[str]] = {}
    for rule in rule_set.rules:
        for source in exact_values(rule.file.when, "detail", "eventSource") or ("any",):
            for name in exact_values(rule.file.when, "detail", "eventName") or ("any",):
                call = f"{source.removesuffix('.amazonaws.com')}:{name}"
                found.setdefault(call, []).append(rule.id)
    return dict(sorted(found.items()))
