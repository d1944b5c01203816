"""Leases in hand: the pipeline takes them, and the worker's heartbeat renews them."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from countermand.core.errors import CountermandError, LostLease
from countermand.core.model import Event
from countermand.logs import get_logger
from countermand.ports import Busy, Clock, Conflict, Done, EventLease, Ledger

log = get_logger(__name__)


class Leases:
    """The leases of this worker, on events whose steps run now.

    A lease that is held for longer than `deadline` is not renewed: a call that hangs must not keep
    the event from the other replicas without end.
    """

    def __init__(self, ledger: Ledger, clock: Clock, lease: timedelta, deadline: timedelta) -> None:
        self._ledger = ledger
        self._clock = clock
        self._lease_seconds = lease.total_seconds()
        self._deadline_seconds = deadline.total_seconds()
        self._held: dict[EventLease, float] = {}
        self._lock = threading.Lock()

    def take(self, event: Event) -> EventLease | Done | Busy | Conflict:
        """Ask the ledger for the event."""
        return self._ledger.acquire(event.id, payload_digest(event), self._lease_seconds)

    @contextmanager
    def held(self, lease: EventLease) -> Iterator[None]:
        """Renew the lease until the block ends."""
        with self._lock:
            self._held[lease] = self._clock.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._held.pop(lease, None)

    def renew_all(self) -> None:
        """Extend every lease in hand."""
        oldest = self._clock.monotonic() - self._deadline_seconds
        with self._lock:
            held = [lease for lease, since in self._held.items() if since > oldest]
        for lease in held:
            try:
                self._ledger.renew(lease, self._lease_seconds)
            except LostLease:
                # The thread that works on it finds out with its next store, which is refused.
                log.warning("Lease lost", key=lease.key)
            except CountermandError as error:
                log.warning("Lease renewal failed", key=lease.key, error=str(error))


def payload_digest(event: Event) -> str:
    """Hash what the event says, so that a forged event of the same ID does not pass for it."""
    # Not orjson: it refuses integers of more than 64 bits, and an attacker's event may hold one.
    detail = json.dumps(event.body.get("detail"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(detail.encode()).hexdigest()
