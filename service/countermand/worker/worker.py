"""Receives messages, has the pipeline handle them, and decides how each is settled.

    the pipeline                 the message
    ---------------------------  -----------------------------------------------------------
    answered                     deleted
    raised Permanent             given back at once: after `maxReceiveCount` receives SQS
                                 moves it to the dead-letter queue
    raised Transient(retry_in)   given back after retry_in seconds, or after a backoff
    raised LostLease             left: it belongs to another worker now
    raised anything else (bug)   given back after a backoff, and the trace is logged

Threads: one receives, N handle, one deletes in batches, one keeps what is in hand hidden and its
leases alive, one looks again at what was taken back. The main thread only watches over them.
"""

import contextlib
import hashlib
import queue
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from countermand.core.errors import CountermandError, LostLease, Permanent, Transient
from countermand.logs import bound, get_logger
from countermand.metrics import Metrics, Settlement
from countermand.pipeline.pipeline import Pipeline
from countermand.ports import Clock, Message, Queue
from countermand.worker.ack import Settler

log = get_logger(__name__)

_MOST_PER_RECEIVE = 10
_SURELY_NO_REDRIVE = 20
_RESERVE_SECONDS = 1.0
"""Of the drain, for the last give-backs and for the last deletes."""
_WATCH_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds, from the settings; their relations are validated there."""

    threads: int = 16
    poll: int = 20
    visibility: float = 60
    heartbeat: float = 20
    deadline: float = 240
    drain: float = 25
    backoff_base: float = 15
    backoff_cap: float = 900
    receive_backoff_cap: float = 30


def backoff(
    attempt: int,
    base: float,
    cap: float,
    uniform: Callable[[float, float], float] = random.uniform,
) -> float:
    """Seconds with full jitter: up to base x 2^(attempt - 1), at most cap, at least one.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    return max(1.0, uniform(0, min(cap, base * 2 ** min(attempt - 1, 30))))


