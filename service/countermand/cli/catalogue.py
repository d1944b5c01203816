"""The rules as people look at them: lists, cases, coverage and the page `docs/rules.md`."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from countermand.actions import ALL as ACTIONS
from countermand.app import rules
from countermand.core.envelope import envelope
from countermand.core.errors import ConfigError, Malformed
from countermand.core.model import Mode
from countermand.core.parse import parse
from countermand.core.rules.detect import detect
from countermand.core.rules.pattern import exact_values
from countermand.core.rules.rule import Correlation, CorrelationFile, Rule, RuleFile, RuleSet
from countermand.deployment.iam_policy import VARIABLES, Places, enforce_policy, worker_policy
from countermand.rules.rulebook import BUILT_IN, line_of, load_rules, read_yaml
from countermand.settings.settings import Settings

_KINDS = ("matches", "ignores")
_LARGEST_CASES_BYTES = 1_000_000
_LONGEST_CASE_NAME = 60


@dataclass(frozen=True, slots=True)
class Case:
    """A CloudTrail record that a rule must match or ignore, and a sentence that names it."""

    name: str
    record: object


@dataclass(frozen=True, slots=True)
class CaseResult:
    """The result of one case of one rule; the name is empty where a rule has no cases."""

    rule_id: str
    kind: str
    name: str
    ok: bool
    detail: str


def rules_in(folder: Path | None, environ: Mapping[str, str]) -> RuleSet:
    """The rules of a folder; else those in force by the worker's variables, where these are set;
    else the built-in ones. Raises `ConfigError`.
    """
    if folder is not None:
        return load_rules(ACTIONS, folder)
    return rules(Settings.load(environ)) if "COUNTERMAND_QUEUE_URL" in environ else rules()


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
    mode: Mode, rule_set: RuleSet, places: Sequence[str], *, only_writes: bool
) -> Mapping[str, Any]:
    """The worker's policy, with `NAME=VALUE` in the place of `${NAME}`."""
    named = dict(place.partition("=")[::2] for place in places)
    if wrong := [name for name, value in named.items() if name not in VARIABLES or not value]:
        known = ", ".join(VARIABLES)
        raise ConfigError(f"--place {wrong[0]}: must be NAME=VALUE; the names are {known}")
    where = Places(**named)
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


def run_cases(folder: Path) -> list[CaseResult]:
    """Run each rule of the folder on its cases. A rule without cases of both kinds is a failure."""
    every = load_rules(ACTIONS, folder).rules
    return [result for rule in every for result in _results(rule, folder / "cases")]


def _results(rule: Rule, folder: Path) -> Iterator[CaseResult]:
    path = folder / f"{rule.id}.yaml"
    cases = _read_cases(path)
    for kind in _KINDS:
        if not cases[kind]:
            yield CaseResult(rule.id, kind, "", ok=False, detail=f"{path}: {kind}: no cases")
        for case in cases[kind]:
            fired, why = _fires(rule, case.record)
            ok = fired == (kind == "matches")
            yield CaseResult(rule.id, kind, case.name, ok, why or ("fired" if fired else "silent"))


def _read_cases(path: Path) -> Mapping[str, Sequence[Case]]:
    """Read the cases of one rule by kind. Raises `ConfigError` with every error of the file."""
    if not path.exists():
        return dict.fromkeys(_KINDS, ())
    node, document = read_yaml(path, _LARGEST_CASES_BYTES)
    if not isinstance(document, dict) or set(document) - set(_KINDS):
        raise ConfigError(f"{path}: must be an object with the lists `matches` and `ignores`")
    cases: dict[str, list[Case]] = {kind: [] for kind in _KINDS}
    errors: list[str] = []
    names: set[str] = set()
    for kind in _KINDS:
        for index, item in enumerate(_as_list(path, kind, document.get(kind, []))):
            if (why := _case_error(item, names)) is not None:
                errors.append(f"{path}:{line_of(node, (kind, index))}: {kind}.{index}: {why}")
                continue
            names.add(item["name"])
            cases[kind].append(Case(item["name"], item["record"]))
    if errors:
        raise ConfigError("\n".join(errors))
    return cases


def _as_list(path: Path, kind: str, value: object) -> list[Any]:
    if not isinstance(value, list):
        raise ConfigError(f"{path}: {kind}: must be a list")
    return value


def _case_error(item: object, names: AbstractSet[str]) -> str | None:
    """Return why an item is not a case with a new name, or None if it is one."""
    if not isinstance(item, dict) or set(item) != {"name", "record"}:
        return "must be an object with `name`, and the CloudTrail record under `record`"
    name = item["name"]
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_CASE_NAME:
        return f"name: must be a sentence of at most {_LONGEST_CASE_NAME} characters"
    # A failure is reported by the name of its case.
    return f"name: another case has the name {name!r}" if name in names else None


def _fires(rule: Rule, record: object) -> tuple[bool, str]:
    if not isinstance(record, dict):
        return False, "the record is not an object"
    try:
        return bool(detect(parse(json.dumps(envelope(record), default=str)), RuleSet([rule]))), ""
    except Malformed as error:
        return False, f"malformed: {error}"


def rules_page() -> str:
    """`docs/rules.md`."""
    every = load_rules(ACTIONS, BUILT_IN).every
    lines = [
        "# Rules",
        "",
        "Made from the rule files by `make docs`; do not edit. A rule alerts unless it says more.",
        'Where the remediation is "off", the change is daily work of many, the undo loses',
        "something, or the worker would need a right that could grant: it runs when an override",
        "gives the rule a mode.",
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
        rows.append(("Remediation", f"`{action.name}`: {_flat(action.description)}"))
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
