"""Acknowledging messages: the only code that deletes, returns or hides them.

The worker adds a message when it arrives and says once what became of it. Deletes are collected,
because SQS takes ten for the price of one. A message that SQS did not delete comes back; the ledger
knows its event as done, so it is deleted then.
"""

import contextlib
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import batched

from countermand.core.errors import CountermandError
from countermand.logs import get_logger
from countermand.metrics import Metrics, Settlement
from countermand.ports import Clock, Message, Queue

log = get_logger(__name__)

_BATCH = 10
_DELETE_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class _Delete:
    message: Message
    attempt: int = 1


class Acknowledger:
    """Every message in hand, from its arrival until a thread is done with it."""

    def __init__(self, queue_: Queue, clock: Clock, metrics: Metrics) -> None:
        self._queue = queue_
        self._clock = clock
        self._metrics = metrics
        self._in_hand: dict[str, tuple[Message, float]] = {}
        self._returned: set[str] = set()
        self._changed = threading.Condition()
        self._extending = threading.Lock()
        self._deletes: queue.SimpleQueue[_Delete | None] = queue.SimpleQueue()

    def add(self, message: Message) -> None:
        """Take responsibility for a message that has just arrived."""
        with self._changed:
            self._in_hand[message.receipt] = (message, self._clock.monotonic())
        self._metrics.messages_in_flight.inc()

    def forget(self, message: Message) -> None:
        """Drop a message that was acknowledged and whose thread is done with it."""
        with self._changed:
            self._in_hand.pop(message.receipt, None)
            self._returned.discard(message.receipt)
            self._changed.notify_all()
        self._metrics.messages_in_flight.dec()

    def delete(self, message: Message) -> None:
        """Delete a message whose work is done, with the next batch."""
        self._deletes.put(_Delete(message))

    def return_in(self, messages: Sequence[Message], seconds: float, result: Settlement) -> None:
        """Make the messages visible again after so many seconds; 0 means at once."""
        with self._extending:
            # Before the call: a heartbeat after it would hide the messages for longer.
            self._returned.update(message.receipt for message in messages)
        for batch in batched(messages, _BATCH):
            left = self._set_visibility(batch, seconds, "Early return failed")
            self.count(Settlement.LEFT, left)
            self.count(result, len(batch) - left)

    def extend(self, seconds: float, deadline: float) -> None:
        """Hide what has been in hand for less than `deadline` seconds for `seconds` more."""
        oldest = self._clock.monotonic() - deadline
        with self._changed:
            in_time = [message for message, since in self._in_hand.values() if since > oldest]
        for batch in batched(in_time, _BATCH):
            # One batch under the lock at a time, so that a return does not wait for all of them.
            with self._extending:
                hidden = [m for m in batch if m.receipt not in self._returned]
                if hidden:
                    self._set_visibility(hidden, seconds, "Visibility extension failed")

    def _set_visibility(self, batch: Sequence[Message], seconds: float, failure: str) -> int:
        """Return how many messages SQS did not change: their visibility timeout returns them."""
        try:
            failed = self._queue.return_in(batch, seconds)
        except CountermandError as error:
            log.warning(failure, error=str(error), messages=len(batch))
            return len(batch)
        if failed:
            log.warning(failure, messages=len(failed))
        return len(failed)

    def wait_until_empty(self, seconds: float) -> bool:
        """Wait for everything in hand, and return whether it was finished in that time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._in_hand, timeout=max(0.0, seconds))

    def unfinished(self) -> Sequence[Message]:
        """Return what is in hand and neither deleted nor returned."""
        with self._changed:
            return [m for m, _ in self._in_hand.values() if m.receipt not in self._returned]

    def count(self, result: Settlement, number: int = 1) -> None:
        """Count messages by what became of them."""
        self._metrics.settlements.labels(result=str(result)).inc(number)

    def delete_loop(self) -> None:
        """Send deletes until `close`; runs in a thread of its own."""
        while (first := self._deletes.get()) is not None:
            batch, closing = [first], False
            with contextlib.suppress(queue.Empty):
                while len(batch) < _BATCH and not closing:
                    item = self._deletes.get_nowait()
                    if item is None:
                        closing = True
                    else:
                        batch.append(item)
            self._delete(batch)
            if closing:
                # Behind the failed deletes that `_delete` has put back, so that they are retried.
                self._deletes.put(None)

    def close(self) -> None:
        """Let `delete_loop` end once it has sent all deletes."""
        self._deletes.put(None)

    def _delete(self, batch: Sequence[_Delete]) -> None:
        messages = [item.message for item in batch]
        try:
            failed = {message.receipt for message in self._queue.delete(messages)}
        except CountermandError as error:
            log.warning("Delete failed", error=str(error), messages=len(messages))
            failed = {message.receipt for message in messages}
        self.count(Settlement.DELETED, len(messages) - len(failed))
        for item in batch:
            if item.message.receipt not in failed:
                continue
            if item.attempt < _DELETE_ATTEMPTS:
                self._deletes.put(_Delete(item.message, item.attempt + 1))
            else:
                self.count(Settlement.DELETE_FAILED)
