"""What is done now and then beside the messages, such as reading changed rules."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from countermand.logs import get_logger
from countermand.ports import Clock

log = get_logger(__name__)

_WATCH_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class ScheduledTask:
    """Work that is due every so many seconds; `asked` says that somebody wants it done now."""

    name: str
    seconds: float
    work: Callable[[bool], None]


class Maintenance:
    """One daemon thread for all tasks, each done at the start and then when it is due. What breaks
    in one is logged.
    """

    def __init__(self, clock: Clock, tasks: Sequence[ScheduledTask]) -> None:
        self._clock = clock
        self._chores = tasks
        self._due = {task.name: clock.monotonic() for task in tasks}
        self._asked = False
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._loop, name="maintenance", daemon=True).start()

    def ask(self) -> None:
        """Have every task done at once. Safe in a signal handler: it only sets a flag."""
        self._asked = True

    def stop(self) -> None:
        """Begin no further task."""
        self._stopping.set()

    def round(self) -> None:
        """Do what is due, or everything that was asked for."""
        asked, self._asked = self._asked, False
        for task in self._chores:
            if not asked and self._clock.monotonic() < self._due[task.name]:
                continue
            self._due[task.name] = self._clock.monotonic() + task.seconds
            try:
                task.work(asked)
            except Exception:
                log.exception("Bug: a task broke", task=task.name)

    def _loop(self) -> None:
        while not self._stopping.wait(_WATCH_SECONDS):
            self.round()
