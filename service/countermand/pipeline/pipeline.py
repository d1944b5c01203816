"""The story of one message, from its body to a record of everything that followed.

    body --parse--> Event --detect--> Finding* --govern--> Ruling* --decide--> Decision
         --act--> Outcome* --tell--> Record

Called by the worker's threads with a body and how often it was received; answers with a `Handled`,
or raises what the worker knows how to settle: `Permanent`, `Transient`, `LostLease`.

Every step is stored before the next, and each store is refused once another worker owns the event.
Right before a write the target is read and judged once more, and the attempt is stored.
A message that comes back is judged anew on live state. Remediation and alert do not wait for each
other: either may fail alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NoReturn, assert_never

from countermand.core.decide import decide
from countermand.core.errors import Transient
from countermand.core.governance.guardrails import Guardrails
from countermand.core.governance.guards import evaluate, screen
from countermand.core.model import (
    Decision,
    Event,
    Finding,
    Guard,
    Mode,
    Outcome,
    Record,
    Ruling,
    Step,
    StepStatus,
    Timings,
    Verdict,
    decision_id,
)
from countermand.core.parse import parse
from countermand.core.rules.correlate import completed, markers_of, sequence
from countermand.core.rules.detect import detect
from countermand.core.rules.rule import RuleSet
from countermand.logs import bound, get_logger
from countermand.metrics import Metrics
from countermand.pipeline.facts import FactReader
from countermand.pipeline.history import History
from countermand.pipeline.leases import Leases, payload_digest
from countermand.pipeline.notify import AlertDispatcher
from countermand.pipeline.remediate import Remediator
from countermand.pipeline.schedule import Schedule
from countermand.ports import Busy, Clock, Conflict, Done, EventLease, Ledger

log = get_logger(__name__)

_LOOK_SOON = timedelta(seconds=5)
_JUDGE_ANEW_SECONDS = 1.0
_RECHECK_RETRIES_SECONDS = (5.0, 15.0, 60.0, 240.0)
_TAMPERED = "The same event id arrived with another payload: one of the two was forged"


class Result(StrEnum):
    """What became of a message."""

    IGNORED = "ignored"
    DUPLICATE = "duplicate"
    DECIDED = "decided"


@dataclass(frozen=True, slots=True)
class Recheck:
    """A second look at what was taken back, because IAM can show an old state for some seconds."""

    event: Event
    """The event, under an id of this look's own."""
    after_seconds: float
    """How long after the write."""
    back: tuple[Finding, ...] = ()
    """The grants that were found again, once an earlier try at this look began to judge them."""
    tries: int = 1


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The stages with what they need; built once by `app.py`, used by all threads at once."""

    rules: Callable[[], RuleSet]
    """The rules in force: they may change between two messages."""
    policy: Guardrails
    facts: FactReader
    remediator: Remediator
    dispatcher: AlertDispatcher
    ledger: Ledger
    clock: Clock
    metrics: Metrics
    leases: Leases
    history: History
    rechecks: Schedule[Recheck]
    recheck_seconds: tuple[float, ...] = (5, 15)
    """When to look again after a write."""

    def handle(self, body: str) -> Result:
        """One message, start to end."""
        received_at = self.clock.now()
        event = parse(body)
        self.metrics.event_to_receipt.observe(_seconds(event.time, received_at))
        findings = detect(event, self.rules())
        if not findings:
            self.history.save_baseline(event)
            self.metrics.events_ignored.inc()
            return Result.IGNORED
        with bound(event_id=event.event_id, account_id=event.account_id):
            log.info("Parsed event", event_name=event.name, event_time=event.time.isoformat())
            result = self._claimed(event, findings, received_at)
            self._correlate(event, findings)
            return result

    def _correlate(self, event: Event, findings: Sequence[Finding]) -> None:
        """Decide on what this event makes whole, as an event of its own. Also for a duplicate: a
        worker may have died in between.
        """
        if (event.account_id, event.region) != (self.policy.account_id, self.policy.region):
            return
        for marker in markers_of(
            event, self._that_changed_something(event, findings), self.rules()
        ):
            self.ledger.add_marker(marker.windows[0], marker.value)
            began = completed(marker, self.ledger.markers(marker.windows))
            if began is not None:
                whole, finding = sequence(event, marker, began)
                self._claimed(whole, (finding,), self.clock.now())

    def _that_changed_something(
        self, event: Event, findings: Sequence[Finding]
    ) -> Sequence[Finding]:
        """Without those that were decided to be benign: to join a group of readers is no step of
        an attack.
        """
        record = self.ledger.get(decision_id(event.id))
        rulings = record.decision.rulings if record is not None else ()
        benign = {r.finding.rule_id for r in rulings if r.reasons[0].guard is Guard.BENIGN}
        return [finding for finding in findings if finding.rule_id not in benign]

    def recheck(self, look: Recheck) -> None:
        """See whether a grant that was taken back is there again; if so, judge it anew.

        Tried again when IAM, the ledger or a channel fails; the last try of a look that never
        succeeded tells the team that nobody knows.
        """
        last = look.tries > len(_RECHECK_RETRIES_SECONDS)
        with bound(event_id=look.event.event_id, account_id=look.event.account_id):
            try:
                look = replace(look, back=look.back or self._found_again(look.event, blind=last))
                self._judge_again(look)
            except Transient as error:
                log.warning("Recheck failed", tries=look.tries, last=last, error=str(error))
                if not last:
                    wait = _RECHECK_RETRIES_SECONDS[look.tries - 1]
                    self.rechecks.add(wait, replace(look, tries=look.tries + 1))

    def _found_again(self, event: Event, *, blind: bool) -> tuple[Finding, ...]:
        """The findings whose grant is there, and not because a human undid the remediation.

        What cannot be read raises `Transient`; when `blind`, it counts as there.
        """
        found = []
        for finding in detect(event, self.rules()):
            # What only alerts was not taken back, and so cannot come back.
            if finding.subject is None or finding.remediation is None:
                continue
            facts = self.facts.read(event, finding)
            if facts.unreadable is not None and not blind:
                raise Transient(facts.unreadable)
            undone = facts.undo is not None and facts.undo.at >= event.time
            benign = facts.evaluation is not None and not facts.evaluation.privilege.is_risk
            back = facts.grant_present and not undone and not benign
            if facts.unreadable is not None or back:
                found.append(finding)
        return tuple(found)

    def _judge_again(self, look: Recheck) -> None:
        if look.back:
            log.warning("Grant came back", after_seconds=look.after_seconds, tries=look.tries)
            note = f"Looked at again {look.after_seconds:g} s after it was taken back"
            self._claimed(look.event, look.back, self.clock.now(), (note,))

    def _claimed(
        self,
        event: Event,
        findings: Sequence[Finding],
        received_at: datetime,
        annotations: tuple[str, ...] = (),
    ) -> Result:
        match self.leases.take(event):
            case Done():
                self.metrics.events_duplicate.inc()
                log.info("Event was decided before")
                return Result.DUPLICATE
            case Busy(retry_in):
                # A second more: whoever comes back as the lease ends only meets it once again.
                raise Transient("another worker has this event in hand", retry_in + 1)
            case Conflict():
                if "#" in event.id:
                    raise Transient("the lease of a conflicting event is in conflict itself")
                log.warning(_TAMPERED)
                forged = replace(event, id=f"{event.id}#{payload_digest(event)[:12]}")
                return self._claimed(forged, findings, received_at, (_TAMPERED,))
            case EventLease() as lease:
                with self.leases.held(lease), bound(decision_id=decision_id(event.id)):
                    return self._process(lease, event, findings, received_at, annotations)
            case unexpected:
                assert_never(unexpected)

    def _process(
        self,
        lease: EventLease,
        event: Event,
        findings: Sequence[Finding],
        received_at: datetime,
        annotations: tuple[str, ...],
    ) -> Result:
        decision = decide(event, [self._rule(event, f) for f in findings])
        _log_detection(decision)
        record, steps = self._open(lease.record, decision, received_at, annotations)
        if record.decision.verdict is Verdict.WAIT:
            self._wait(lease, record)
        self.ledger.save(lease, record)
        record = self._remediate(lease, record, steps)
        record, unreached = self._notify(lease, record)
        self._retry_if_unfinished(lease, record, unreached)
        self._note_what_stays(lease, record)
        self.ledger.finish(lease, record)
        self._count(record)
        return Result.DECIDED

    def _rule(self, event: Event, finding: Finding) -> Ruling:
        ruling = screen(event, finding, self.policy)
        if ruling is not None:
            return ruling
        facts = self.facts.read(event, finding)
        return evaluate(event, finding, self.policy, facts)

    def _open(
        self,
        earlier: Record | None,
        decision: Decision,
        received_at: datetime,
        annotations: tuple[str, ...],
    ) -> tuple[Record, Sequence[Step]]:
        """The record to go on with, and the steps to take.

        | earlier attempt               | decision now    | record                   | steps   |
        |-------------------------------|-----------------|--------------------------|---------|
        | none                          | any             | new                      | its own |
        | may have written, end unknown | already removed | the earlier, confirmed   | none    |
        | wrote                         | already removed | the earlier              | none    |
        | any other                     | any             | new, with what was       | its own |
        |                               |                 | written and told         |         |
        """
        now = self.clock.now()
        self.metrics.receipt_to_decision.observe(_seconds(received_at, now))
        record = Record(
            decision, Timings(received_at=received_at, decided_at=now), annotations=annotations
        )
        if earlier is None:
            return record, decision.steps
        if _was_carried_out(earlier, decision):
            return replace(earlier, outcomes=tuple(map(self._known_end, earlier.outcomes))), ()
        record = replace(
            record,
            outcomes=tuple(filter(_wrote, earlier.outcomes)),
            notified=earlier.notified,
            timings=replace(earlier.timings, decided_at=now),
        )
        return record, decision.steps

    def _known_end(self, outcome: Outcome) -> Outcome:
        cut_off = outcome.inverse is not None and not outcome.final
        return self.remediator.confirm(outcome.step) if cut_off else outcome

    def _wait(self, lease: EventLease, record: Record) -> NoReturn:
        """Nothing can be decided yet: tell if a human must know, and have the message back.

        An attempt that was stored survives the wait: it explains later why a grant is gone.
        """
        stored = record
        if lease.record is not None and _may_have_written(lease.record):
            stored = replace(lease.record, notified=record.notified)
        self.ledger.save(lease, stored)
        if record.decision.notify or record.annotations:
            notified = self.dispatcher.notify(record)
            self.ledger.save(lease, replace(stored, notified=notified.keys))
        self.ledger.release(lease)
        retry_in = None if record.decision.unverified else self._until_visible(record)
        raise Transient(record.decision.reason, retry_in)

    def _until_visible(self, record: Record) -> float:
        """Seconds to the next look: once soon, then when it must be visible. Not more often: each
        look costs one of the message's receives.
        """
        settle = self.policy.settle
        age = self.clock.now() - record.decision.event.time
        due = _LOOK_SOON if age < _LOOK_SOON else settle
        # An event may be dated some minutes ahead; its own time-out must not be.
        return min(max(1.0, (due - age).total_seconds()), settle.total_seconds())

    def _remediate(self, lease: EventLease, record: Record, steps: Sequence[Step]) -> Record:
        if not record.decision.steps:
            log.info("No remediation performed", reason=record.decision.reason)
        for step in steps:
            record = self._take(lease, record, step)
        if steps and record.outcome == StepStatus.APPLIED:
            since = record.decision.event.time
            self.metrics.event_to_remediation.observe(_seconds(since, self.clock.now()))
        return record

    def _take(self, lease: EventLease, record: Record, step: Step) -> Record:
        self._approve_again(lease, record.decision, step)
        if step.mode is Mode.ENFORCE:
            record = _with_outcome(record, self.remediator.begun(step))
            self.ledger.save(lease, record)
            self._look_again(record.decision.event)
        record = _with_outcome(record, self.remediator.run(step))
        timings = replace(record.timings, remediated_at=self.clock.now())
        record = replace(record, timings=timings)
        self.ledger.save(lease, record)
        return record

    def _look_again(self, event: Event) -> None:
        first, written = event.id.partition("~")[0], self.clock.now()
        for seconds in self.recheck_seconds:
            key = f"{first}~{written:%Y%m%dT%H%M%S}+{seconds:g}s"
            self.rechecks.add(seconds, Recheck(replace(event, id=key), seconds))

    def _approve_again(self, lease: EventLease, decision: Decision, step: Step) -> None:
        """Judge once more what is there now. Unless that still is to remediate, raise `Transient`:
        the message comes back and is judged anew, and who mended it in between is not overruled.
        """
        finding = next(
            r.finding
            for r in decision.rulings
            if r.finding.rule_id == step.rule_id and r.verdict is Verdict.REMEDIATE
        )
        ruling = self._rule(decision.event, finding)
        if ruling.verdict is not Verdict.REMEDIATE:
            self.ledger.release(lease)
            raise Transient(f"judged anew: {ruling.reasons[0].text}", _JUDGE_ANEW_SECONDS)

    def _notify(self, lease: EventLease, record: Record) -> tuple[Record, tuple[str, ...]]:
        """The record with what was notified, and the channels that could not be reached."""
        if not (record.decision.notify or record.annotations):
            return record, ()
        notified = self.dispatcher.notify(record)
        if notified.keys == record.notified:
            return record, notified.failed
        timings = replace(record.timings, notified_at=self.clock.now())
        record = replace(record, notified=notified.keys, timings=timings)
        self.ledger.save(lease, record)
        return record, notified.failed

    def _retry_if_unfinished(
        self, lease: EventLease, record: Record, unreached: tuple[str, ...]
    ) -> None:
        failed = tuple(o.step.call.action for o in record.outcomes if not o.final)
        if failed or unreached:
            self.ledger.release(lease)
            raise Transient(f"to be tried again: {', '.join([*failed, *unreached])}")

    def _note_what_stays(self, lease: EventLease, record: Record) -> None:
        decision = record.decision
        if decision.verdict is Verdict.REMEDIATE:
            return
        meant = decision.leading.reasons[0].guard is Guard.UNDONE
        notified = decision.verdict is Verdict.ALERT_ONLY and not meant
        try:
            self.history.save_baseline(decision.event, alerted=notified)
        except Transient:
            self.ledger.release(lease)
            raise

    def _count(self, record: Record) -> None:
        decision = record.decision
        self.metrics.decisions.labels(
            rule_id=decision.leading.finding.rule_id,
            severity=str(decision.leading.finding.severity),
            verdict=str(decision.verdict),
            guard=decision.leading.reasons[0].guard,
            mode=str(decision.mode),
        ).inc()
        for ruling in decision.rulings:
            if ruling.finding.failure is not None:
                self.metrics.rule_failures.labels(rule_id=ruling.finding.rule_id).inc()


def _was_carried_out(earlier: Record, decision: Decision) -> bool:
    """Whether an earlier attempt explains why the grant is gone now."""
    removed = decision.leading.reasons[0].guard is Guard.ALREADY_REMOVED
    return removed and _may_have_written(earlier)


def _may_have_written(record: Record) -> bool:
    return any(outcome.inverse is not None for outcome in record.outcomes)


def _wrote(outcome: Outcome) -> bool:
    return outcome.final and outcome.inverse is not None


def _with_outcome(record: Record, outcome: Outcome) -> Record:
    """The record with the step's new outcome. What was written earlier stays until the same was
    written again: it can be undone.
    """
    others = (
        o for o in record.outcomes if o.step != outcome.step or (_wrote(o) and not _wrote(outcome))
    )
    return replace(record, outcomes=(*others, outcome))


def _log_detection(decision: Decision) -> None:
    finding = decision.leading.finding
    log.warning(
        "Security detection triggered",
        rule_id=finding.rule_id,
        severity=str(finding.severity),
        verdict=str(decision.verdict),
        approved_for_remediation=decision.approved_for_remediation,
        decision_reason=decision.reason,
        mode=str(decision.mode),
        target=finding.subject.name if finding.subject else None,
        actor_arn=decision.event.actor.arn,
    )


def _seconds(earlier: datetime, later: datetime) -> float:
    return max(0.0, (later - earlier).total_seconds())
