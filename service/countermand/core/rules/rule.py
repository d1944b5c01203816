"""A rule as data: the schema of a rule file, and the compiled, indexed set of all rules."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from countermand.core import aspects
from countermand.core.checks.conditions import CHECKS, Condition, pattern_says_all
from countermand.core.model import Aspect, Event, Mode, Path, Severity, SubjectKind
from countermand.core.rules.pattern import Matcher, compile_pattern, exact_values
from countermand.core.rules.routing import Route, RouteState, spread_out

PREVIOUS = "previous"
"""The evidence that `restores` gives: an attacker must not choose what is put back."""

_ROUTED = (("source",), ("detail-type",), ("detail", "eventSource"), ("detail", "eventName"))
_PATH = r"^detail(\.[A-Za-z0-9]+)+$"

_Path = Annotated[str, Field(pattern=_PATH, max_length=200)]
_SomePaths = Annotated[tuple[_Path, ...], Field(min_length=1, max_length=5)]
_Paths = Annotated[
    _SomePaths,
    BeforeValidator(
        lambda value: (value,) if isinstance(value, str) else value,
        json_schema_input_type=_Path | _SomePaths,
    ),
]


class _File(BaseModel):
    """What every rule says to people, and what it does."""

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
    remediate: str | None = Field(
        default=None, description="Name of the action that takes it back; absent: alert only."
    )
    mode: Mode | None = Field(
        default=None, description="Limits this rule; absent: as the service's mode."
    )
    scope: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="Glob that the target's name must match too, beside the service's scope.",
    )


class RuleFile(_File):
    """One YAML file in `rules/`: which events, about whom, what they must mean, what to do."""

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
    reads: bool = Field(
        default=False,
        strict=True,
        description="CloudTrail marks these events as readOnly, which EventBridge brings only to a "
        "bus rule in the state ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS. This rule then has "
        "one of its own, with `when` as its pattern: keep it narrow.",
    )
    restores: Aspect | None = Field(
        default=None,
        description="What the change replaced. Its earlier value, from the history that is kept of "
        "it, is evidence for the action: `previous`.",
    )
    resolve: str | None = Field(
        default=None,
        description="Name of the evidence that holds the ARN of a managed policy, which is read "
        "live: the rule stands only if it gives administrator rights.",
    )

    @model_validator(mode="after")
    def _reads_or_restores(self) -> Self:
        if self.reads and self.restores is not None:
            raise ValueError(
                "`reads` and `restores` exclude each other: who reads replaces nothing"
            )
        return self

    @field_validator("evidence")
    @classmethod
    def _not_reserved(cls, evidence: dict[str, str]) -> dict[str, str]:
        if PREVIOUS in evidence:
            raise ValueError(f"{PREVIOUS!r} comes from `restores`, never from an event")
        return evidence

    @field_validator("resolve")
    @classmethod
    def _of_evidence(cls, resolve: str | None, info: ValidationInfo) -> str | None:
        if resolve is not None and resolve not in info.data.get("evidence", {}):
            raise ValueError(f"{resolve!r} is no name in evidence")
        return resolve

    @field_validator("check")
    @classmethod
    def _known(cls, check: str | None) -> str | None:
        if check is not None and check not in CHECKS:
            raise ValueError(f"unknown {check!r}; known: {', '.join(CHECKS)}")
        return check


class By(StrEnum):
    """What events must have in common to be one story."""

    USER = "user"
    ROLE = "role"
    GROUP = "group"
    """The target of the findings."""
    ACTOR = "actor"
    """Who called; for a session, its role."""


class Correlate(BaseModel):
    """Several events within some minutes that together mean more than each of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: By
    within_minutes: int = Field(ge=1, le=1440, strict=True)
    steps: tuple[Annotated[tuple[str, ...], Field(min_length=1)], ...] = Field(
        default=(),
        max_length=10,
        description="Lists of rule ids: at least one rule of each list matched a call that "
        "succeeded, in whatever order.",
    )
    denied_calls: int | None = Field(
        default=None,
        ge=2,
        le=100,
        strict=True,
        description="So many calls that any rule matched were denied for lack of a permission.",
    )

    @model_validator(mode="after")
    def _either(self) -> Self:
        if bool(self.steps) == (self.denied_calls is not None):
            raise ValueError("needs either `steps` or `denied_calls`")
        return self


class CorrelationFile(_File):
    """One YAML file in `rules/` about several events: what they must have in common."""

    correlate: Correlate


@dataclass(frozen=True, slots=True)
class Correlation:
    """A correlation file that was checked."""

    file: CorrelationFile
    id: str
    title: str
    severity: Severity
    remediation: str | None
    mode: Mode | None
    scope: str | None
    runbook: str
    subject_kind: SubjectKind


