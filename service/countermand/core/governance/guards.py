"""Third stage: may this finding be taken back? The guards, in order; the first objection decides.

    guard            objects when                                          verdict     told
    ---------------  ----------------------------------------------------  ----------  ----
    before any live read
    failed_call      the call has an errorCode: nothing was changed        skip        no
    own_change       our own role made it: one of our actions              skip        no
                     our own role made it: anything else                   skip        yes
    origin           account or region is not the one we guard             alert_only  yes
    broken_check     the rule's check raised                               alert_only  yes
    hidden_target    the event does not name its target                    alert_only  yes
    after it, and nothing more can be said
    unreadable       the live state could not be read                      wait        yes
    not_visible      grant absent, event younger than the settle time      wait        no
                     and not from the future
    gone             principal absent                                      alert_only  yes
    recreated        principal younger than the event: another, same name  alert_only  yes
    harmless         the policy that the rule asks about, or what the      skip        no
                     target carries, gives no way to administrator rights
    governance: every objection is kept as a reason
    already_removed  the grant is no longer there                          skip        yes
    alert_rule       the rule has no remediation                           alert_only  yes
    never_touch      AWS's own role, our own, or a break-glass principal,  alert_only  yes
                     also when the target only carries it
    uncertain        what the policy gives depends on a condition          alert_only  yes
    irreversible     nobody knows what the change replaced                 alert_only  yes
    not_of_event     the call creates, and what is there was created at    alert_only  yes
                     another time
    scope            target, or the policy that the rule asks about, not   alert_only  yes
                     at path /, or name outside the service's pattern
                     or the rule's own
    exception        the principal has exactly the exception tag, unless   skip        yes
                     it is this tag that would be taken back
    undone           a human took this very remediation back, or the       alert_only  yes
                     caller took one on this target back within the hour
    age              event older than the limit, or from the future        alert_only  yes
    mode             the mode, or the rule's own limit, is observe         alert_only  yes
    (none)                                                                 remediate   yes

An error is never an approval: what could not be read or checked ends above the last line.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from fnmatch import fnmatchcase, translate

from countermand.core.model import (
    Event,
    Facts,
    Finding,
    Mode,
    Principal,
    Reason,
    Ruling,
    Subject,
    SubjectKind,
    Verdict,
    value,
)

APPROVED = Reason("approved", "Approved for remediation")
_FUTURE_TOLERANCE = -timedelta(minutes=5)
_SAME_CALL = timedelta(minutes=5)
_CREATING = ("Create", "Upload")
_AWS_PATHS = ("/aws-reserved/", "/aws-service-role/")
_UNDO_COVERS = timedelta(hours=1)
_ARN_TYPE = re.compile(r"^arn:(?:[^:]*:){4}[^:/]*[:/]")


@dataclass(frozen=True, slots=True)
class Guardrails:
    """What the operator allows; from the settings, validated there."""

    account_id: str
    region: str
    mode: Mode = Mode.DRY_RUN
    user_scope: str = "iam-test-*"
    """Glob on the live user name, case-sensitive; IAM allows `*` and `?` in no name."""
    role_scope: str = "iam-test-*"
    group_scope: str = "iam-test-*"
    policy_scope: str = "iam-test-*"
    """Glob on the name of a customer-managed policy at path `/`."""
    resource_scope: str = ""
    """Glob on the name of anything else, or on its ARN when it begins with `arn:`; the empty one
    matches nothing."""
    account_scope: str = ""
    """Glob on the account's id, for settings of the whole account."""
    break_glass: tuple[str, ...] = ()
    """Globs on ARNs of principals that are never touched, whatever they did or got."""
    exception_tag: tuple[str, str] = ("SecurityApproved", "true")
    own_arns: frozenset[str] = frozenset()
    """Our role (as session issuer) or user, by exact ARN."""
    own_calls: frozenset[str] = frozenset()
    """What our actions call, as `iam:DetachUserPolicy`; our role has no business with others."""
    settle: timedelta = timedelta(seconds=15)
    """How long after the event IAM may still show the state before it."""
    max_event_age: timedelta = timedelta(hours=24)
    scopes: Mapping[SubjectKind, re.Pattern[str]] = field(init=False, repr=False, compare=False)
    untouchable: re.Pattern[str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        globs = {
            SubjectKind.USER: self.user_scope,
            SubjectKind.ROLE: self.role_scope,
            SubjectKind.GROUP: self.group_scope,
            SubjectKind.POLICY: self.policy_scope,
            SubjectKind.RESOURCE: self.resource_scope,
            SubjectKind.ACCOUNT: self.account_scope,
        }
        scopes = {kind: re.compile(translate(glob)) for kind, glob in globs.items()}
        object.__setattr__(self, "scopes", scopes)
        spared = "|".join(map(translate, self.break_glass))
        object.__setattr__(self, "untouchable", re.compile(spared) if spared else None)


@value
class Objection:
    """Why a finding is not approved."""

    verdict: Verdict
    text: str
    notify: bool = True


@value
class _Case:
    """All that a guard may look at. `principal` is None for what is none, such as a trail."""

    event: Event
    finding: Finding
    policy: Guardrails
    facts: Facts
    subject: Subject
    principal: Principal | None


def scope_of(policy: Guardrails, kind: SubjectKind) -> str:
    """The glob on the names of one kind; the empty one matches nothing."""
    return str(getattr(policy, f"{kind}_scope"))


def short_name(name: str) -> str:
    """What follows the type in an ARN; any other name as it is."""
    return _ARN_TYPE.sub("", name)


def is_in_scope(policy: Guardrails, kind: SubjectKind, name: str) -> bool:
    """Whether it may be taken back by its name or ARN. A principal's path is not known here."""
    return _outside(policy, kind, *_path_and_name(policy, kind, name)) is None


def screen(event: Event, finding: Finding, policy: Guardrails) -> Ruling | None:
    """Judge what needs no live read, or must not have one; None: read the facts, then `judge`."""
    for guard in _SCREEN:
        objection = guard(event, finding, policy)
        if objection is not None:
            return _ruling(finding, policy, [(_name(guard), objection)])
    return None


def evaluate(event: Event, finding: Finding, policy: Guardrails, facts: Facts) -> Ruling:
    """Judge a finding that passed `screen`, on what was read live."""
    if finding.subject is None:  # unreachable by the guards; says so to readers and types
        raise AssertionError("a finding without subject passed the guards")
    case = _Case(event, finding, policy, facts, finding.subject, facts.principal)
    if facts.evaluation is not None and facts.evaluation.privilege.is_risk:
        finding = replace(finding, evidence={**finding.evidence, "summary": facts.evaluation.why})
    for guard in _READABLE:
        objection = guard(case)
        if objection is not None:
            return _ruling(finding, policy, [(_name(guard), objection)], facts)
    objections = [
        (_name(guard), objection) for guard in _GOVERNANCE if (objection := guard(case)) is not None
    ]
    return _ruling(finding, policy, objections, facts)


def _ruling(
    finding: Finding,
    policy: Guardrails,
    objections: Sequence[tuple[str, Objection]],
    facts: Facts | None = None,
) -> Ruling:
    mode = policy.mode.capped_by(finding.mode)
    principal = facts.principal if facts is not None else None
    if facts is not None and not objections:
        approved = (APPROVED,)
        return Ruling(finding, Verdict.REMEDIATE, approved, mode, True, principal, facts.params)
    first = objections[0][1]
    reasons = tuple(Reason(name, objection.text) for name, objection in objections)
    return Ruling(finding, first.verdict, reasons, mode, first.notify, principal)


def _name(guard: Callable[..., object]) -> str:
    return guard.__name__.lstrip("_")


def _failed_call(event: Event, _finding: Finding, _policy: Guardrails) -> Objection | None:
    if event.error_code is None:
        return None
    text = f"The call failed with {event.error_code[:64]}: nothing was changed"
    return Objection(Verdict.SKIP, text, notify=False)


def _own_change(event: Event, _finding: Finding, policy: Guardrails) -> Objection | None:
    if event.actor.issuer_arn not in policy.own_arns and event.actor.arn not in policy.own_arns:
        return None
    text = "Countermand's own role made this change"
    if f"{event.source.removesuffix('.amazonaws.com')}:{event.name}" in policy.own_calls:
        return Objection(Verdict.SKIP, text, notify=False)
    return Objection(
        Verdict.SKIP, f"{text}, which is none that it makes: its credentials may be stolen"
    )


def _origin(event: Event, _finding: Finding, policy: Guardrails) -> Objection | None:
    if event.account_id != policy.account_id:
        wrong = f"account {event.account_id}, this worker guards {policy.account_id}"
    elif event.record_account_id != event.account_id:
        wrong = f"account {event.account_id}, but its CloudTrail record names another one"
    elif event.region != policy.region:
        wrong = f"region {event.region[:32]}, this worker guards {policy.region}"
    else:
        return None
    return Objection(Verdict.ALERT_ONLY, f"Refused: the event is from {wrong}")


def _broken_check(_event: Event, finding: Finding, _policy: Guardrails) -> Objection | None:
    if finding.failure is None:
        return None
    text = f"The check of rule {finding.rule_id} broke ({finding.failure[:200]}): judge by hand"
    return Objection(Verdict.ALERT_ONLY, text)


def _hidden_target(_event: Event, finding: Finding, _policy: Guardrails) -> Objection | None:
    if finding.subject is not None:
        return None
    return Objection(Verdict.ALERT_ONLY, "The event hides its target: judge by hand")


def _unreadable(case: _Case) -> Objection | None:
    if case.facts.unreadable is None:
        return None
    return Objection(Verdict.WAIT, f"UNVERIFIED: live state unreadable ({case.facts.unreadable})")


def _not_visible(case: _Case) -> Objection | None:
    age = case.facts.now - case.event.time
    if case.facts.grant_present or not _FUTURE_TOLERANCE <= age < case.policy.settle:
        return None
    text = "IAM does not show the change yet: it takes some seconds to be seen everywhere"
    return Objection(Verdict.WAIT, text, notify=False)


def _gone(case: _Case) -> Objection | None:
    if case.principal is not None or not case.subject.kind.is_principal:
        return None
    return Objection(Verdict.ALERT_ONLY, "IAM has no such principal now: deleted or renamed since")


def _recreated(case: _Case) -> Objection | None:
    principal = case.principal
    # CloudTrail's times have no fraction: within one second, created and changed is one story.
    if principal is None or principal.created <= case.event.time:
        return None
    if principal.created.replace(microsecond=0) <= case.event.time:
        return None
    text = f"The {principal.kind} of this name was created after the event: it is another one"
    return Objection(Verdict.ALERT_ONLY, text)


def _benign(case: _Case) -> Objection | None:
    if case.facts.benign is not None:
        return Objection(Verdict.SKIP, case.facts.benign, notify=False)
    evaluation = case.facts.evaluation
    if evaluation is None or evaluation.privilege.is_risk or not case.facts.grant_present:
        return None
    return Objection(Verdict.SKIP, "The policy gives no way to administrator rights", notify=False)


def _already_removed(case: _Case) -> Objection | None:
    if case.facts.grant_present:
        return None
    return Objection(Verdict.SKIP, "Already removed: the grant is no longer there")


def _alert_rule(case: _Case) -> Objection | None:
    if case.finding.remediation is not None:
        return None
    return Objection(Verdict.ALERT_ONLY, f"Rule {case.finding.rule_id} only alerts")


def _never_touch(case: _Case) -> Objection | None:
    principal, policy = case.principal, case.policy
    if principal is not None:
        whose = _untouchable(principal.kind, principal.path, principal.arn, policy)
        if whose is not None:
            return Objection(Verdict.ALERT_ONLY, f"Never touched: {whose}")
    for arn in case.facts.role_arns:
        path = arn.partition(":role")[2]
        if (whose := _untouchable(SubjectKind.ROLE, path, arn, policy)) is not None:
            return Objection(Verdict.ALERT_ONLY, f"Never touched: it carries {whose}, {arn}")
    return None


def _untouchable(kind: SubjectKind, path: str, arn: str, policy: Guardrails) -> str | None:
    if path.startswith(_AWS_PATHS):
        return f"AWS's own {kind}, at path {path}"
    if arn in policy.own_arns:
        return f"Countermand's own {kind}"
    if policy.untouchable is not None and policy.untouchable.match(arn):
        return f"a break-glass {kind}"
    return None


def _uncertain(case: _Case) -> Objection | None:
    evaluation = case.facts.evaluation
    if evaluation is None or evaluation.privilege.is_certain:
        return None
    return Objection(Verdict.ALERT_ONLY, f"Not certain, judge by hand: {evaluation.why}")


def _irreversible(case: _Case) -> Objection | None:
    if case.facts.irreversible is None:
        return None
    return Objection(Verdict.ALERT_ONLY, f"Cannot be taken back: {case.facts.irreversible}")


def _not_of_event(case: _Case) -> Objection | None:
    created = case.facts.created
    if created is None or not case.event.name.startswith(_CREATING):
        return None
    if abs(created - case.event.time) <= _SAME_CALL:
        return None
    text = f"What is there was created at {created.isoformat()}, not by the call of the event"
    return Objection(Verdict.ALERT_ONLY, text)


def _scope(case: _Case) -> Objection | None:
    kind = case.subject.kind
    if case.principal is not None:
        path, name = case.principal.path, case.principal.name
    else:
        path, name = _path_and_name(case.policy, kind, case.subject.name)
    wrong = _outside(case.policy, kind, path, name)
    own = case.finding.scope
    if wrong is None and own is not None and not fnmatchcase(name, own):
        wrong = _out_of_scope(kind, f"its name does not match {own}, the scope of the rule")
    if wrong is None and case.finding.resolve is not None:
        arn = case.finding.evidence.get(case.finding.resolve, "")
        wrong = _outside(case.policy, SubjectKind.POLICY, *_of_policy(arn))
    return wrong


def _outside(policy: Guardrails, kind: SubjectKind, path: str, name: str) -> Objection | None:
    if path != "/":
        return _out_of_scope(kind, f"its path is {path}, only / is in scope")
    if policy.scopes[kind].match(name) is None:
        glob = scope_of(policy, kind) or "the empty scope"
        return _out_of_scope(kind, f"its name does not match {glob}")
    return None


def _out_of_scope(kind: SubjectKind, why: str) -> Objection:
    return Objection(Verdict.ALERT_ONLY, f"{kind.capitalize()} is out of scope: {why}")


def _path_and_name(policy: Guardrails, kind: SubjectKind, name: str) -> tuple[str, str]:
    """Of a policy from its ARN. Nothing else has a path here, and unless the scope is a glob on
    ARNs, what follows the type in the ARN of a resource is its name.
    """
    if kind is SubjectKind.POLICY:
        return _of_policy(name)
    by_arn = policy.resource_scope.startswith("arn:")
    return "/", name if kind is not SubjectKind.RESOURCE or by_arn else short_name(name)


def _of_policy(arn: str) -> tuple[str, str]:
    # Not from the right: a path may hold `:policy/` too.
    path, _, name = arn.split(":", 5)[-1].removeprefix("policy").rpartition("/")
    return f"{path}/", name


def _exception(case: _Case) -> Objection | None:
    principal, (key, value) = case.principal, case.policy.exception_tag
    if principal is None or principal.tags.get(key) != value:
        return None
    if case.facts.params.get("tag_key") == key:
        return None
    text = f"{principal.kind.capitalize()} has approved exception tag: {key}={value}"
    return Objection(Verdict.SKIP, text)


def _undone(case: _Case) -> Objection | None:
    grant, own, time = case.facts.undo, case.facts.undo_by_caller, case.event.time
    if grant is not None and time <= grant.at:
        undo = grant
    elif own is not None and -_SAME_CALL <= time - own.at <= _UNDO_COVERS:
        undo = own
    else:
        return None
    return Objection(Verdict.ALERT_ONLY, f"{undo.by} took the remediation back with undo")


def _age(case: _Case) -> Objection | None:
    age, limit = case.facts.now - case.event.time, case.policy.max_event_age
    if age > limit:
        hours = int(limit.total_seconds() // 3600)
        return Objection(Verdict.ALERT_ONLY, f"The event is older than {hours} h: judge by hand")
    if age < _FUTURE_TOLERANCE:
        return Objection(Verdict.ALERT_ONLY, "The event is dated in the future: judge by hand")
    return None


def _mode(case: _Case) -> Objection | None:
    if case.policy.mode is not Mode.OBSERVE and case.finding.mode is not Mode.OBSERVE:
        return None
    return Objection(Verdict.ALERT_ONLY, "Mode is observe: nothing is taken back")


_SCREEN = (_failed_call, _own_change, _origin, _broken_check, _hidden_target)
_READABLE = (_unreadable, _not_visible, _gone, _recreated, _benign)
_GOVERNANCE = (
    _already_removed,
    _alert_rule,
    _never_touch,
    _uncertain,
    _irreversible,
    _not_of_event,
    _scope,
    _exception,
    _undone,
    _age,
    _mode,
)
