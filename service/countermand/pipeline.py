"""The story of one message, from its body to a record of everything that followed.

    body --parse--> Event --detect--> Finding* --govern--> Ruling* --decide--> Decision
         --act--> Outcome* --tell--> Record

Called by the worker's threads with a body and how often it was received; answers with a `Handled`,
or raises what the worker knows how to settle: `Permanent`, `Transient`, `LostClaim`.

Every step is stored before the next, and each store is refused once another worker owns the event.
A message that comes back is judged anew on live state; what its record says was done is not redone.
Remediation and alert do not wait for each other: either may fail alone, and only that is retried.
"""

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NoReturn, assert_never

import orjson

from countermand.act import Remediator
from countermand.core.decide import decide
from countermand.core.detect import detect
from countermand.core.errors import CountermandError, LostClaim, Transient
from countermand.core.govern import Policy, judge, screen
from countermand.core.model import (
    Decision,
    Event,
    Facts,
    Finding,
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
from countermand.core.rule import RuleSet
from countermand.facts import FactReader
from countermand.logs import bound, get_logger
from countermand.metrics import Metrics
from countermand.notify import Announcer, Told
from countermand.ports import Busy, Claim, Clock, Conflict, Done, Ledger

log = get_logger(__name__)

_LOOK_SOON = timedelta(seconds=5)
_TAMPERED = "The same event id arrived with another payload: one of the two was forged"


class Claims:
    """The claims in hand; the worker's heartbeat renews them while their steps run."""

    def __init__(self, ledger: Ledger, lease: timedelta) -> None:
        self._ledger = ledger
        self._lease_seconds = lease.total_seconds()
        self._held: set[Claim] = set()
        self._lock = threading.Lock()

    def take(self, key: str, digest: str) -> Claim | Done | Busy | Conflict:
        """Ask the ledger for the event."""
        return self._ledger.claim(key, digest, self._lease_seconds)

    @contextmanager
    def held(self, claim: Claim) -> Iterator[None]:
        """Renewed until the block ends."""
        with self._lock:
            self._held.add(claim)
        try:
            yield
        finally:
            with self._lock:
                self._held.discard(claim)

    def renew_all(self) -> None:
        """Extend every lease in hand. A lost one is left alone: its next store will be refused."""
        with self._lock:
            held = tuple(self._held)
        for claim in held:
            try:
                self._ledger.renew(claim, self._lease_seconds)
            except LostClaim:
                log.warning("Claim passed to another worker", key=claim.key)
            except CountermandError as error:
                log.warning("Lease not renewed", key=claim.key, error=str(error))


class Result(StrEnum):
    """What became of a message."""

    IGNORED = "ignored"
    DUPLICATE = "duplicate"
    DECIDED = "decided"


@dataclass(frozen=True, slots=True)
class Handled:
    """A message that may be deleted; `recheck` is an event whose remediation should be looked at
    again soon, because IAM can show an old state for some seconds.
    """

    result: Result
    recheck: Event | None = None


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The stages with what they need; built once by `app.py`, used by all threads at once."""

    rules: RuleSet
    policy: Policy
    facts: FactReader
    remediator: Remediator
    announcer: Announcer
    ledger: Ledger
    clock: Clock
    metrics: Metrics
    claims: Claims

    def handle(self, body: str) -> Handled:
        """One message, start to end."""
        received_at = self.clock.now()
        event = parse(body)
        self.metrics.event_to_receipt.observe(_seconds(event.time, received_at))
        findings = detect(event, self.rules)
        if not findings:
            self.metrics.events_ignored.inc()
            return Handled(Result.IGNORED)
        with bound(event_id=event.event_id, account_id=event.account_id):
            log.info("Parsed event", event_name=event.name, event_time=event.time.isoformat())
            return self._claimed(event, findings, received_at)

    def recheck(self, event: Event, after_seconds: float) -> None:
        """See whether a grant that was taken back is there again; if so, judge it anew."""
        findings = detect(event, self.rules)
        back = [f for f in findings if f.subject and _is_back(self.facts.read(event, f), event)]
        if back:
            note = f"The grant was back {after_seconds:g} s after it was taken back"
            again = replace(event, id=f"{event.id}~{after_seconds:g}s")
            with bound(event_id=event.event_id, account_id=event.account_id):
                log.warning("Grant came back", after_seconds=after_seconds)
                self._claimed(again, back, self.clock.now(), (note,))

    def _claimed(
        self,
        event: Event,
        findings: Sequence[Finding],
        received_at: datetime,
        notes: tuple[str, ...] = (),
    ) -> Handled:
        digest = hashlib.sha256(orjson.dumps(event.body.get("detail"))).hexdigest()
        match self.claims.take(event.id, digest):
            case Done():
                self.metrics.events_duplicate.inc()
                log.info("Event was decided before")
                return Handled(Result.DUPLICATE)
            case Busy(retry_in):
                raise Transient("another worker has this event in hand", retry_in)
            case Conflict():
                if "#" in event.id:
                    raise Transient("the claim of a conflicting event is in conflict itself")
                log.warning(_TAMPERED)
                forged = replace(event, id=f"{event.id}#{digest[:12]}")
                return self._claimed(forged, findings, received_at, (*notes, _TAMPERED))
            case Claim() as claim:
                with self.claims.held(claim), bound(decision_id=decision_id(event.id)):
                    return self._process(claim, event, findings, received_at, notes)
            case unexpected:
                assert_never(unexpected)

    def _process(
        self,
        claim: Claim,
        event: Event,
        findings: Sequence[Finding],
        received_at: datetime,
        notes: tuple[str, ...],
    ) -> Handled:
        decision = decide(event, [self._rule(event, f) for f in findings], self._params)
        _log_detection(decision)
        record = self._open(claim.record, decision, received_at, notes)
        if record.decision.verdict is Verdict.WAIT:
            self._wait(claim, record)
        self.ledger.save(claim, record)
        record = self._remediate(claim, record)
        record, unreached = self._tell(claim, record)
        self._retry_if_unfinished(claim, record, unreached)
        self.ledger.finish(claim, record)
        self._count(record)
        applied = record.outcome == StepStatus.APPLIED
        return Handled(Result.DECIDED, event if applied else None)

    def _rule(self, event: Event, finding: Finding) -> Ruling:
        ruling = screen(event, finding, self.policy)
        if ruling is not None:
            return ruling
        facts = self.facts.read(event, finding)
        return judge(event, finding, self.policy, facts)

    def _params(self, finding: Finding) -> Mapping[str, str]:
        action = self.remediator.actions[finding.remediation or ""]
        if finding.subject is None:
            raise AssertionError("a finding without subject is never approved")
        return action.params(finding.subject, finding.evidence)

    def _open(
        self,
        earlier: Record | None,
        decision: Decision,
        received_at: datetime,
        notes: tuple[str, ...],
    ) -> Record:
        now = self.clock.now()
        self.metrics.receipt_to_decision.observe(_seconds(received_at, now))
        record = Record(decision, Timings(received_at=received_at, decided_at=now), notes=notes)
        if earlier is None:
            return record
        if _was_carried_out(earlier, decision):
            missing = [s for s in earlier.decision.steps if not _finished(earlier, s)]
            confirmed = tuple(self.remediator.confirm(step) for step in missing)
            return replace(earlier, outcomes=(*_final(earlier), *confirmed))
        return replace(
            record,
            outcomes=tuple(o for o in _final(earlier) if o.step in decision.steps),
            told=earlier.told,
            timings=replace(record.timings, received_at=earlier.timings.received_at),
        )

    def _wait(self, claim: Claim, record: Record) -> NoReturn:
        """Nothing can be decided yet: tell if a human must know, and have the message back.

        A stored intent to write survives the wait: it explains later why a grant is gone.
        """
        told = self.announcer.tell(record) if record.decision.tell else Told(record.told, ())
        intent = claim.record if claim.record and _meant_to_write(claim.record) else record
        self.ledger.save(claim, replace(intent, told=told.keys))
        self.ledger.release(claim)
        retry_in = None if record.decision.unverified else self._until_visible(record)
        raise Transient(record.decision.reason, retry_in)

    def _until_visible(self, record: Record) -> float:
        """Seconds to the next look: once soon, then when it must be visible. Not more often: each
        look costs one of the message's receives.
        """
        age = self.clock.now() - record.decision.event.time
        due = _LOOK_SOON if age < _LOOK_SOON else self.policy.settle
        return max(1.0, (due - age).total_seconds())

    def _remediate(self, claim: Claim, record: Record) -> Record:
        steps = [step for step in record.decision.steps if not _finished(record, step)]
        if not steps:
            if not record.decision.steps:
                log.info("No remediation performed", reason=record.decision.reason)
            return record
        outcomes = (*_final(record), *(self.remediator.run(step) for step in steps))
        now = self.clock.now()
        timings = replace(record.timings, remediated_at=now)
        record = replace(record, outcomes=outcomes, timings=timings)
        if record.outcome == StepStatus.APPLIED:
            self.metrics.event_to_remediation.observe(_seconds(record.decision.event.time, now))
        self.ledger.save(claim, record)
        return record

    def _tell(self, claim: Claim, record: Record) -> tuple[Record, tuple[str, ...]]:
        """The record with what was told, and the channels that could not be reached."""
        if not record.decision.tell:
            return record, ()
        told = self.announcer.tell(record)
        if told.keys == record.told:
            return record, told.failed
        timings = replace(record.timings, told_at=self.clock.now())
        record = replace(record, told=told.keys, timings=timings)
        self.ledger.save(claim, record)
        return record, told.failed

    def _retry_if_unfinished(
        self, claim: Claim, record: Record, unreached: tuple[str, ...]
    ) -> None:
        failed = tuple(o.step.call.action for o in record.outcomes if not o.final)
        if failed or unreached:
            self.ledger.release(claim)
            raise Transient(f"to be tried again: {', '.join([*failed, *unreached])}")

    def _count(self, record: Record) -> None:
        decision = record.decision
        self.metrics.decisions.labels(
            rule_id=decision.leading.finding.rule_id,
            verdict=str(decision.verdict),
            mode=str(decision.mode),
        ).inc()
        for ruling in decision.rulings:
            if ruling.finding.failure is not None:
                self.metrics.rule_failures.labels(rule_id=ruling.finding.rule_id).inc()


def _is_back(facts: Facts, event: Event) -> bool:
    """Whether the grant is there, and not because a human undid the remediation."""
    return facts.grant_present and (facts.undo is None or facts.undo.at < event.time)


def _was_carried_out(earlier: Record, decision: Decision) -> bool:
    """Whether an attempt that was cut off explains why the grant is gone now."""
    removed = decision.leading.reasons[0].guard == "already_removed"
    return removed and _meant_to_write(earlier)


def _meant_to_write(record: Record) -> bool:
    return any(step.mode is Mode.ENFORCE for step in record.decision.steps)


def _final(record: Record) -> tuple[Outcome, ...]:
    return tuple(outcome for outcome in record.outcomes if outcome.final)


def _finished(record: Record, step: Step) -> bool:
    return any(outcome.step == step for outcome in _final(record))


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
