"""Third stage: may Countermand revert this change? The first guard that denies it decides.

    guard            denies when                                           verdict     notify
    ---------------  ----------------------------------------------------  ----------  ------
    screening, before any live read: the first denial ends it
    failed_call      the call has an errorCode: nothing changed            skip        no
    own_change       the worker role made a call that actions make         skip        no
                     the worker role made any other call                   skip        yes
    origin           the event is from another account or region           alert_only  yes
    broken_check     the condition of the rule raised an error             alert_only  yes
    hidden_target    the event does not identify its target                alert_only  yes
    readable, on live state: the first denial ends it
    unreadable       the live state could not be read                      wait        yes
    not_visible      the change is not visible and the event is younger    wait        no
                     than the settle time, and not from the future
    gone             the principal does not exist                          alert_only  yes
    recreated        the principal is younger than the event               alert_only  yes
    benign           the policy or the target gives no path to             skip        no
                     administrator
    governance: every denial becomes a reason, the first one decides
    already_removed  the change is no longer there                         skip        yes
    alert_rule       the rule has no remediation                           alert_only  yes
    never_touch      the target is, or uses, a protected principal: an     alert_only  yes
                     AWS role, the worker role or a break-glass principal
    uncertain        the privileges depend on a condition                  alert_only  yes
    irreversible     the previous value is unknown                         alert_only  yes
    not_of_event     the call creates, and what exists was created at      alert_only  yes
                     another time
    scope            the target, or the policy that the rule evaluates,    alert_only  yes
                     is not at path / or its name is out of scope
    exception        the principal has the exact exception tag, and the    skip        yes
                     remediation does not remove this very tag
    undone           a person undid this remediation, or the caller undid  alert_only  yes
                     one on this target within the hour
    age              the event is too old, or from the future              alert_only  yes
    mode             the mode or the rule mode is observe                  alert_only  yes
    (none)                                                                 remediate   yes

An error is never an approval: what could not be read or checked ends above the last line.

The guards stay in one module, 350 lines, because their order is the contract: table, functions and
the three registries at the end list the same guards in the same order.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from fnmatch import fnmatchcase

from countermand.core.governance.guardrails import (
    Guardrails,
    out_of_scope,
    path_and_name,
    policy_path_and_name,
)
from countermand.core.model import (
    Event,
    Facts,
    Finding,
    Guard,
    Mode,
    Principal,
    Reason,
    Ruling,
    Subject,
    SubjectKind,
    Verdict,
    value,
)

APPROVED = Reason(Guard.APPROVED, "Approved for remediation")
_FUTURE_TOLERANCE = -timedelta(minutes=5)
_SAME_CALL = timedelta(minutes=5)
_CREATING = ("Create", "Upload")
_AWS_PATHS = ("/aws-reserved/", "/aws-service-role/")
_UNDO_COVERS = timedelta(hours=1)


@value
class Denial:
    """The reason why a guard does not approve a finding."""

    verdict: Verdict
    text: str
    notify: bool = True


@value
class _Case:
    """Everything that a guard on live state may read. A trail, for example, has no principal."""

    event: Event
    finding: Finding
    guardrails: Guardrails
    facts: Facts
    subject: Subject
    principal: Principal | None


type _Screen = Callable[[Event, Finding, Guardrails], Denial | None]
type _Check = Callable[[_Case], Denial | None]


def screen(event: Event, finding: Finding, guardrails: Guardrails) -> Ruling | None:
    """Rule on a finding that needs no live read; None means: read the facts, then `evaluate`."""
    for guard, check in _SCREENING:
        denial = check(event, finding, guardrails)
        if denial is not None:
            return _ruling(finding, guardrails, [(guard, denial)])
    return None


def evaluate(event: Event, finding: Finding, guardrails: Guardrails, facts: Facts) -> Ruling:
    """Rule on a finding that passed `screen`, with what was read live."""
    if finding.subject is None:  # hidden_target makes this unreachable; the type checker needs it
        raise AssertionError("a finding without subject passed the guards")
    case = _Case(event, finding, guardrails, facts, finding.subject, facts.principal)
    if facts.evaluation is not None and facts.evaluation.privilege.is_risk:
        finding = replace(finding, evidence={**finding.evidence, "summary": facts.evaluation.why})
    for guard, check in _READABLE:
        denial = check(case)
        if denial is not None:
            return _ruling(finding, guardrails, [(guard, denial)], facts)
    denials = [
        (guard, denial) for guard, check in _GOVERNANCE if (denial := check(case)) is not None
    ]
    return _ruling(finding, guardrails, denials, facts)


def _ruling(
    finding: Finding,
    guardrails: Guardrails,
    denials: Sequence[tuple[Guard, Denial]],
    facts: Facts | None = None,
) -> Ruling:
    mode = guardrails.mode.capped_by(finding.mode)
    principal = facts.principal if facts is not None else None
    if facts is not None and not denials:
        approved = (APPROVED,)
        return Ruling(finding, Verdict.REMEDIATE, approved, mode, True, principal, facts.params)
    first = denials[0][1]
    reasons = tuple(Reason(guard, denial.text) for guard, denial in denials)
    return Ruling(finding, first.verdict, reasons, mode, first.notify, principal)


# --- screening: the event, the finding and the guardrails are enough


def _failed_call(event: Event, _finding: Finding, _guardrails: Guardrails) -> Denial | None:
    if event.error_code is None:
        return None
    text = f"The call failed with {event.error_code[:64]}: nothing changed"
    return Denial(Verdict.SKIP, text, notify=False)


def _own_change(event: Event, _finding: Finding, guardrails: Guardrails) -> Denial | None:
    if guardrails.own_arns.isdisjoint((event.actor.issuer_arn, event.actor.arn)):
        return None
    if f"{event.source.removesuffix('.amazonaws.com')}:{event.name}" in guardrails.own_calls:
        return Denial(Verdict.SKIP, "Countermand made this change itself", notify=False)
    # The worker role has no use for any other call, so somebody else may hold its credentials.
    return Denial(
        Verdict.SKIP,
        "Countermand's role made a call that Countermand never makes. "
        "Its credentials may be compromised",
    )


def _origin(event: Event, _finding: Finding, guardrails: Guardrails) -> Denial | None:
    if event.account_id != guardrails.account_id:
        wrong = f"account {event.account_id}, this worker guards {guardrails.account_id}"
    elif event.record_account_id != event.account_id:
        wrong = f"account {event.account_id}, but its CloudTrail record names another account"
    elif event.region != guardrails.region:
        wrong = f"region {event.region[:32]}, this worker guards {guardrails.region}"
    else:
        return None
    return Denial(Verdict.ALERT_ONLY, f"Refused: the event is from {wrong}")


def _broken_check(_event: Event, finding: Finding, _guardrails: Guardrails) -> Denial | None:
    if finding.failure is None:
        return None
    text = f"The check of rule {finding.rule_id} failed ({finding.failure[:200]}). Review manually"
    return Denial(Verdict.ALERT_ONLY, text)


def _hidden_target(_event: Event, finding: Finding, _guardrails: Guardrails) -> Denial | None:
    if finding.subject is not None:
        return None
    text = "The event does not identify its target. Review manually"
    return Denial(Verdict.ALERT_ONLY, text)


# --- readable: whether the live state says anything about this event


def _unreadable(case: _Case) -> Denial | None:
    if case.facts.unreadable is None:
        return None
    return Denial(Verdict.WAIT, f"UNVERIFIED: live state unreadable ({case.facts.unreadable})")


def _not_visible(case: _Case) -> Denial | None:
    age = case.facts.now - case.event.time
    # An event from the future would wait for as long as it is early; `age` denies it instead.
    if case.facts.grant_present or not _FUTURE_TOLERANCE <= age < case.guardrails.settle:
        return None
    text = "The change is not visible in IAM yet: IAM takes some seconds to show it everywhere"
    return Denial(Verdict.WAIT, text, notify=False)


def _gone(case: _Case) -> Denial | None:
    if case.principal is not None or not case.subject.kind.is_principal:
        return None
    text = "IAM has no such principal: it was deleted or renamed after the event"
    return Denial(Verdict.ALERT_ONLY, text)


def _recreated(case: _Case) -> Denial | None:
    principal = case.principal
    if principal is None or principal.created <= case.event.time:
        return None
    # CloudTrail's times have no fraction: a principal may be created in the second of the event.
    if principal.created.replace(microsecond=0) <= case.event.time:
        return None
    text = (
        f"The {principal.kind} was created after the event: "
        "it is a different principal with the same name"
    )
    return Denial(Verdict.ALERT_ONLY, text)


def _benign(case: _Case) -> Denial | None:
    if case.facts.benign is not None:
        return Denial(Verdict.SKIP, case.facts.benign, notify=False)
    evaluation = case.facts.evaluation
    if evaluation is None or evaluation.privilege.is_risk or not case.facts.grant_present:
        return None
    text = "The policy gives no path to administrator"
    return Denial(Verdict.SKIP, text, notify=False)


# --- governance: whether Countermand may revert this change of this target


def _already_removed(case: _Case) -> Denial | None:
    if case.facts.grant_present:
        return None
    return Denial(Verdict.SKIP, "Already removed: the change is no longer there")


def _alert_rule(case: _Case) -> Denial | None:
    if case.finding.remediation is not None:
        return None
    return Denial(Verdict.ALERT_ONLY, f"Rule {case.finding.rule_id} has no remediation")


def _never_touch(case: _Case) -> Denial | None:
    principal, guardrails = case.principal, case.guardrails
    if principal is not None:
        whose = _protected(principal.kind, principal.path, principal.arn, guardrails)
        if whose is not None:
            return Denial(Verdict.ALERT_ONLY, f"Protected: the target is {whose}")
    # An instance profile or a permission set has no ARN of its own here, but the roles it uses do.
    for arn in case.facts.role_arns:
        path = arn.partition(":role")[2]
        if (whose := _protected(SubjectKind.ROLE, path, arn, guardrails)) is not None:
            return Denial(Verdict.ALERT_ONLY, f"Protected: the target uses {whose} ({arn})")
    return None


def _protected(kind: SubjectKind, path: str, arn: str, guardrails: Guardrails) -> str | None:
    if path.startswith(_AWS_PATHS):
        return f"an AWS-owned {kind} at path {path}"
    if arn in guardrails.own_arns:
        return f"the worker {kind}"
    if guardrails.protected is not None and guardrails.protected.match(arn):
        return f"a break-glass {kind}"
    return None


def _uncertain(case: _Case) -> Denial | None:
    evaluation = case.facts.evaluation
    if evaluation is None or evaluation.privilege.is_certain:
        return None
    return Denial(Verdict.ALERT_ONLY, f"Not certain: {evaluation.why}. Review manually")


def _irreversible(case: _Case) -> Denial | None:
    if case.facts.irreversible is None:
        return None
    return Denial(Verdict.ALERT_ONLY, f"Cannot be reverted: {case.facts.irreversible}")


def _not_of_event(case: _Case) -> Denial | None:
    created = case.facts.created
    if created is None or not case.event.name.startswith(_CREATING):
        return None
    if abs(created - case.event.time) <= _SAME_CALL:
        return None
    # It was deleted and created again since then: another event is about what exists now.
    text = f"What exists now was created at {created.isoformat()}, not by the call of the event"
    return Denial(Verdict.ALERT_ONLY, text)


def _scope(case: _Case) -> Denial | None:
    kind, finding, guardrails = case.subject.kind, case.finding, case.guardrails
    if case.principal is not None:
        path, name = case.principal.path, case.principal.name
    else:
        path, name = path_and_name(guardrails, kind, case.subject.name)
    why = out_of_scope(guardrails, kind, path, name)
    if why is None and finding.scope is not None and not fnmatchcase(name, finding.scope):
        why = f"its name does not match {finding.scope}, the scope of the rule"
    if why is None and finding.resolve is not None:
        kind = SubjectKind.POLICY
        arn = finding.evidence.get(finding.resolve, "")
        why = out_of_scope(guardrails, kind, *policy_path_and_name(arn))
    if why is None:
        return None
    return Denial(Verdict.ALERT_ONLY, f"{kind.capitalize()} is out of scope: {why}")


def _exception(case: _Case) -> Denial | None:
    principal, (key, value) = case.principal, case.guardrails.exception_tag
    if principal is None or principal.tags.get(key) != value:
        return None
    # The exception tag must not protect its own addition.
    if case.facts.params.get("tag_key") == key:
        return None
    text = f"{principal.kind.capitalize()} has approved exception tag: {key}={value}"
    return Denial(Verdict.SKIP, text)


def _undone(case: _Case) -> Denial | None:
    same, by_caller, time = case.facts.undo, case.facts.undo_by_caller, case.event.time
    if same is not None and time <= same.at:
        undo = same
    # The caller of an undo often makes the change again, perhaps in several calls.
    elif by_caller is not None and -_SAME_CALL <= time - by_caller.at <= _UNDO_COVERS:
        undo = by_caller
    else:
        return None
    return Denial(Verdict.ALERT_ONLY, f"{undo.by} undid the remediation")


def _age(case: _Case) -> Denial | None:
    age, limit = case.facts.now - case.event.time, case.guardrails.max_event_age
    if age > limit:
        hours = int(limit.total_seconds() // 3600)
        text = f"The event is older than {hours} h. Review manually"
        return Denial(Verdict.ALERT_ONLY, text)
    if age < _FUTURE_TOLERANCE:
        text = "The time of the event is in the future. Review manually"
        return Denial(Verdict.ALERT_ONLY, text)
    return None


def _mode(case: _Case) -> Denial | None:
    if case.guardrails.mode is not Mode.OBSERVE and case.finding.mode is not Mode.OBSERVE:
        return None
    return Denial(Verdict.ALERT_ONLY, "Mode is observe: nothing is reverted")


_SCREENING: tuple[tuple[Guard, _Screen], ...] = (
    (Guard.FAILED_CALL, _failed_call),
    (Guard.OWN_CHANGE, _own_change),
    (Guard.ORIGIN, _origin),
    (Guard.BROKEN_CHECK, _broken_check),
    (Guard.HIDDEN_TARGET, _hidden_target),
)
_READABLE: tuple[tuple[Guard, _Check], ...] = (
    (Guard.UNREADABLE, _unreadable),
    (Guard.NOT_VISIBLE, _not_visible),
    (Guard.GONE, _gone),
    (Guard.RECREATED, _recreated),
    (Guard.BENIGN, _benign),
)
_GOVERNANCE: tuple[tuple[Guard, _Check], ...] = (
    (Guard.ALREADY_REMOVED, _already_removed),
    (Guard.ALERT_RULE, _alert_rule),
    (Guard.NEVER_TOUCH, _never_touch),
    (Guard.UNCERTAIN, _uncertain),
    (Guard.IRREVERSIBLE, _irreversible),
    (Guard.NOT_OF_EVENT, _not_of_event),
    (Guard.SCOPE, _scope),
    (Guard.EXCEPTION, _exception),
    (Guard.UNDONE, _undone),
    (Guard.AGE, _age),
    (Guard.MODE, _mode),
)
