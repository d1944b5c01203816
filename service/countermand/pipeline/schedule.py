"""A small in-memory agenda: values that come back after a delay, soonest first."""

import heapq
import threading
from itertools import count

from countermand.ports import Clock


class Schedule[T]:
    """Thread-safe; what is on it is lost with the process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, T]] = []
        self._order = count()
        self._added = threading.Condition()

    def add(self, seconds: float, value: T) -> None:
        """Have `value` back in so many seconds."""
        with self._added:
            due = self._clock.monotonic() + seconds
            heapq.heappush(self._heap, (due, next(self._order), value))
            self._added.notify()

    def next(self, timeout: float) -> T | None:
        """The next value that falls due within `timeout` seconds, or None."""
        with self._added:
            if (wait := self._until_due(timeout)) > 0:
                self._added.wait(wait)
            return None if self._until_due(timeout) > 0 else heapq.heappop(self._heap)[2]

    def abandon(self) -> list[T]:
        """Everything that is still on it, due or not; it is empty then."""
        with self._added:
            values = [value for _, _, value in self._heap]
            self._heap.clear()
            return values

    def _until_due(self, timeout: float) -> float:
        if not self._heap:
            return timeout or 1.0
        return min(timeout or 1.0, self._heap[0][0] - self._clock.monotonic())
