"""Tasks run when they are due, or when someone asks."""

from countermand.worker.maintenance import Maintenance, ScheduledTask
from support.fakes import FrozenClock


def test_a_task_runs_at_the_start_and_when_due(clock: FrozenClock) -> None:
    done = list[bool]()
    maintenance = Maintenance(clock, [ScheduledTask("some", 10, done.append)])
    for _ in range(5):
        maintenance.round()
        clock.advance(5)
    assert done == [False, False, False]


def test_asking_runs_every_task_once(clock: FrozenClock) -> None:
    done = list[str]()
    tasks = [
        ScheduledTask("one", 10, lambda asked: done.append(f"one {asked}")),
        ScheduledTask("two", 10_000, lambda asked: done.append(f"two {asked}")),
    ]
    maintenance = Maintenance(clock, tasks)
    maintenance.round()
    done.clear()
    maintenance.ask()
    maintenance.round()
    maintenance.round()
    assert done == ["one True", "two True"]


def test_a_task_that_fails_stops_no_other(clock: FrozenClock) -> None:
    done, tried = list[bool](), list[bool]()

    def broken(asked: bool) -> None:
        tried.append(asked)
        raise ZeroDivisionError

    maintenance = Maintenance(
        clock, [ScheduledTask("broken", 1, broken), ScheduledTask("good", 1, done.append)]
    )
    for _ in range(2):
        clock.advance(1)
        maintenance.round()
    assert (len(tried), len(done)) == (2, 2)
