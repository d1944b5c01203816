"""The agenda: what was put on it comes back when it is due, soonest first."""

import threading

from countermand.pipeline.schedule import Schedule
from support.fakes import FrozenClock


def test_an_empty_agenda_has_nothing() -> None:
    assert Schedule[str](FrozenClock()).next(0.001) is None


def test_nothing_comes_back_before_it_is_due() -> None:
    clock = FrozenClock()
    schedule = Schedule[str](clock)
    schedule.add(5, "x")
    assert schedule.next(0.001) is None
    clock.advance(4.9)
    assert schedule.next(0.001) is None
    clock.advance(0.1)
    assert schedule.next(0.001) == "x"
    assert schedule.next(0.001) is None


def test_the_soonest_comes_first() -> None:
    """Tasks that are due at the same time keep their order."""
    clock = FrozenClock()
    schedule = Schedule[str](clock)
    for seconds, value in ((15, "c"), (5, "a"), (15, "d"), (5, "b")):
        schedule.add(seconds, value)
    clock.advance(20)
    assert [schedule.next(0.001) for _ in range(5)] == ["a", "b", "c", "d", None]


def test_values_need_no_order_of_their_own() -> None:
    schedule = Schedule[object](FrozenClock())
    first, second = object(), object()
    schedule.add(0, first)
    schedule.add(0, second)
    assert schedule.next(0.001) is first
    assert schedule.next(0.001) is second


def test_no_timeout_does_not_wait() -> None:
    schedule = Schedule[str](FrozenClock())
    assert schedule.next(0) is None
    schedule.add(5, "later")
    assert schedule.next(0) is None
    schedule.add(0, "now")
    assert schedule.next(0) == "now"


def test_what_is_due_already_comes_at_once() -> None:
    schedule = Schedule[str](FrozenClock())
    schedule.add(-5, "x")
    assert schedule.next(60) == "x"


def test_an_added_value_wakes_a_waiting_thread() -> None:
    schedule = Schedule[str](FrozenClock())
    found: list[str | None] = []
    waiter = threading.Thread(target=lambda: found.append(schedule.next(60)))
    waiter.start()
    schedule.add(0, "x")
    waiter.join(10)
    assert found == ["x"]


def test_many_threads_take_each_value_once() -> None:
    clock = FrozenClock()
    schedule = Schedule[int](clock)
    taken: list[int] = []

    def take() -> None:
        while (value := schedule.next(0.001)) is not None:
            taken.append(value)

    for value in range(1000):
        schedule.add(0, value)
    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(taken) == list(range(1000))