def compile_correlation(file: CorrelationFile) -> Correlation:
    """For the rule set."""
    by = file.correlate.by
    return Correlation(
        file=file,
        id=file.id,
        title=file.title,
        severity=file.severity,
        remediation=file.remediate,
        mode=file.mode,
        scope=file.scope,
        runbook=" ".join(file.runbook.split()),
        subject_kind=SubjectKind.RESOURCE if by is By.ACTOR else SubjectKind(by),
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
    scope: str | None
    restores: Aspect | None
    runbook: str
    matches: Matcher
    check: Condition
    resolve: str | None
    subject_kind: SubjectKind
    subject_paths: tuple[Path, ...]
    """Where in `detail` the subject's name is; the first that is there counts."""
    evidence: tuple[tuple[str, Path], ...]


def compile_rule(file: RuleFile) -> Rule:
    """Compile the pattern and bind the check. Raises `PatternError`, which says where."""
    ((kind, paths),) = file.subject.items()
    return Rule(
        file=file,
        id=file.id,
        title=file.title,
        severity=file.severity,
        remediation=file.remediate,
        mode=file.mode,
        scope=file.scope,
        restores=file.restores,
        runbook=" ".join(file.runbook.split()),
        matches=compile_pattern(file.when),
        check=CHECKS[file.check] if file.check is not None else pattern_says_all,
        resolve=file.resolve,
        subject_kind=kind,
        subject_paths=tuple(_path(path) for path in paths),
        evidence=tuple((name, _path(path)) for name, path in file.evidence.items()),
    )


def _path(text: str) -> Path:
    return tuple(text.split(".")[1:])


def _route_of(rule: Rule) -> Route | None:
    """The bus rule that a rule has of its own, or None: what it needs comes with its source's.

    With the pattern of its source, a rule about reads would get every call of that name, such as
    each AssumeRole; a rule that names no source has none to share.
    """
    if rule.file.reads:
        return Route(spread_out(rule.file.when), RouteState.WITH_READS)
    # What a change replaces comes in events that the rule's own pattern does not let through.
    if exact_values(rule.file.when, "source") is None and rule.restores is None:
        return Route(spread_out(rule.file.when))
    return None


class RuleSet:
    """All rules, found by event source and name, so that 300 rules cost what one does; rules about
    any call, by the type of who makes it, so that those about root cost other events nothing.
    """

    def __init__(self, rules: Iterable[Rule], correlations: Iterable[Correlation] = ()) -> None:
        self.rules = tuple(rules)
        self.correlations = tuple(correlations)
        self.restored = frozenset(
            rule.restores
            for rule in self.rules
            if rule.restores is not None and rule.mode is not Mode.OBSERVE
        )
        """What must be known of before it changes."""
        self._open: list[Rule] = []
        self._indexed: dict[tuple[str, str], tuple[Rule, ...]] = {}
        self._by_actor: dict[str, tuple[Rule, ...]] = {}
        for rule in self.rules:
            self._add(rule)

    def _add(self, rule: Rule) -> None:
        sources = exact_values(rule.file.when, "detail", "eventSource")
        names = exact_values(rule.file.when, "detail", "eventName")
        if sources is None or names is None:
            self._add_about_any_call(rule)
            return
        for key in ((source, name) for source in sources for name in names):
            self._indexed[key] = (*self._indexed.get(key, ()), rule)

    def _add_about_any_call(self, rule: Rule) -> None:
        actors = exact_values(rule.file.when, "detail", "userIdentity", "type")
        if actors is None:
            self._open.append(rule)
            return
        for actor in actors:
            self._by_actor[actor] = (*self._by_actor.get(actor, ()), rule)

    def candidates(self, event: Event) -> tuple[Rule, ...]:
        """The rules that could match, to be asked one by one."""
        found = self._indexed.get((event.source, event.name), ())
        if event.actor.type in self._by_actor:
            found = (*found, *self._by_actor[event.actor.type])
        return (*found, *self._open) if self._open else found

    def routing_pattern(self) -> dict[str, Any]:
        """The EventBridge pattern that lets through whatever any of these rules could want. For
        all built-in rules it is longer than AWS allows: see `routes`.
        """
        pattern: dict[str, Any] = {}
        for path in _ROUTED:
            values = [exact_values(rule.file.when, *path) for rule in self.rules]
            if all(values):
                place = pattern.setdefault(path[0], {}) if len(path) > 1 else pattern
                place[path[-1]] = sorted({v for found in values for v in found or ()})
        named = pattern.get("detail", {})
        if "eventName" in named:
            # What a change replaces must be known, also when no rule wants the event that made it.
            noted = (aspects.calls_of(s, self.restored) for s in named.get("eventSource", ()))
            named["eventName"] = sorted({*named["eventName"], *chain.from_iterable(noted)})
        return pattern

    def routes(self) -> dict[str, Route]:
        """The bus rules by name, several because a pattern has its limit: `iam` for all that is
        wanted of `aws.iam`, `rule-ID` for a rule that has one of its own, and `any` for rules that
        name no source and share one all the same.
        """
        own: dict[str, Route] = {}
        by_source: dict[str, list[Rule]] = {}
        for rule in self.rules:
            if (route := _route_of(rule)) is not None:
                own[f"rule-{rule.id}"] = route
                continue
            for source in exact_values(rule.file.when, "source") or ("aws.any",):
                by_source.setdefault(source.removeprefix("aws."), []).append(rule)
        shared = {name: Route(RuleSet(of).routing_pattern()) for name, of in by_source.items()}
        return dict(sorted((shared | own).items()))

    def __len__(self) -> int:
        return len(self.rules) + len(self.correlations)

    @property
    def every(self) -> tuple[Rule | Correlation, ...]:
        """All of them by id, for people."""
        return tuple(sorted((*self.rules, *self.correlations), key=lambda rule: rule.id))
