"""What API and CLI show of a record: an allow-list, field by field.

The values are exactly those of the event. JSON keeps them apart from what surrounds them; anyone
who prints them makes them plain first (`core.report.plain`).
"""

from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from countermand.core.model import (
    Actor,
    Call,
    Decision,
    Mode,
    Outcome,
    Record,
    Ruling,
    Severity,
    StepStatus,
    SubjectKind,
    Verdict,
)


class View(BaseModel):
    """Base of all views: immutable, and closed to anything that is not listed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ActorView(View):
    """The caller, as CloudTrail records it."""

    type: str = Field(description="CloudTrail's type of identity.", examples=["IAMUser"])
    arn: str = Field(
        description="ARN of the caller; empty when the event has none.",
        examples=["arn:aws:iam::111122223333:user/mallory"],
    )


class TargetView(View):
    """The principal that the change is about. ARN and unique ID are null unless read live."""

    kind: SubjectKind = Field(description="Kind of the principal.", examples=["user"])
    name: str = Field(description="Name of the principal.", examples=["iam-test-user"])
    arn: str | None = Field(
        description="ARN, read live.", examples=["arn:aws:iam::111122223333:user/iam-test-user"]
    )
    unique_id: str | None = Field(
        description="IAM's unique ID, which a deleted and recreated principal does not share.",
        examples=["AIDAEXAMPLE1234567890"],
    )


class ReasonView(View):
    """One sentence, and the guard that said it."""

    guard: str = Field(description="Name of the guard.", examples=["approved"])
    text: str = Field(description="The sentence.", examples=["Approved for remediation"])


class RulingView(View):
    """What one rule saw, and what governance says about it."""

    rule_id: str = Field(
        description="The rule that matched.", examples=["admin_policy_attached_to_user"]
    )
    severity: Severity = Field(description="The rule's severity.", examples=["critical"])
    verdict: Verdict = Field(description="The verdict on this finding.", examples=["remediate"])
    mode: Mode = Field(description="The mode it was evaluated in.", examples=["dry-run"])
    reasons: list[ReasonView] = Field(description="Every reason; the first one decided.")
    evidence: dict[str, str] = Field(
        description="The values that the rule saw.",
        examples=[{"policy_arn": "arn:aws:iam::aws:policy/AdministratorAccess"}],
    )


class CallView(View):
    """An action by name, with its parameters."""

    action: str = Field(description="Name of the action.", examples=["undo_detach_user_policy"])
    params: dict[str, str] = Field(
        description="Its parameters.",
        examples=[
            {
                "user_name": "iam-test-user",
                "policy_arn": "arn:aws:iam::aws:policy/AdministratorAccess",
            }
        ],
    )


class OutcomeView(CallView):
    """How one remediation step ended, and what would undo it."""

    action: str = Field(description="Name of the action.", examples=["detach_user_policy"])
    status: StepStatus = Field(description="How the step ended.", examples=["simulated"])
    detail: str = Field(
        description="The same for people.", examples=["dry run: everything but the write"]
    )
    at: datetime | None = Field(description="When it ended.", examples=["2025-06-01T12:00:08Z"])
    inverse: CallView | None = Field(description="What `countermand undo` would do.")


class UndoView(View):
    """A person undid the remediation."""

    by: str = Field(
        description="ARN of the human's session.",
        examples=["arn:aws:sts::111122223333:assumed-role/security/ana"],
    )
    at: datetime = Field(description="When.", examples=["2025-06-01T13:00:00Z"])


class TimingsView(View):
    """When each stage was reached; null: not (yet)."""

    received_at: datetime = Field(
        description="Received from the queue.", examples=["2025-06-01T12:00:07Z"]
    )
    decided_at: datetime | None = Field(
        description="Decided on live state.", examples=["2025-06-01T12:00:07.210Z"]
    )
    remediated_at: datetime | None = Field(
        description="Remediation steps ended.", examples=["2025-06-01T12:00:08Z"]
    )
    notified_at: datetime | None = Field(
        description="The security team was notified.", examples=["2025-06-01T12:00:08.400Z"]
    )


class LinksView(View):
    """Where to find the decision."""

    self: str = Field(
        description="This decision in the API.",
        examples=["http://127.0.0.1:8080/decisions/d-0f1e2d3c4b5a69788796"],
    )


class DecisionView(View):
    """A decision with everything that followed from it."""

    decision_id: str = Field(
        description="Id of the decision; the same event always has the same.",
        examples=["d-0f1e2d3c4b5a69788796"],
    )
    event_id: str = Field(
        description="CloudTrail's `eventID`.", examples=["7c2f9d1e-1b1a-4c55-9a52-3d1f0a7be001"]
    )
    event_name: str = Field(description="The API call.", examples=["AttachUserPolicy"])
    event_time: datetime = Field(
        description="When it was made, by CloudTrail.", examples=["2025-06-01T12:00:00Z"]
    )
    account_id: str = Field(description="The account it was made in.", examples=["111122223333"])
    region: str = Field(description="The region of the event.", examples=["us-east-1"])
    actor: ActorView = Field(description="Who made the call.")
    target: TargetView | None = Field(description="What it affects; null when the event hides it.")
    rule_id: str = Field(
        description="The rule whose ruling decided.", examples=["admin_policy_attached_to_user"]
    )
    title: str = Field(
        description="That rule in one line.",
        examples=["Administrator policy attached to an IAM user"],
    )
    severity: Severity = Field(description="That rule's severity.", examples=["critical"])
    verdict: Verdict = Field(description="What was decided.", examples=["remediate"])
    approved_for_remediation: bool = Field(
        description="Whether governance allows the change to be reverted, also in a dry run.",
        examples=[True],
    )
    mode: Mode = Field(description="The mode it was decided in.", examples=["dry-run"])
    decision_reason: str = Field(
        description="The sentence that decided.", examples=["Approved for remediation"]
    )
    rulings: list[RulingView] = Field(description="One for every rule that matched.")
    outcome: str = Field(
        description="The worst status of the outcomes; `pending` before the first step; "
        "`none` when there was nothing to do.",
        examples=["simulated"],
    )
    outcomes: list[OutcomeView] = Field(description="How each remediation step ended.")
    notified: list[str] = Field(
        description="Each channel, and what was sent to it.", examples=[["sns:simulated"]]
    )
    annotations: list[str] = Field(
        description="Circumstances that deserve attention.", examples=[[]]
    )
    undo: UndoView | None = Field(description="Who undid the remediation; null when nobody did.")
    timings: TimingsView = Field(description="When each stage was reached.")
    links: LinksView = Field(description="Addresses to follow.")


class DecisionPage(View):
    """Decisions, newest first."""

    decisions: list[DecisionView] = Field(description="At most `limit` of them.")
    next_cursor: str | None = Field(
        description="Pass it as `cursor`, with the same filters, for older ones; null: no more.",
        examples=["eyJhdCI6IjIwMjUtMDYtMDEifQ"],
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
        target=_target(decision),
        rule_id=leading.finding.rule_id,
        title=leading.finding.title,
        severity=leading.finding.severity,
        verdict=decision.verdict,
        approved_for_remediation=decision.approved_for_remediation,
        mode=decision.mode,
        decision_reason=decision.reason,
        rulings=[_ruling(ruling) for ruling in decision.rulings],
        outcome=record.outcome,
        outcomes=[_outcome(outcome) for outcome in record.outcomes],
        notified=list(record.notified),
        annotations=list(record.annotations),
        undo=UndoView(by=record.undo.by, at=record.undo.at) if record.undo else None,
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
