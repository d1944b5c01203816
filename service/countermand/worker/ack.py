"""Settles messages: the only code that deletes them, gives them back or keeps them hidden.

The worker adds a message when it arrives and says once what became of it. Deletes are collected,
because SQS takes ten for the price of one; a message that SQS did not delete comes back, is known
to the ledger as done, and is deleted then.
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


class Settler:
    """Knows every message in hand, from its arrival until a thread is done with it."""

    def __init__(self, queue_: Queue, clock: Clock, metrics: Metrics) -> None:
        self._queue = queue_
        self._clock = clock
        self._metrics = metrics
        self._in_hand: dict[str, tuple[Message, float]] = {}
        self._settled: set[str] = set()
        self._changed = threading.Condition()
        self._extending = threading.Lock()
        self._deletes: queue.SimpleQueue[_Delete | None] = queue.SimpleQueue()

    def add(self, message: Message) -> None:
        """Take responsibility for a message that has just arrived."""
        with self._changed:
            self._in_hand[message.receipt] = (message, self._clock.monotonic())
        self._metrics.messages_in_flight.inc()

    def forget(self, message: Message) -> None:
        """The thread that worked on the message is done, and the message is settled."""
        with self._changed:
            self._in_hand.pop(message.receipt, None)
            self._settled.discard(message.receipt)
            self._changed.notify_all()
        self._metrics.messages_in_flight.dec()

    def delete(self, message: Message) -> None:
        """Its work is done: off the queue, with the next batch."""
        self._deletes.put(_Delete(message))

    def give_back(
        self, messages: Sequence[Message], seconds: float, settlement: Settlement
    ) -> None:
        """Make the messages visible again after so many seconds."""
        with self._extending:
            # Before the call: a heartbeat after it would hide the messages for longer.
            self._settled.update(message.receipt for message in messages)
        for batch in batched(messages, _BATCH):
            left = self._return_in(batch, seconds, "Message not given back early")
            self.count(Settlement.LEFT, left)
            self.count(settlement, len(batch) - left)

    def extend(self, seconds: float, deadline: float) -> None:
        """Keep hidden what is in hand for less than `deadline` seconds."""
        oldest = self._clock.monotonic() - deadline
        with self._changed:
            in_time = [message for message, since in self._in_hand.values() if since > oldest]
        for batch in batched(in_time, _BATCH):
            with self._extending:
                unsettled = [m for m in batch if m.receipt not in self._settled]
                if unsettled:
                    self._return_in(unsettled, seconds, "Visibility not extended")

    def _return_in(self, batch: Sequence[Message], seconds: float, otherwise: str) -> int:
        """How many of them SQS did not change: their time-out will bring them back."""
        try:
            failed = self._queue.return_in(batch, seconds)
        except CountermandError as error:
            log.warning(otherwise, error=str(error), messages=len(batch))
            return len(batch)
        if failed:
            log.warning(otherwise, messages=len(failed))
        return len(failed)

    def wait_until_empty(self, seconds: float) -> bool:
        """Whether everything in hand was finished in that time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._in_hand, timeout=max(0.0, seconds))

    def unfinished(self) -> Sequence[Message]:
        """What is in hand and not settled."""
        with self._changed:
            return [m for m, _ in self._in_hand.values() if m.receipt not in self._settled]

    def count(self, settlement: Settlement, number: int = 1) -> None:
        """Count without touching the message."""
        self._metrics.settlements.labels(result=str(settlement)).inc(number)

    def delete_loop(self) -> None:
        """Delete what was handed in, until `close`; runs in a thread of its own."""
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
                self._deletes.put(None)

    def close(self) -> None:
        """Let `delete_loop` end once all deletes were sent."""
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
