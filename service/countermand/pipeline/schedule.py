"""A schedule in memory: values that come back after a delay, soonest first."""

import heapq
import threading
from itertools import count

from countermand.ports import Clock


class Schedule[T]:
    """A thread-safe schedule. What is still on it is lost with the process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, T]] = []
        self._order = count()
        self._added = threading.Condition()

    def add(self, seconds: float, value: T) -> None:
        """Schedule `value` to come back in so many seconds."""
        with self._added:
            due = self._clock.monotonic() + seconds
            # The counter keeps equal times in order, and values need no order of their own.
            heapq.heappush(self._heap, (due, next(self._order), value))
            self._added.notify()

    def next(self, timeout: float) -> T | None:
        """Return the next value, or None when none is due within `timeout` seconds; 0 does not
        wait.
        """
        with self._added:
            if (wait := min(timeout, self._until_due())) > 0:
                self._added.wait(wait)
            return heapq.heappop(self._heap)[2] if self._until_due() <= 0 else None

    def abandon(self) -> list[T]:
        """Remove and return every value, due or not."""
        with self._added:
            values = [value for _, _, value in self._heap]
            self._heap.clear()
            return values

    def _until_due(self) -> float:
        """Return the seconds until the first value is due; infinity without one."""
        return self._heap[0][0] - self._clock.monotonic() if self._heap else float("inf")
