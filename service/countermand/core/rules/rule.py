"""A rule file, compiled, and the indexed set of all rules.

    RuleFile -> compile_rule -> Rule ------------------.
    CorrelationFile -> compile_correlation -> Correlation -> RuleSet

`RuleInfo` is what both kinds say about themselves and hand to their findings.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from countermand.core.checks import CHECKS, Condition, pattern_says_all
from countermand.core.model import (
    Aspect,
    Event,
    Finding,
    Mode,
    Path,
    Severity,
    Subject,
    SubjectKind,
)
from countermand.core.rules.pattern import Matcher, compile_pattern, exact_values
from countermand.core.rules.schema import By, CorrelationFile, RuleFile


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleInfo:
    """What a rule says about itself, as far as its findings need it. See `Finding`."""

    id: str
    title: str
    severity: Severity
    remediation: str | None
    mode: Mode | None
    scope: str | None
    runbook: str
    """One line: emails and JSON show it as text."""
    restores: Aspect | None = None
    resolve: str | None = None
    revert_steps: tuple[int, ...] = ()
    techniques: tuple[str, ...] = ()
    references: tuple[str, ...] = ()

    def finding(
        self, subject: Subject | None, evidence: Mapping[str, str], failure: str | None = None
    ) -> Finding:
        """Make a finding of this rule about a subject."""
        return Finding(
            rule_id=self.id,
            title=self.title,
            severity=self.severity,
            subject=subject,
            evidence=evidence,
            remediation=self.remediation,
            mode=self.mode,
            failure=failure,
            scope=self.scope,
            restores=self.restores,
            runbook=self.runbook,
            resolve=self.resolve,
            revert_steps=self.revert_steps,
            techniques=self.techniques,
            references=self.references,
        )


def _info(file: RuleFile | CorrelationFile) -> RuleInfo:
    return RuleInfo(
        id=file.id,
        title=file.title,
        severity=file.severity,
        remediation=file.remediate,
        mode=file.mode,
        scope=file.scope,
        runbook=" ".join(file.runbook.split()),
        restores=file.restores if isinstance(file, RuleFile) else None,
        resolve=file.resolve if isinstance(file, RuleFile) else None,
        revert_steps=file.revert_steps,
        techniques=file.mitre,
        references=file.references,
    )


@dataclass(frozen=True, slots=True)
class _Described:
    """A rule of either kind, which reads like its info."""

    info: RuleInfo

    @property
    def id(self) -> str:
        return self.info.id

    @property
    def title(self) -> str:
        return self.info.title

    @property
    def severity(self) -> Severity:
        return self.info.severity

    @property
    def remediation(self) -> str | None:
        return self.info.remediation

    @property
    def mode(self) -> Mode | None:
        return self.info.mode

    @property
    def runbook(self) -> str:
        return self.info.runbook

    @property
    def restores(self) -> Aspect | None:
        return self.info.restores

    @property
    def resolve(self) -> str | None:
        return self.info.resolve


@dataclass(frozen=True, slots=True)
class Correlation(_Described):
    """A correlation file that was checked."""

    file: CorrelationFile
    subject_kind: SubjectKind


def compile_correlation(file: CorrelationFile) -> Correlation:
    """Compile a correlation file, of which only the subject needs it."""
    by = file.correlate.by
    kind = SubjectKind.RESOURCE if by is By.ACTOR else SubjectKind(by)
    return Correlation(info=_info(file), file=file, subject_kind=kind)


@dataclass(frozen=True, slots=True)
class Rule(_Described):
    """A rule file that was checked and compiled."""

    file: RuleFile
    matches: Matcher
    check: Condition
    subject_kind: SubjectKind
    subject_paths: tuple[Path, ...]
    """Where `detail` may hold the subject's name. The first path that is present counts."""
    evidence: tuple[tuple[str, Path], ...]


def compile_rule(file: RuleFile) -> Rule:
    """Compile the pattern and bind the check. Raises `PatternError`, which says where."""
    ((kind, paths),) = file.subject.items()
    return Rule(
        info=_info(file),
        file=file,
        matches=compile_pattern(file.when),
        check=CHECKS[file.check] if file.check is not None else pattern_says_all,
        subject_kind=kind,
        subject_paths=tuple(_path(path) for path in paths),
        evidence=tuple((name, _path(path)) for name, path in file.evidence.items()),
    )


def _path(text: str) -> Path:
    return tuple(text.split(".")[1:])


class RuleSet:
    """All rules, indexed so that an event asks only the few that could match it.

    Most rules name their calls: the index is event source and name. A rule about any call is
    indexed by the type of the caller, so that the rules about root cost other events nothing.
    """

    def __init__(self, rules: Iterable[Rule], correlations: Iterable[Correlation] = ()) -> None:
        self.rules = tuple(rules)
        self.correlations = tuple(correlations)
        self.restored = frozenset(
            rule.restores
            for rule in self.rules
            if rule.restores is not None and rule.mode is not Mode.OBSERVE
        )
        """The aspects that need a baseline, because a rule may restore them."""
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
        """Return the rules that could match an event."""
        found = self._indexed.get((event.source, event.name), ())
        if event.actor.type in self._by_actor:
            found = (*found, *self._by_actor[event.actor.type])
        return (*found, *self._open) if self._open else found

    def __len__(self) -> int:
        return len(self.rules) + len(self.correlations)

    @property
    def every(self) -> tuple[Rule | Correlation, ...]:
        """Return rules and correlations by ID, for people."""
        return tuple(sorted((*self.rules, *self.correlations), key=lambda rule: rule.id))
