"""One message, from its body to a record of everything that followed.

    body --parse--> Event --detect--> Finding* --evaluate--> Ruling* --decide--> Decision
         --remediate--> Outcome* --notify--> Record

The worker's threads call `Pipeline.handle` with a body. It returns a `Result`, or raises what the
worker knows how to answer: `Permanent`, `Transient` or `LostLease`.

The ledger stores every step before the next begins, and refuses once another worker owns the event.
Before a write, the pipeline evaluates the live state once more and stores the attempt. A message
that comes back is re-evaluated (`attempts.py`). Remediation and alert may fail independently.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NoReturn

from countermand.core.caller import Caller, caller_of
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
    Record,
    Ruling,
    Step,
    StepStatus,
    Timings,
    Verdict,
    decision_id,
)
from countermand.core.parse import parse
from countermand.core.rules.detect import detect
from countermand.core.rules.rule import RuleSet
from countermand.logs import bound, get_logger
from countermand.metrics import Metrics
from countermand.pipeline.attempts import kept, open_record, until_visible, with_outcome
from countermand.pipeline.correlation import Correlator
from countermand.pipeline.facts import FactReader
from countermand.pipeline.history import History
from countermand.pipeline.leases import Leases, payload_digest
from countermand.pipeline.notify import AlertDispatcher
from countermand.pipeline.observe import count, log_detection, seconds_between
from countermand.pipeline.recheck import Recheck, Rechecker
from countermand.pipeline.remediate import Remediator
from countermand.ports import Busy, Clock, Conflict, Done, EventLease, Ledger

log = get_logger(__name__)

_REEVALUATE_SECONDS = 1.0
_FORGED = "Two different events arrived under the same ID: one of them is forged"


class Result(StrEnum):
    """What the pipeline made of a message."""

    IGNORED = "ignored"
    DUPLICATE = "duplicate"
    DECIDED = "decided"


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The stages with what they need; built once by `app.py`, used by all threads at once."""

    rules: Callable[[], RuleSet]
    """The rules in force, which may change between two messages."""
    guardrails: Guardrails
    facts: FactReader
    remediator: Remediator
    dispatcher: AlertDispatcher
    ledger: Ledger
    clock: Clock
    metrics: Metrics
    leases: Leases
    history: History
    rechecker: Rechecker
    correlator: Correlator

    def handle(self, body: str) -> Result:
        """Take one message from its body to a decision that is carried out."""
        received_at = self.clock.now()
        event = parse(body)
        self.metrics.event_to_receipt.observe(seconds_between(event.time, received_at))
        findings = detect(event, self.rules())
        if not findings:
            self.history.save_baseline(event)
            self.metrics.events_ignored.inc()
            return Result.IGNORED
        with bound(event_id=event.event_id, account_id=event.account_id):
            log.info("Parsed event", event_name=event.name, event_time=event.time.isoformat())
            result = self._process(event, findings, received_at)
            # For a duplicate too: a worker may have died between its decision and this line.
            for whole, finding in self.correlator.sequences(event, findings):
                # A sequence has no body of its own; its last event names the caller.
                caller = caller_of(event.body.get("detail"))
                self._process(whole, (finding,), self.clock.now(), caller=caller)
            return result

    def _process(
        self,
        event: Event,
        findings: Sequence[Finding],
        received_at: datetime,
        annotations: tuple[str, ...] = (),
        caller: Caller | None = None,
    ) -> Result:
        """Decide on an event and carry the decision out, unless that was done before."""
        lease = self.leases.take(event)
        match lease:
            case Done():
                self.metrics.events_duplicate.inc()
                log.info("Event decided before")
                return Result.DUPLICATE
            case Busy(retry_in):
                # One second more: a message that returns with the end of the lease meets it again.
                raise Transient("another worker has the lease of this event", retry_in + 1)
            case Conflict():
                return self._process_forged(event, findings, received_at)
        with self.leases.held(lease), bound(decision_id=decision_id(event.id)):
            decision = decide(event, [self._evaluate(event, finding) for finding in findings])
            caller = caller or caller_of(event.body.get("detail"))
            log_detection(decision, caller)
            record, steps = self._open(lease, decision, received_at, annotations, caller)
            if record.decision.verdict is Verdict.WAIT:
                self._wait(lease, record)
            self.ledger.save(lease, record)
            record = self._remediate(lease, record, steps)
            record, unsent = self._notify(lease, record)
            self._retry_unfinished(lease, record, unsent)
            self._save_baseline(lease, record)
            self.ledger.finish(lease, record)
            count(self.metrics, record)
            return Result.DECIDED

    def recheck(self, recheck: Recheck) -> None:
        """Evaluate a remediated change once more if it is back."""
        self.rechecker.run(recheck, self._process)

    def _process_forged(
        self, event: Event, findings: Sequence[Finding], received_at: datetime
    ) -> Result:
        """Decide on this payload under an ID of its own: either of the two may be the real one."""
        if "#" in event.id:
            raise Transient("the event of a conflicting payload is in conflict itself")
        log.warning("Event ID reused", detail=_FORGED)
        own_id = f"{event.id}#{payload_digest(event)[:12]}"
        return self._process(replace(event, id=own_id), findings, received_at, (_FORGED,))

    def _evaluate(self, event: Event, finding: Finding) -> Ruling:
        ruling = screen(event, finding, self.guardrails)
        if ruling is not None:
            return ruling
        return evaluate(event, finding, self.guardrails, self.facts.read(event, finding))

    def _open(
        self,
        lease: EventLease,
        decision: Decision,
        received_at: datetime,
        annotations: tuple[str, ...],
        caller: Caller,
    ) -> tuple[Record, Sequence[Step]]:
        now = self.clock.now()
        self.metrics.receipt_to_decision.observe(seconds_between(received_at, now))
        timings = Timings(received_at, now)
        record = Record(decision, timings, annotations=annotations, caller=caller)
        return open_record(lease.record, record, self.remediator.confirm)

    def _wait(self, lease: EventLease, record: Record) -> NoReturn:
        """Return the message, because nothing can be decided yet; alert if a person must know."""
        stored = kept(lease.record, record)
        self.ledger.save(lease, stored)
        if record.decision.notify or record.annotations:
            notified = self.dispatcher.notify(record)
            self.ledger.save(lease, replace(stored, notified=notified.keys))
        self.ledger.release(lease)
        if record.decision.unverified:
            raise Transient(record.decision.reason)
        wait = until_visible(record.decision.event, self.clock.now(), self.guardrails.settle)
        raise Transient(record.decision.reason, wait)

    def _remediate(self, lease: EventLease, record: Record, steps: Sequence[Step]) -> Record:
        if not record.decision.steps:
            log.info("No remediation performed", reason=record.decision.reason)
        for step in steps:
            record = self._take_step(lease, record, step)
        if steps and record.outcome == StepStatus.APPLIED:
            since = record.decision.event.time
            self.metrics.event_to_remediation.observe(seconds_between(since, self.clock.now()))
        return record

    def _take_step(self, lease: EventLease, record: Record, step: Step) -> Record:
        self._approve_again(lease, record.decision, step)
        if step.mode is Mode.ENFORCE:
            # Stored before the write: should the worker die in it, this explains the change.
            record = with_outcome(record, self.remediator.started(step))
            self.ledger.save(lease, record)
        outcome = self.remediator.run(step)
        if outcome.inverse is not None:
            # Only what was written, or may have been, can come back.
            self.rechecker.plan(record.decision.event)
        record = with_outcome(record, outcome)
        record = replace(record, timings=replace(record.timings, remediated_at=self.clock.now()))
        self.ledger.save(lease, record)
        return record

    def _approve_again(self, lease: EventLease, decision: Decision, step: Step) -> None:
        """Evaluate the live state once more, right before the write.

        Raises `Transient` unless the verdict is still to remediate. The message comes back and is
        re-evaluated, so that Countermand does not overrule a person who fixed it in between.
        """
        finding = next(
            r.finding
            for r in decision.rulings
            if r.finding.rule_id == step.rule_id and r.verdict is Verdict.REMEDIATE
        )
        ruling = self._evaluate(decision.event, finding)
        if ruling.verdict is not Verdict.REMEDIATE:
            self.ledger.release(lease)
            raise Transient(f"re-evaluated: {ruling.reasons[0].text}", _REEVALUATE_SECONDS)

    def _notify(self, lease: EventLease, record: Record) -> tuple[Record, tuple[str, ...]]:
        """Alert, and return the record with what was sent and the channels that failed."""
        if not (record.decision.notify or record.annotations):
            return record, ()
        notified = self.dispatcher.notify(record)
        if notified.keys == record.notified:
            return record, notified.failed
        timings = replace(record.timings, notified_at=self.clock.now())
        record = replace(record, notified=notified.keys, timings=timings)
        self.ledger.save(lease, record)
        return record, notified.failed

    def _retry_unfinished(self, lease: EventLease, record: Record, unsent: Sequence[str]) -> None:
        failed = [o.step.call.action for o in record.outcomes if not o.final]
        if failed or unsent:
            self.ledger.release(lease)
            raise Transient(f"unfinished: {', '.join([*failed, *unsent])}")

    def _save_baseline(self, lease: EventLease, record: Record) -> None:
        decision = record.decision
        # A change that is reverted leaves no new value behind.
        if decision.verdict is Verdict.REMEDIATE:
            return
        undone = decision.leading.reasons[0].guard is Guard.UNDONE
        alerted = decision.verdict is Verdict.ALERT_ONLY and not undone
        try:
            self.history.save_baseline(decision.event, alerted=alerted)
        except Transient:
            self.ledger.release(lease)
            raise
