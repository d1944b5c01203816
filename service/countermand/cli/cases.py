"""The cases of rules: named CloudTrail records that a rule must match or ignore.

`countermand rules test FOLDER` reads them from `FOLDER/cases/RULE_ID.yaml`:

    matches:
      - name: A user attaches AdministratorAccess
        record: {eventName: AttachUserPolicy, ...}
    ignores:
      - name: A user attaches ReadOnlyAccess
        record: {eventName: AttachUserPolicy, ...}

A record needs only what the rule looks at: the rest is completed with the values of a usual call.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from countermand.actions import ALL as ACTIONS
from countermand.core.envelope import envelope, usual_call
from countermand.core.errors import ConfigError, Malformed
from countermand.core.parse import parse
from countermand.core.rules.detect import detect
from countermand.core.rules.rule import Rule, RuleSet
from countermand.rules.rulebook import line_of, load_rules, read_yaml

_USUAL = usual_call("111122223333")
"""What most records have in common; a case writes only what differs."""
_KINDS = ("matches", "ignores")
_LARGEST_FILE_BYTES = 1_000_000
_LONGEST_NAME = 60


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
    node, document = read_yaml(path, _LARGEST_FILE_BYTES)
    if not _has_lists(document):
        raise ConfigError(f"{path}: must be an object with the lists `matches` and `ignores`")
    cases: dict[str, list[Case]] = {kind: [] for kind in _KINDS}
    errors: list[str] = []
    names: set[str] = set()
    for kind in _KINDS:
        for index, item in enumerate(document.get(kind, [])):
            if (why := _case_error(item, names)) is not None:
                errors.append(f"{path}:{line_of(node, (kind, index))}: {kind}.{index}: {why}")
                continue
            names.add(item["name"])
            cases[kind].append(Case(item["name"], item["record"]))
    if errors:
        raise ConfigError("\n".join(errors))
    return cases


def _has_lists(document: object) -> bool:
    if not isinstance(document, dict) or document.keys() - set(_KINDS):
        return False
    return all(isinstance(cases, list) for cases in document.values())


def _case_error(item: object, names: AbstractSet[str]) -> str | None:
    """Return why an item is not a case with a new name, or None if it is one."""
    if not isinstance(item, dict) or set(item) != {"name", "record"}:
        return "must be an object with `name`, and the CloudTrail record under `record`"
    name = item["name"]
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME:
        return f"name: must be a sentence of at most {_LONGEST_NAME} characters"
    # A failure is reported by the name of its case.
    return f"name: another case has the name {name!r}" if name in names else None


def _fires(rule: Rule, record: object) -> tuple[bool, str]:
    if not isinstance(record, dict):
        return False, "the record is not an object"
    whole = envelope({**_USUAL, **record})
    try:
        return bool(detect(parse(json.dumps(whole, default=str)), RuleSet([rule]))), ""
    except Malformed as error:
        return False, f"malformed: {error}"
