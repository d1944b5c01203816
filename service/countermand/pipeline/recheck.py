"""Rechecks: whether a remediated change is back, seconds after the write.

IAM can show an old state for some seconds, and someone may repeat the change. So the pipeline
schedules rechecks after each write, the worker runs each one when it is due, and a change that is
there again is evaluated like an event of its own, with an annotation that says so.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from countermand.core.errors import Transient
from countermand.core.model import Event, Finding
from countermand.core.rules.detect import detect
from countermand.core.rules.rule import RuleSet
from countermand.logs import bound, get_logger
from countermand.pipeline.facts import FactReader
from countermand.pipeline.schedule import Schedule
from countermand.ports import Clock

log = get_logger(__name__)

_OWN_ID = re.compile(r"(.*)~([0-9])\.[0-9]{8}T[0-9]{6}\+[0-9.e-]+s", re.DOTALL)
"""The ID of a recheck: that of the first event, generation, time of the write, and delay."""
_MOST_GENERATIONS = 4
"""Rechecks of rechecks: each write schedules two, so without a limit one change that keeps coming
back would occupy the thread that rechecks all others."""
_RETRIES_SECONDS = (5.0, 15.0, 60.0, 240.0)


@dataclass(frozen=True, slots=True)
class Recheck:
    """A second read of what was remediated."""

    event: Event
    """The event, under an ID that only this recheck has."""
    after_seconds: float
    """Seconds since the write."""
    reapplied: tuple[Finding, ...] = ()
    """The changes that an earlier attempt found again, so that this one need not read them."""
    attempt: int = 1


class Process(Protocol):
    """The pipeline's way to decide on an event."""

    def __call__(
        self,
        event: Event,
        findings: Sequence[Finding],
        received_at: datetime,
        annotations: tuple[str, ...],
    ) -> object: ...


@dataclass(frozen=True, slots=True)
class Rechecker:
    """Schedules rechecks and runs them; used by all threads of the worker at once."""

    rules: Callable[[], RuleSet]
    facts: FactReader
    clock: Clock
    schedule: Schedule[Recheck]
    delays_seconds: tuple[float, ...] = (5, 15)

    def plan(self, event: Event) -> None:
        """Schedule the rechecks of a write, unless that write was the last of a chain of them."""
        earlier = _OWN_ID.fullmatch(event.id)
        first = earlier[1] if earlier is not None else event.id
        generation = int(earlier[2]) + 1 if earlier is not None else 1
        if generation > _MOST_GENERATIONS:
            log.error("Change keeps coming back", rechecks=_MOST_GENERATIONS)
            return
        for seconds in self.delays_seconds:
            # The ledger decides once per ID, so each recheck of each write needs its own.
            key = f"{first}~{generation}.{self.clock.now():%Y%m%dT%H%M%S}+{seconds:g}s"
            self.schedule.add(seconds, Recheck(replace(event, id=key), seconds))

    def run(self, recheck: Recheck, process: Process) -> None:
        """Evaluate the change again if it is back.

        A recheck is retried when IAM, the ledger or a notifier fails. The last attempt of one that
        could never read IAM alerts the team that the live state is unknown.
        """
        last = recheck.attempt > len(_RETRIES_SECONDS)
        with bound(event_id=recheck.event.event_id, account_id=recheck.event.account_id):
            try:
                if not recheck.reapplied:
                    found = self._reapplied(recheck.event, blind=last)
                    recheck = replace(recheck, reapplied=found)
                self._process(recheck, process)
            except Transient as error:
                log.warning("Recheck failed", attempt=recheck.attempt, last=last, error=str(error))
                if not last:
                    wait = _RETRIES_SECONDS[recheck.attempt - 1]
                    self.schedule.add(wait, replace(recheck, attempt=recheck.attempt + 1))

    def _reapplied(self, event: Event, *, blind: bool) -> tuple[Finding, ...]:
        """Return the findings whose change is there and was not restored by an undo.

        Raises `Transient` for a live state that cannot be read; when `blind`, it counts as there.
        """
        found = []
        for finding in detect(event, self.rules()):
            # A rule that only alerts reverted nothing, so nothing of it can come back.
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

    def _process(self, recheck: Recheck, process: Process) -> None:
        if not recheck.reapplied:
            return
        log.warning(
            "Change reapplied after remediation",
            after_seconds=recheck.after_seconds,
            attempt=recheck.attempt,
        )
        annotation = f"The change was back {recheck.after_seconds:g} s after its remediation"
        process(recheck.event, recheck.reapplied, self.clock.now(), (annotation,))
