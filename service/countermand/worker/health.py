"""Whether the worker is alive, and whether it can work: the answers of `/livez` and `/readyz`.

Liveness looks at this process alone. A restart fixes nothing that is broken elsewhere, and would
stop all replicas at once when SQS fails. Readiness looks at everything that the work needs.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from countermand.core.errors import CountermandError
from countermand.ports import Clock, HealthCheck, Ledger
from countermand.worker.worker import Worker

_LONGEST_ROUND_SECONDS = 90.0
_LONGEST_SILENCE_SECONDS = 60.0
_CREDENTIALS_SECONDS = 60.0
_LEDGER_SECONDS = 5.0
_FAILURE_SECONDS = 5.0


@dataclass(slots=True)
class WorkerHealth:
    """Checks the worker each time, the ledger at most every 5 s, and the credentials every 60 s."""

    worker: Worker
    ledger: Ledger
    clock: Clock
    identify: Callable[[], object]
    _asked: dict[str, tuple[float, HealthCheck]] = field(default_factory=dict)

    def alive(self) -> HealthCheck:
        """Check that the receive loop is running, whatever SQS answers."""
        age = self.clock.monotonic() - self.worker.stats().last_round
        detail = f"last round {age:.0f} s ago"
        return HealthCheck("worker_loop", age <= _LONGEST_ROUND_SECONDS, detail)

    def ready(self) -> list[HealthCheck]:
        """Check everything that the next message needs."""
        return [self.alive(), self._queue(), self._ledger(), self._credentials()]

    def _queue(self) -> HealthCheck:
        last = self.worker.stats().last_poll
        if last is None:
            return HealthCheck("queue", ok=False, detail="no answer from SQS yet")
        age = self.clock.monotonic() - last
        return HealthCheck(
            "queue", age <= _LONGEST_SILENCE_SECONDS, f"last good poll {age:.0f} s ago"
        )

    def _ledger(self) -> HealthCheck:
        return self._ask("ledger", self.ledger.check, "writable", _LEDGER_SECONDS)

    def _credentials(self) -> HealthCheck:
        detail = "accepted by AWS within the last minute"
        return self._ask("credentials", self.identify, detail, _CREDENTIALS_SECONDS)

    def _ask(self, name: str, ask: Callable[[], object], good: str, seconds: float) -> HealthCheck:
        """Return the last answer while it is fresh: anyone who reaches the probe could otherwise
        cause any number of calls.
        """
        asked_at, known = self._asked.get(name, (0.0, None))
        now = self.clock.monotonic()
        if known is not None and now - asked_at <= (seconds if known.ok else _FAILURE_SECONDS):
            return known
        try:
            ask()
        except CountermandError as error:
            answer = HealthCheck(name, ok=False, detail=str(error))
        else:
            answer = HealthCheck(name, ok=True, detail=good)
        self._asked[name] = (now, answer)
        return answer
