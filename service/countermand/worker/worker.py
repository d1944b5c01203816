"""The worker: receives messages, has the pipeline handle them, and acknowledges each.

    the pipeline                 the message is
    ---------------------------  -----------------------------------------------------------
    returned                     deleted
    raised Permanent             returned at once: after `maxReceiveCount` receives, SQS
                                 moves it to the dead-letter queue
    raised Transient(retry_in)   returned after retry_in seconds, or after a backoff
    raised LostLease             left: it belongs to another worker now
    raised anything else (bug)   returned after a backoff, and the trace is logged

Threads: one receives, N handle, one deletes in batches, one extends visibility and leases, and one
rechecks remediations. The main thread only watches them.
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
from countermand.worker.ack import Acknowledger

log = get_logger(__name__)

_MOST_PER_RECEIVE = 10
_MOST_RECEIVES_WITH_REDRIVE = 20
"""Number of receives of one message after which the queue seems to have no redrive policy."""
_RESERVE_SECONDS = 1.0
"""Part of the drain that is kept for the last returns, and again for the last deletes."""
_WATCH_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Timing:
    """Timings in seconds. The settings validate how they relate."""

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
    """Return seconds with full jitter: up to base x 2^(attempt - 1), at most cap, at least one.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    return max(1.0, uniform(0, min(cap, base * 2 ** min(attempt - 1, 30))))


@dataclass(frozen=True, slots=True)
class WorkerStats:
    """The state of a worker at one moment."""

    threads: frozenset[str]
    """Names of the threads that are alive."""
    last_poll: float | None
    """Monotonic time of the last good answer from SQS; None before the first."""
    last_round: float
    """Monotonic time at which the receive loop last began a round."""


