"""Load rule files, and reload them when one changes.

    *.yaml -> read_yaml -> schema -> compile -> known remediation -> overrides -> RuleSet

A bad file stops the start with its name, line and key. Later, a bad file keeps the whole previous
set in force until someone fixes it. YAML is data only: no tags, aliases or duplicate keys. The
module has 320 lines, because errors of every step need the line numbers of the same YAML nodes.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from stat import S_ISREG
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from countermand.core.errors import ConfigError
from countermand.core.governance.possible import DecisionLabels, possible_decisions
from countermand.core.model import Mode, Severity
from countermand.core.rules.operators import PatternError
from countermand.core.rules.rule import (
    Correlation,
    Rule,
    RuleSet,
    compile_correlation,
    compile_rule,
)
from countermand.core.rules.schema import PREVIOUS, CorrelationFile, RuleFile
from countermand.logs import get_logger
from countermand.metrics import Metrics
from countermand.ports import Action

log = get_logger(__name__)

BUILT_IN = Path(__file__).parent
_LARGEST_FOLDER_BYTES = 10_000_000
_LARGEST_FILE_BYTES = 200_000


class Override(BaseModel):
    """The fields of a rule that an overrides file may change."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(default=True, strict=True)
    severity: Severity | None = None
    mode: Mode | None = Field(
        default=None, description="Replaces the rule's own limit; the service's mode still caps it."
    )
    scope: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="Replaces the rule's own scope; the service's still counts too.",
    )


class Rulebook:
    """The rules in force while the worker runs. `rules` is always a complete, valid set."""

    def __init__(
        self,
        actions: Mapping[str, Action],
        *folders: Path,
        overrides: Path | None = None,
        metrics: Metrics,
        mode: Mode = Mode.ENFORCE,
    ) -> None:
        """Load the rules, and show the series of a worker in this mode.

        Raises `ConfigError` with every error of every file.
        """
        self._actions = actions
        self._folders = folders
        self._overrides = overrides
        self._metrics = metrics
        self._mode = mode
        self._seen = self._fingerprint()
        self._wrong: str | None = None
        self.rules = self._load()
        self._show()

    def refresh(self, *, asked: bool = False) -> None:
        """Reload the files if one changed, or if asked.

        When a file is bad, the previous rules stay in force until someone fixes it.
        """
        seen = self._fingerprint()
        if seen == self._seen and self._wrong is None and not asked:
            return
        try:
            self.rules = self._load()
        except ConfigError as error:
            if str(error) != self._wrong:
                log.error("Rule reload failed", error=str(error), kept=len(self.rules))
            self._wrong = str(error)
        else:
            self._wrong = None
            log.info("Rules reloaded", rules=len(self.rules))
        self._seen = seen
        self._show()

    def _load(self) -> RuleSet:
        return load_rules(self._actions, *self._folders, overrides=self._overrides)

    def _fingerprint(self) -> Sequence[tuple[str, int, int, int]]:
        """Return the state of each file. A mounted ConfigMap changes only the inode."""
        files = [path for folder in self._folders for path in rule_files(folder)]
        if self._overrides is not None:
            files.append(self._overrides)
        found = []
        for path in files:
            with suppress(OSError):
                stat = path.stat()
                found.append((str(path), stat.st_ino, stat.st_mtime_ns, stat.st_size))
        return found

    def _show(self) -> None:
        ids = [rule.id for rule in self.rules.every]
        decisions = decisions_of(self.rules, self._mode)
        self._metrics.rules_in_force(ids, decisions, stale=self._wrong is not None)


def decisions_of(rules: RuleSet, mode: Mode) -> Iterator[DecisionLabels]:
    """Yield all decisions that these rules can lead to, for a worker in this mode."""
    for rule in rules.every:
        yield from possible_decisions(
            rule.id,
            rule.severity,
            mode.capped_by(rule.mode),
            remediates=rule.remediation is not None,
        )


def load_rules(
    actions: Mapping[str, Action], *folders: Path, overrides: Path | None = None
) -> RuleSet:
    """Load every `*.yaml` of the folders, by name, and apply the overrides.

    Raises `ConfigError` with every error of every file.
    """
    found: dict[str, tuple[Path, Rule | Correlation]] = {}
    errors: list[str] = []
    for path in (path for folder in folders for path in _files(folder, errors)):
        try:
            rule = load_rule(path, actions)
        except ConfigError as error:
            errors.append(str(error))
            continue
        if rule.id in found:
            errors.append(
                f"{path}: id: {rule.id!r} is also the ID of {found[rule.id][0]}. Rename one of them"
            )
        found[rule.id] = path, rule
    rules = {rule_id: rule for rule_id, (_, rule) in found.items()}
    errors.extend(_unknown_steps(found))
    if overrides is not None:
        rules = _overridden(rules, overrides, errors)
    if errors:
        raise ConfigError("\n".join(errors))
    return RuleSet(
        (rule for rule in rules.values() if isinstance(rule, Rule)),
        (rule for rule in rules.values() if isinstance(rule, Correlation)),
    )


def _unknown_steps(found: Mapping[str, tuple[Path, Rule | Correlation]]) -> Iterator[str]:
    known = {rule_id for rule_id, (_, rule) in found.items() if isinstance(rule, Rule)}
    for path, rule in found.values():
        steps = rule.file.correlate.steps if isinstance(rule, Correlation) else ()
        for rule_id in sorted({rule_id for step in steps for rule_id in step} - known):
            yield f"{path}: correlate.steps: {rule_id}: no such rule"


