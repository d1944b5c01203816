"""Maintenance: tasks that run by the clock beside the messages, such as reloading rules."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from countermand.logs import get_logger
from countermand.ports import Clock

log = get_logger(__name__)

_WATCH_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class ScheduledTask:
    """Work that is due every so many seconds."""

    name: str
    seconds: float
    work: Callable[[bool], None]
    """Takes whether someone asked for it now, as with SIGHUP."""


class Maintenance:
    """One daemon thread that runs all tasks, first at the start and then when they are due.

    An error in a task is logged and stops no other task.
    """

    def __init__(self, clock: Clock, tasks: Sequence[ScheduledTask]) -> None:
        self._clock = clock
        self._tasks = tasks
        self._due = {task.name: clock.monotonic() for task in tasks}
        self._asked = False
        self._stopping = threading.Event()

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._loop, name="maintenance", daemon=True).start()

    def ask(self) -> None:
        """Run every task soon; safe in a signal handler, because it only sets a flag."""
        self._asked = True

    def stop(self) -> None:
        """Start no further task."""
        self._stopping.set()

    def round(self) -> None:
        """Run the tasks that are due, or all of them when someone asked."""
        asked, self._asked = self._asked, False
        for task in self._tasks:
            if not asked and self._clock.monotonic() < self._due[task.name]:
                continue
            self._due[task.name] = self._clock.monotonic() + task.seconds
            try:
                task.work(asked)
            except Exception:
                log.exception("Bug: scheduled task failed", task=task.name)

    def _loop(self) -> None:
        while not self._stopping.wait(_WATCH_SECONDS):
            self.round()
