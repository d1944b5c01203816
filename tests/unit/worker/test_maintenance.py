"""Chores are done when they are due, or when somebody asks."""

from countermand.worker.maintenance import Chore, Upkeep
from support.fakes import FrozenClock


def test_a_chore_is_done_at_the_start_and_when_it_is_due(clock: FrozenClock) -> None:
    done = list[bool]()
    upkeep = Upkeep(clock, [Chore("some", 10, done.append)])
    for _ in range(5):
        upkeep.round()
        clock.advance(5)
    assert done == [False, False, False]


def test_asking_has_every_chore_done_once(clock: FrozenClock) -> None:
    done = list[str]()
    chores = [
        Chore("one", 10, lambda asked: done.append(f"one {asked}")),
        Chore("two", 10_000, lambda asked: done.append(f"two {asked}")),
    ]
    upkeep = Upkeep(clock, chores)
    upkeep.round()
    done.clear()
    upkeep.ask()
    upkeep.round()
    upkeep.round()
    assert done == ["one True", "two True"]


def test_a_chore_that_breaks_stops_no_other_and_is_tried_again(clock: FrozenClock) -> None:
    done, tried = list[bool](), list[bool]()

    def broken(asked: bool) -> None:
        tried.append(asked)
        raise ZeroDivisionError

    upkeep = Upkeep(clock, [Chore("broken", 1, broken), Chore("good", 1, done.append)])
    for _ in range(2):
        clock.advance(1)
        upkeep.round()
    assert (len(tried), len(done)) == (2, 2)
