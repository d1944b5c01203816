"""Whether the worker lives, and whether it is any use; what `/livez` and `/readyz` answer.

Liveness looks at this process alone: a restart mends nothing that is broken elsewhere, and would
take down all replicas at once when SQS is. Readiness looks at what the work needs.
"""

from collections.abc import Callable
from dataclasses import dataclass

from countermand.core.errors import CountermandError
from countermand.ports import Check, Clock, Ledger
from countermand.worker import Worker

_LONGEST_ROUND_SECONDS = 90.0
_LONGEST_SILENCE_SECONDS = 60.0
_CREDENTIALS_SECONDS = 60.0


@dataclass(slots=True)
class WorkerHealth:
    """Asks the worker, the ledger and, at most once a minute, who we are."""

    worker: Worker
    ledger: Ledger
    clock: Clock
    identify: Callable[[], object]
    _identified_at: float | None = None

    def alive(self) -> Check:
        """The receiver goes round, whatever SQS answers."""
        age = self.clock.monotonic() - self.worker.last_round
        detail = f"last round {age:.0f} s ago"
        return Check("worker_loop", age <= _LONGEST_ROUND_SECONDS, detail)

    def ready(self) -> list[Check]:
        """Everything that the next message would need."""
        return [self.alive(), self._queue(), self._ledger(), self._credentials()]

    def _queue(self) -> Check:
        last = self.worker.last_poll
        if last is None:
            return Check("queue", ok=False, detail="no answer from SQS yet")
        age = self.clock.monotonic() - last
        return Check("queue", age <= _LONGEST_SILENCE_SECONDS, f"last good poll {age:.0f} s ago")

    def _ledger(self) -> Check:
        try:
            self.ledger.check()
        except CountermandError as error:
            return Check("ledger", ok=False, detail=str(error))
        return Check("ledger", ok=True, detail="writable")

    def _credentials(self) -> Check:
        now = self.clock.monotonic()
        if self._identified_at is None or now - self._identified_at > _CREDENTIALS_SECONDS:
            try:
                self.identify()
            except CountermandError as error:
                return Check("credentials", ok=False, detail=str(error))
            self._identified_at = now
        return Check("credentials", ok=True, detail="accepted by AWS within the last minute")
