"""A rule as data: the schema of a rule file, and the compiled, indexed set of all rules."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from countermand.core.checks import CHECKS, Check, pattern_says_all
from countermand.core.model import Event, Mode, Severity, SubjectKind
from countermand.core.pattern import Matcher, PatternError, compile_pattern, exact_values

type Path = tuple[str, ...]

_ROUTED = (("source",), ("detail-type",), ("detail", "eventSource"), ("detail", "eventName"))
_PATH = r"^detail(\.[A-Za-z0-9]+)+$"

_Path = Annotated[str, Field(pattern=_PATH, max_length=200)]
_Paths = Annotated[
    tuple[_Path, ...],
    Field(min_length=1, max_length=5),
    BeforeValidator(
        lambda value: (value,) if isinstance(value, str) else value,
        json_schema_input_type=_Path | tuple[_Path, ...],
    ),
]


class RuleFile(BaseModel):
    """One YAML file in `rules/`: which events, about whom, what they must mean, what to do."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(
        pattern=r"^[a-z][a-z0-9_]{2,63}$",
        description="A fact in the past tense, and the name of the file.",
        examples=["admin_policy_attached_to_user"],
    )
    title: str = Field(min_length=8, max_length=120, description="One line for people.")
    description: str = Field(min_length=20, description="What happened, and why it is a risk.")
    severity: Severity
    mitre: tuple[Annotated[str, Field(pattern=r"^T\d{4}(\.\d{3})?$")], ...] = Field(
        description="MITRE ATT&CK technique ids."
    )
    references: tuple[Annotated[str, Field(pattern=r"^https://")], ...] = ()
    false_positives: str = Field(min_length=10, description="When this is legitimate.")
    runbook: str = Field(min_length=10, description="What the reader of the alert does now.")
    when: dict[str, Any] = Field(description="An EventBridge event pattern.")
    subject: dict[SubjectKind, _Paths] = Field(
        min_length=1,
        max_length=1,
        description="Kind of the target: path of its name in the event, or several, the first of "
        "which that is there counts.",
    )
    evidence: dict[Annotated[str, Field(pattern=r"^[a-z][a-z_]{1,40}$")], _Path] = Field(
        default_factory=dict,
        max_length=12,
        description="What the alert shows and the action needs: name, and path in the event.",
    )
    check: str | None = Field(
        default=None, description="Name of a check in core/checks.py; absent: the pattern says all."
    )
    resolve: str | None = Field(
        default=None,
        description="Name of the evidence that holds the ARN of a managed policy, which is read "
        "live: the rule stands only if it gives administrator rights.",
    )
    remediate: str | None = Field(
        default=None, description="Name of the action that takes it back; absent: alert only."
    )
    mode: Mode | None = Field(
        default=None, description="Limits this rule; absent: as the service's mode."
    )


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule file that was checked and compiled."""

    file: RuleFile
    id: str
    title: str
    severity: Severity
    remediation: str | None
    mode: Mode | None
    matches: Matcher
    check: Check
    resolve: str | None
    subject_kind: SubjectKind
    subject_paths: tuple[Path, ...]
    """Where in `detail` the subject's name is; the first that is there counts."""
    evidence: tuple[tuple[str, Path], ...]


def compile_rule(file: RuleFile) -> Rule:
    """Check what the schema cannot: pattern and name of the check. Raises `PatternError`."""
    if file.check is not None and file.check not in CHECKS:
        raise PatternError(f"check: unknown {file.check!r}; known: {', '.join(CHECKS)}")
    if file.resolve is not None and file.resolve not in file.evidence:
        raise PatternError(f"resolve: {file.resolve!r} is no name in evidence")
    ((kind, paths),) = file.subject.items()
    return Rule(
        file=file,
        id=file.id,
        title=file.title,
        severity=file.severity,
        remediation=file.remediate,
        mode=file.mode,
        matches=compile_pattern(file.when),
        check=CHECKS[file.check] if file.check is not None else pattern_says_all,
        resolve=file.resolve,
        subject_kind=kind,
        subject_paths=tuple(_path(path) for path in paths),
        evidence=tuple((name, _path(path)) for name, path in file.evidence.items()),
    )


def _path(text: str) -> Path:
    return tuple(text.split(".")[1:])


class RuleSet:
    """All rules, found by event source and name, so that 300 rules cost what one does."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(rules)
        self._open: list[Rule] = []
        self._indexed: dict[tuple[str, str], tuple[Rule, ...]] = {}
        for rule in self.rules:
            self._add(rule)

    def _add(self, rule: Rule) -> None:
        sources = exact_values(rule.file.when, "detail", "eventSource")
        names = exact_values(rule.file.when, "detail", "eventName")
        if sources is None or names is None:
            self._open.append(rule)
            return
        for key in ((source, name) for source in sources for name in names):
            self._indexed[key] = (*self._indexed.get(key, ()), rule)

    def candidates(self, event: Event) -> tuple[Rule, ...]:
        """The rules that could match, to be asked one by one."""
        found = self._indexed.get((event.source, event.name), ())
        return (*found, *self._open) if self._open else found

    def routing_pattern(self) -> dict[str, Any]:
        """The EventBridge pattern that lets through whatever any of these rules could want."""
        pattern: dict[str, Any] = {}
        for path in _ROUTED:
            values = [exact_values(rule.file.when, *path) for rule in self.rules]
            if all(values):
                place = pattern.setdefault(path[0], {}) if len(path) > 1 else pattern
                place[path[-1]] = sorted({v for found in values for v in found or ()})
        return pattern

    def __len__(self) -> int:
        return len(self.rules)


def value_at(event: Event, path: Path) -> Any:  # noqa: ANN401  JSON
    """What is at a path in `detail`; None when nothing is.

    CloudTrail lowers the first letter of a parameter, and some newer calls do not.
    """
    value: Any = event.body.get("detail")
    for key in path:
        if type(value) is not dict:
            return None
        found = value.get(key)
        value = value.get(key[:1].upper() + key[1:]) if found is None else found
    return value
