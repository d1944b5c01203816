"""What API and CLI show of a record: an allow-list, field by field.

The values are exactly those of the event. JSON keeps them apart from what surrounds them; anyone
who prints them makes them plain first (`core.report.plain`).
"""

from collections.abc import Iterable

from countermand.api.schemas import (
    ActorView,
    CallerView,
    CallView,
    DecisionPage,
    DecisionView,
    LinksView,
    OutcomeView,
    ReasonView,
    RulingView,
    TargetView,
    TechniqueView,
    TimingsView,
    UndoView,
)
from countermand.core import mitre
from countermand.core.model import (
    Actor,
    Call,
    Decision,
    Outcome,
    Record,
    Ruling,
    Undo,
)


def decision_view(record: Record, base_url: str = "") -> DecisionView:
    """All of a record that may be shown; links begin with `base_url`, without a slash at its end.

    The body of the event and its request parameters are not among it.
    """
    decision, event, leading = record.decision, record.decision.event, record.decision.leading
    return DecisionView(
        decision_id=decision.id,
        event_id=event.event_id,
        event_name=event.name,
        event_time=event.time,
        account_id=event.account_id,
        region=event.region,
        actor=_actor(event.actor),
        caller=CallerView.model_validate(record.caller) if record.caller else None,
        target=_target(decision),
        rule_id=leading.finding.rule_id,
        title=leading.finding.title,
        severity=leading.finding.severity,
        techniques=[_technique(technique) for technique in leading.finding.techniques],
        references=list(leading.finding.references),
        verdict=decision.verdict,
        approved_for_remediation=decision.approved_for_remediation,
        mode=decision.mode,
        decision_reason=decision.reason,
        rulings=[_ruling(ruling) for ruling in decision.rulings],
        outcome=record.outcome,
        outcomes=[_outcome(outcome) for outcome in record.outcomes],
        notified=list(record.notified),
        annotations=list(record.annotations),
        undo=_undo(record.undo) if record.undo else None,
        timings=_timings(record),
        links=LinksView(self=f"{base_url}/decisions/{decision.id}"),
    )


def decision_page(
    records: Iterable[Record], next_cursor: str | None, base_url: str = ""
) -> DecisionPage:
    """A page of them; arguments as in `decision_view`."""
    decisions = [decision_view(record, base_url) for record in records]
    return DecisionPage(decisions=decisions, next_cursor=next_cursor)


def _actor(actor: Actor) -> ActorView:
    return ActorView(type=actor.type, arn=actor.arn)


def _technique(technique: str) -> TechniqueView:
    return TechniqueView(id=technique, name=mitre.NAMES.get(technique), url=mitre.url(technique))


def _target(decision: Decision) -> TargetView | None:
    principal, subject = decision.leading.principal, decision.leading.finding.subject
    if principal is not None:
        return TargetView(
            kind=principal.kind,
            name=principal.name,
            arn=principal.arn,
            unique_id=principal.unique_id,
        )
    if subject is not None:
        return TargetView(kind=subject.kind, name=subject.name, arn=None, unique_id=None)
    return None


def _ruling(ruling: Ruling) -> RulingView:
    finding = ruling.finding
    return RulingView(
        rule_id=finding.rule_id,
        severity=finding.severity,
        verdict=ruling.verdict,
        mode=ruling.mode,
        reasons=[ReasonView(guard=reason.guard, text=reason.text) for reason in ruling.reasons],
        evidence=dict(finding.evidence),
    )


def _outcome(outcome: Outcome) -> OutcomeView:
    call = outcome.step.call
    return OutcomeView(
        action=call.action,
        params=dict(call.params),
        status=outcome.status,
        detail=outcome.detail,
        at=outcome.at,
        inverse=_call(outcome.inverse) if outcome.inverse else None,
    )


def _undo(undo: Undo) -> UndoView:
    return UndoView(by=undo.by, at=undo.at, reason=undo.reason)


def _call(call: Call) -> CallView:
    return CallView(action=call.action, params=dict(call.params))


def _timings(record: Record) -> TimingsView:
    timings = record.timings
    return TimingsView(
        received_at=timings.received_at,
        decided_at=timings.decided_at,
        remediated_at=timings.remediated_at,
        notified_at=timings.notified_at,
    )
