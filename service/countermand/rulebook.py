"""Reads rule files; a bad one stops start-up with its name, line and key.

The YAML is read as data only (no tags, no duplicate keys), checked by the schema of `core.rule`,
compiled, and its remediation looked up among the actions.
"""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from countermand.core.errors import ConfigError
from countermand.core.pattern import PatternError
from countermand.core.rule import Rule, RuleFile, RuleSet, compile_rule

BUILT_IN = Path(__file__).parent / "rules"


def load_rules(folder: Path, actions: Collection[str]) -> RuleSet:
    """All `*.yaml` of a folder, by name. Raises `ConfigError` with every error of every file."""
    rules, errors = [], []
    for path in sorted(folder.glob("*.yaml")):
        try:
            rules.append(load_rule(path, actions))
        except ConfigError as error:
            errors.append(str(error))
    if not rules and not errors:
        errors.append(f"{folder}: no rule files (*.yaml) in here")
    if errors:
        raise ConfigError("\n".join(errors))
    return RuleSet(rules)


def load_rule(path: Path, actions: Collection[str]) -> Rule:
    """One rule file, checked and compiled."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=_SafeLoader)
        document = _SafeLoader("").construct_document(node) if node else None
    except (yaml.YAMLError, ValueError, OSError, RecursionError) as error:
        raise ConfigError(f"{path}: not readable as YAML: {error}") from error
    try:
        file = RuleFile.model_validate(document)
        rule = compile_rule(file)
    except ValidationError as error:
        raise ConfigError("\n".join(_lines(path, node, error))) from error
    except PatternError as error:
        raise ConfigError(f"{path}: {error}") from error
    if file.id != path.stem:
        raise ConfigError(f"{path}: id: is {file.id!r}, must be the name of the file")
    if file.remediate is not None and file.remediate not in actions:
        known = ", ".join(sorted(actions))
        raise ConfigError(f"{path}: remediate: unknown {file.remediate!r}; known: {known}")
    return rule


class _SafeLoader(yaml.SafeLoader):
    """YAML 1.1 lets a key repeat and keeps the last; a reviewer reads the first. An alias can make
    a short file endless.
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
                    problem=f"the key {key!r} stands twice", problem_mark=mark
                )
        return super().construct_mapping(node, deep=deep)


def _lines(path: Path, node: yaml.Node | None, error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        where = ".".join(str(part) for part in problem["loc"]) or "the file"
        line = _line(node, problem["loc"])
        yield f"{path}:{line}: {where}: {problem['msg']}"


def _line(node: yaml.Node | None, location: tuple[int | str, ...]) -> int:
    line = 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            found = [(k, v) for k, v in node.value if k.value == str(part)]
            if not found:
                break
            line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line