def rule_files(folder: Path, ending: str = "yaml") -> list[Path]:
    """List the rule files of a folder and of its packs, the folders right below it, by name.

    Not those that begin with a dot: Kubernetes mounts each file of a ConfigMap a second time there.
    """
    found = (*folder.glob(f"*.{ending}"), *folder.glob(f"[!.]*/*.{ending}"))
    return sorted((path for path in found if path.parent.name != "cases"), key=lambda p: p.name)


def _files(folder: Path, errors: list[str]) -> list[Path]:
    files = rule_files(folder)
    size = sum(_size(path) for path in files)
    errors.extend(
        f"{path}: not a rule file: its name must end in .yaml. Rename it"
        for path in rule_files(folder, "yml")
    )
    if not folder.is_dir():
        errors.append(f"{folder}: no such folder")
    elif not files:
        errors.append(f"{folder}: no rule files (*.yaml) in this folder")
    elif size > _LARGEST_FOLDER_BYTES:
        errors.append(f"{folder}: {size} bytes of rules, more than {_LARGEST_FOLDER_BYTES}")
        return []
    return files


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # reading the file reports the error


def _overridden[R: (Rule | Correlation)](
    rules: dict[str, R], path: Path, errors: list[str]
) -> dict[str, R]:
    changed = dict(rules)
    try:
        node, document = read_yaml(path)
        wanted = TypeAdapter(dict[str, Override]).validate_python(
            {} if document is None else document
        )
    except ConfigError as error:
        errors.append(str(error))
        return changed
    except ValidationError as error:
        errors.extend(_lines(path, node, error))
        return changed
    for rule_id, override in wanted.items():
        if rule_id not in rules:
            errors.append(f"{path}:{line_of(node, (rule_id,))}: {rule_id}: no such rule")
        elif not override.enabled:
            del changed[rule_id]
        else:
            changed[rule_id] = _changed(rules[rule_id], override)
    return changed


def _changed[R: (Rule | Correlation)](rule: R, override: Override) -> R:
    info = replace(
        rule.info,
        severity=override.severity or rule.info.severity,
        mode=override.mode or rule.info.mode,
        scope=override.scope or rule.info.scope,
    )
    return replace(rule, info=info)


def load_rule(path: Path, actions: Mapping[str, Action]) -> Rule | Correlation:
    """Load one rule file: check it and compile it."""
    node, document = read_yaml(path)
    rule: Rule | Correlation
    try:
        if isinstance(document, dict) and "correlate" in document:
            rule = compile_correlation(CorrelationFile.model_validate(document))
        else:
            rule = compile_rule(RuleFile.model_validate(document))
    except ValidationError as error:
        raise ConfigError("\n".join(_lines(path, node, error))) from error
    except PatternError as error:
        line = line_of(node, _parts(str(error).partition(":")[0]))
        raise ConfigError(f"{path}:{line}: {error}") from error
    if rule.id != path.stem:
        line = line_of(node, ("id",))
        raise ConfigError(f"{path}:{line}: id: is {rule.id!r}, must be the name of the file")
    if (wrong := _wrong_remediation(rule, actions)) is not None:
        raise ConfigError(f"{path}:{line_of(node, ('remediate',))}: remediate: {wrong}")
    return rule


def _wrong_remediation(rule: Rule | Correlation, actions: Mapping[str, Action]) -> str | None:
    if rule.remediation is None:
        return None
    if rule.remediation not in actions:
        return f"unknown {rule.remediation!r}; known: {', '.join(sorted(actions))}"
    if isinstance(rule, Correlation) or rule.file.check is not None:
        return None  # a check may add evidence that the file does not name
    given = {name for name, _ in rule.evidence} | ({PREVIOUS} if rule.restores else set())
    if missing := [name for name in actions[rule.remediation].info.needs if name not in given]:
        return f"{rule.remediation} needs the evidence {', '.join(missing)}"
    return None


def read_yaml(path: Path, largest_bytes: int = _LARGEST_FILE_BYTES) -> tuple[yaml.Node | None, Any]:
    """Read a YAML file: its nodes, for the lines of errors, and its data. Raises `ConfigError`."""
    try:
        stat = path.stat()
        if not S_ISREG(stat.st_mode):  # reading a pipe would block
            raise ConfigError(f"{path}: not readable as YAML: not a regular file")
        if stat.st_size > largest_bytes:
            raise ConfigError(f"{path}: more than {largest_bytes} bytes")
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=_SafeLoader)
        return node, _SafeLoader("").construct_document(node) if node else None
    except (yaml.YAMLError, ValueError, OSError, RecursionError) as error:
        raise ConfigError(f"{path}: not readable as YAML: {error}") from error


class _SafeLoader(yaml.SafeLoader):
    """A YAML loader without duplicate keys and aliases.

    YAML 1.1 keeps the last of two equal keys, but a reviewer reads the first. Aliases can make a
    short file expand without end.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "an alias is not allowed", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                mark = node.value[index][0].start_mark
                raise yaml.constructor.ConstructorError(
                    problem=f"duplicate key {key!r}", problem_mark=mark
                )
        return super().construct_mapping(node, deep=deep)


def _lines(path: Path, node: yaml.Node | None, error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        where = ".".join(str(part) for part in problem["loc"]) or "the file"
        line = line_of(node, problem["loc"])
        yield f"{path}:{line}: {where}: {problem['msg']}"


def _parts(place: str) -> tuple[int | str, ...]:
    """Split a place such as `when.$or[1].detail` into keys and indexes."""
    parts = re.findall(r"[^.\[\]]+", place)
    return tuple(int(part) if part.isdecimal() else part for part in parts)


def line_of(node: yaml.Node | None, location: tuple[int | str, ...]) -> int:
    """Return the line of the value at this location, or of the last part of it that exists."""
    line = 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            found = [(k, v) for k, v in node.value if k.value == str(part)]
            if not found:
                break
            line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and part in range(len(node.value)):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line
