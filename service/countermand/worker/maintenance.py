"""What is done now and then beside the messages, such as reading changed rules."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from countermand.logs import get_logger
from countermand.ports import Clock

log = get_logger(__name__)

_WATCH_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Chore:
    """Work that is due every so many seconds; `asked` says that somebody wants it done now."""

    name: str
    seconds: float
    work: Callable[[bool], None]


class Upkeep:
    """One daemon thread for all chores, each done at the start and then when it is due. What breaks
    in one is logged.
    """

    def __init__(self, clock: Clock, chores: Sequence[Chore]) -> None:
        self._clock = clock
        self._chores = chores
        self._due = {chore.name: clock.monotonic() for chore in chores}
        self._asked = False
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._loop, name="upkeep", daemon=True).start()

    def ask(self) -> None:
        """Have every chore done at once. Safe in a signal handler: it only sets a flag."""
        self._asked = True

    def stop(self) -> None:
        """Begin no further chore."""
        self._stopping.set()

    def round(self) -> None:
        """Do what is due, or everything that was asked for."""
        asked, self._asked = self._asked, False
        for chore in self._chores:
            if not asked and self._clock.monotonic() < self._due[chore.name]:
                continue
            self._due[chore.name] = self._clock.monotonic() + chore.seconds
            try:
                chore.work(asked)
            except Exception:
                log.exception("Bug: a chore broke", chore=chore.name)

    def _loop(self) -> None:
        while not self._stopping.wait(_WATCH_SECONDS):
            self.round()