class Worker:
    """`start`, `wait` until a stop is requested, `drain`."""

    def __init__(
        self, queue_: Queue, pipeline: Pipeline, clock: Clock, metrics: Metrics, timing: Timing
    ) -> None:
        self._queue = queue_
        self._pipeline = pipeline
        self._clock = clock
        self._metrics = metrics
        self._timing = timing
        self._settler = Settler(queue_, clock, metrics)
        self._slots = threading.Semaphore(timing.threads)
        self._inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._stop_requested = False
        self._stopping = threading.Event()
        self._drained = threading.Event()
        self._threads: dict[str, threading.Thread] = {}
        self.last_poll: float | None = None
        """Monotonic time of the last good answer from SQS; None: none yet."""
        self.last_round = clock.monotonic()
        """Monotonic time at which the receiver last began a round."""

    def start(self) -> None:
        """Start all threads. They are daemons: a hung call cannot keep the process alive."""
        loops: dict[str, Callable[[], None]] = {
            "receive": self._receive_loop,
            "delete": self._settler.delete_loop,
            "heartbeat": self._heartbeat_loop,
            "recheck": self._recheck_loop,
        }
        loops |= {f"handle-{n}": self._handle_loop for n in range(self._timing.threads)}
        for name, loop in loops.items():
            self._threads[name] = threading.Thread(target=loop, name=name, daemon=True)
            self._threads[name].start()

    def request_stop(self) -> None:
        """Begin to stop. Safe in a signal handler: an Event's lock may be held by the very thread
        that the handler interrupts, a plain flag has none.
        """
        self._stop_requested = True

    def wait(self, others_alive: Callable[[], bool] = lambda: True) -> bool:
        """Block until a stop is requested. False: a thread died, here or among the others, and
        half a worker is worse than one that is started anew.
        """
        while not self._stop_requested:
            time.sleep(_WATCH_SECONDS)
            dead = [name for name, thread in self._threads.items() if not thread.is_alive()]
            if not others_alive():
                dead.append("api")
            if dead:
                log.critical("Worker threads died", threads=dead)
                return False
        return True

    def drain(self) -> bool:
        """Finish what is in hand, give the rest back, flush the deletes; in at most `drain`
        seconds. Whether everything was finished.
        """
        self._stopping.set()
        end = self._clock.monotonic() + self._timing.drain - 2 * _RESERVE_SECONDS
        self._in_time(self._decline_inbox, end - self._clock.monotonic())
        finished = self._settler.wait_until_empty(end - self._clock.monotonic())
        self._settler.close()
        self._in_time(self._return_unfinished, _RESERVE_SECONDS)
        if "delete" in self._threads:
            self._threads["delete"].join(_RESERVE_SECONDS)
        self._drained.set()
        log.info("Drained", finished=finished)
        return finished

    def _in_time(self, work: Callable[[], None], seconds: float) -> None:
        """On a thread that may be left behind: a queue that hangs must not hold up the exit."""
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(max(0.0, seconds))

    def _decline_inbox(self) -> None:
        declined: list[Message] = []
        with contextlib.suppress(queue.Empty):
            while True:
                declined.append(self._inbox.get_nowait())
        self._settler.give_back(declined, 0, Settlement.RETURNED)
        for message in declined:
            self._done_with(message)

    def _return_unfinished(self) -> None:
        self._settler.give_back(self._settler.unfinished(), 0, Settlement.RETURNED)

    def _receive_loop(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            self.last_round = self._clock.monotonic()
            slots = self._take_slots()
            try:
                messages = self._queue.receive(slots, self._wait()) if slots else ()
            except CountermandError as error:
                failures += 1
                messages = ()
                log.error("Receive failed", error=str(error), failures=failures)
                self._stopping.wait(backoff(failures, 1, self._timing.receive_backoff_cap))
            else:
                failures = 0
                self._note_poll(slots)
            for _ in range(slots - len(messages)):
                self._slots.release()
            self._accept(messages)

    def _wait(self) -> int:
        # The first answer says that the queue is there: readiness should not wait for it.
        return 0 if self.last_poll is None else self._timing.poll

    def _note_poll(self, slots: int) -> None:
        if slots:
            self.last_poll = self._clock.monotonic()
            self._metrics.last_successful_poll.set(self._clock.now().timestamp())

    def _take_slots(self) -> int:
        """Wait for a free thread and take up to ten: what is received is worked on at once."""
        if not self._slots.acquire(timeout=1):
            return 0
        slots = 1
        while slots < _MOST_PER_RECEIVE and self._slots.acquire(blocking=False):
            slots += 1
        return slots

    def _accept(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._metrics.events_received.inc()
            self._settler.add(message)
            self._inbox.put(message)
        if self._stopping.is_set():
            self._decline_inbox()

    def _done_with(self, message: Message) -> None:
        self._settler.forget(message)
        self._slots.release()

    def _handle_loop(self) -> None:
        while not self._stopping.is_set():
            try:
                message = self._inbox.get(timeout=0.5)
            except queue.Empty:
                continue
            try:
                with bound(message_id=message.id, receive_count=message.receive_count):
                    self._handle(message)
            finally:
                self._done_with(message)

    def _handle(self, message: Message) -> None:
        try:
            self._pipeline.handle(message.body)
        except Permanent as error:
            self._refuse(message, error)
        except Transient as error:
            log.info("To be tried again", reason=str(error))
            self._retry(message, error.retry_in)
        except LostLease:
            log.warning("Another worker owns this event now")
            self._settler.count(Settlement.LEFT)
        except Exception:
            log.exception("Bug: the message could not be handled", sha256=_hash(message.body))
            self._retry(message, None)
        else:
            self._settler.delete(message)

    def _refuse(self, message: Message, error: Permanent) -> None:
        self._metrics.events_malformed.inc()
        log.error("Message refused", error=str(error), sha256=_hash(message.body))
        # Nobody takes it away after so many receives: do not spin on it.
        wait = self._timing.backoff_cap if message.receive_count > _SURELY_NO_REDRIVE else 0
        self._settler.give_back([message], wait, Settlement.POISONED)

    def _retry(self, message: Message, retry_in: float | None) -> None:
        if retry_in is None:
            base, cap = self._timing.backoff_base, self._timing.backoff_cap
            retry_in = backoff(message.receive_count, base, cap)
        self._settler.give_back([message], retry_in, Settlement.RETURNED)

    def _heartbeat_loop(self) -> None:
        while not self._drained.wait(self._timing.heartbeat):
            # The leases first: a slow queue must not cost one.
            self._pipeline.leases.renew_all()
            self._settler.extend(self._timing.visibility, self._timing.deadline)

    def _recheck_loop(self) -> None:
        while not self._stopping.is_set():
            look = self._pipeline.rechecks.next(timeout=0.5)
            if look is None:
                continue
            try:
                self._pipeline.recheck(look)
            except CountermandError as error:
                log.error("Recheck failed", event_id=look.event.event_id, error=str(error))
            except Exception:
                log.exception("Bug: recheck failed", event_id=look.event.event_id)
        for look in self._pipeline.rechecks.abandon():
            log.warning("Recheck dropped: the worker stops", event_id=look.event.event_id)


def _hash(body: str) -> str:
    return hashlib.sha256(body.encode(errors="surrogatepass")).hexdigest()
