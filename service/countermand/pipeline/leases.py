"""The claims in hand: taken from the ledger, renewed by the worker's heartbeat while steps run."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from countermand.core.errors import CountermandError, LostClaim
from countermand.logs import get_logger
from countermand.ports import Busy, Claim, Clock, Conflict, Done, Ledger

log = get_logger(__name__)


class Claims:
    """A claim that is held for longer than `deadline` is renewed no more: a call that hangs must
    not keep the event from the other replicas for ever.
    """

    def __init__(self, ledger: Ledger, clock: Clock, lease: timedelta, deadline: timedelta) -> None:
        self._ledger = ledger
        self._clock = clock
        self._lease_seconds = lease.total_seconds()
        self._deadline_seconds = deadline.total_seconds()
        self._held: dict[Claim, float] = {}
        self._lock = threading.Lock()

    def take(self, key: str, digest: str) -> Claim | Done | Busy | Conflict:
        """Ask the ledger for the event."""
        return self._ledger.claim(key, digest, self._lease_seconds)

    @contextmanager
    def held(self, claim: Claim) -> Iterator[None]:
        """Renewed until the block ends."""
        with self._lock:
            self._held[claim] = self._clock.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._held.pop(claim, None)

    def renew_all(self) -> None:
        """Extend every lease in hand. A lost one is left alone: its next store will be refused."""
        oldest = self._clock.monotonic() - self._deadline_seconds
        with self._lock:
            held = [claim for claim, since in self._held.items() if since > oldest]
        for claim in held:
            try:
                self._ledger.renew(claim, self._lease_seconds)
            except LostClaim:
                log.warning("Claim passed to another worker", key=claim.key)
            except CountermandError as error:
                log.warning("Lease not renewed", key=claim.key, error=str(error))