class Worker:
    """A worker is started, waits until a stop is requested, and drains."""

    def __init__(
        self, queue_: Queue, pipeline: Pipeline, clock: Clock, metrics: Metrics, timing: Timing
    ) -> None:
        self._queue = queue_
        self._pipeline = pipeline
        self._clock = clock
        self._metrics = metrics
        self._timing = timing
        self._acks = Acknowledger(queue_, clock, metrics)
        self._slots = threading.Semaphore(timing.threads)
        self._inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._stop_requested = False
        self._stopping = threading.Event()
        self._drained = threading.Event()
        self._threads: dict[str, threading.Thread] = {}
        self._last_poll: float | None = None
        self._last_round = clock.monotonic()

    def stats(self) -> WorkerStats:
        """Return the state of the worker now."""
        alive = frozenset(name for name, thread in self._threads.items() if thread.is_alive())
        return WorkerStats(alive, self._last_poll, self._last_round)

    def start(self) -> None:
        """Start all threads. They are daemons: a hung call cannot keep the process alive."""
        loops: dict[str, Callable[[], None]] = {
            "receive": self._receive_loop,
            "delete": self._acks.delete_loop,
            "heartbeat": self._heartbeat_loop,
            "recheck": self._recheck_loop,
        }
        loops |= {f"handle-{n}": self._handle_loop for n in range(self._timing.threads)}
        for name, loop in loops.items():
            self._threads[name] = threading.Thread(target=loop, name=name, daemon=True)
            self._threads[name].start()

    def request_stop(self) -> None:
        """Begin to stop; safe in a signal handler."""
        # A plain flag: the thread that the handler interrupts may hold the lock of an Event.
        self._stop_requested = True

    def wait(self, others_alive: Callable[[], bool] = lambda: True) -> bool:
        """Wait until a stop is requested. Return False when a thread of the worker or of the others
        died: a partially working process is worse than a restart.
        """
        while not self._stop_requested:
            time.sleep(_WATCH_SECONDS)
            dead = sorted(self._threads.keys() - self.stats().threads)
            if not others_alive():
                dead.append("api")
            if dead:
                log.critical("Worker threads died", threads=dead)
                return False
        return True

    def drain(self) -> bool:
        """Finish what is in hand, return the rest and flush deletes, in at most `drain` seconds.

        Return whether everything was finished.
        """
        self._stopping.set()
        end = self._clock.monotonic() + self._timing.drain - 2 * _RESERVE_SECONDS
        self._in_time(self._decline_inbox, end - self._clock.monotonic())
        finished = self._acks.wait_until_empty(end - self._clock.monotonic())
        self._acks.close()
        self._in_time(self._return_unfinished, _RESERVE_SECONDS)
        if "delete" in self._threads:
            self._threads["delete"].join(_RESERVE_SECONDS)
        self._drained.set()
        log.info("Drained", finished=finished)
        return finished

    def _in_time(self, work: Callable[[], None], seconds: float) -> None:
        # On a thread that may be left behind: a queue that hangs must not hold up the exit.
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(max(0.0, seconds))

    def _decline_inbox(self) -> None:
        declined: list[Message] = []
        with contextlib.suppress(queue.Empty):
            while True:
                declined.append(self._inbox.get_nowait())
        self._acks.return_in(declined, 0, Settlement.RETURNED)
        for message in declined:
            self._done_with(message)

    def _return_unfinished(self) -> None:
        self._acks.return_in(self._acks.unfinished(), 0, Settlement.RETURNED)

    def _receive_loop(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            self._last_round = self._clock.monotonic()
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
                self._record_poll(slots)
            for _ in range(slots - len(messages)):
                self._slots.release()
            self._accept(messages)

    def _wait(self) -> int:
        # The first answer shows that the queue exists, and readiness should not wait for a poll.
        return 0 if self._last_poll is None else self._timing.poll

    def _record_poll(self, slots: int) -> None:
        if slots:
            self._last_poll = self._clock.monotonic()
            self._metrics.last_successful_poll.set(self._clock.now().timestamp())

    def _take_slots(self) -> int:
        """Wait for a free thread and take up to ten, so that no message waits after its receive."""
        if not self._slots.acquire(timeout=1):
            return 0
        slots = 1
        while slots < _MOST_PER_RECEIVE and self._slots.acquire(blocking=False):
            slots += 1
        return slots

    def _accept(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._metrics.events_received.inc()
            self._acks.add(message)
            self._inbox.put(message)
        if self._stopping.is_set():
            self._decline_inbox()

    def _done_with(self, message: Message) -> None:
        self._acks.forget(message)
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
            self._reject(message, error)
        except Transient as error:
            log.info("Retry scheduled", reason=str(error), retry_in=error.retry_in)
            self._retry(message, error.retry_in)
        except LostLease:
            log.warning("Lease lost")
            self._acks.count(Settlement.LEFT)
        except Exception:
            log.exception("Bug: message handling failed", sha256=_hash(message.body))
            self._retry(message, None)
        else:
            self._acks.delete(message)

    def _reject(self, message: Message, error: Permanent) -> None:
        self._metrics.events_malformed.inc()
        log.error("Message refused", error=str(error), sha256=_hash(message.body))
        # After so many receives, the queue seems to have no redrive policy: back off, do not spin.
        no_redrive = message.receive_count > _MOST_RECEIVES_WITH_REDRIVE
        wait = self._timing.backoff_cap if no_redrive else 0
        self._acks.return_in([message], wait, Settlement.DEAD_LETTERED)

    def _retry(self, message: Message, retry_in: float | None) -> None:
        if retry_in is None:
            base, cap = self._timing.backoff_base, self._timing.backoff_cap
            retry_in = backoff(message.receive_count, base, cap)
        self._acks.return_in([message], retry_in, Settlement.RETURNED)

    def _heartbeat_loop(self) -> None:
        while not self._drained.wait(self._timing.heartbeat):
            # The leases come first: a slow queue must not cost a lease.
            self._pipeline.leases.renew_all()
            self._acks.extend(self._timing.visibility, self._timing.deadline)

    def _recheck_loop(self) -> None:
        schedule = self._pipeline.rechecker.schedule
        while not self._stopping.is_set():
            recheck = schedule.next(timeout=0.5)
            if recheck is None:
                continue
            try:
                self._pipeline.recheck(recheck)
            except CountermandError as error:
                log.error("Recheck failed", event_id=recheck.event.event_id, error=str(error))
            except Exception:
                log.exception("Bug: recheck failed", event_id=recheck.event.event_id)
        for recheck in schedule.abandon():
            log.warning("Recheck dropped: shutting down", event_id=recheck.event.event_id)


def _hash(body: str) -> str:
    return hashlib.sha256(body.encode(errors="surrogatepass")).hexdigest()
