"""The worker: what becomes of a message after each answer of the pipeline, and how it stops."""

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from countermand.core.errors import LostLease, Malformed, Transient
from countermand.core.parse import parse
from countermand.metrics import Metrics
from countermand.pipeline.pipeline import Result
from countermand.pipeline.recheck import Recheck
from countermand.pipeline.schedule import Schedule
from countermand.worker.worker import Timing, Worker, backoff
from support.fakes import FakeQueue, FrozenClock
from support.stage import attack

TIMING = Timing(threads=4, heartbeat=0.05, drain=5)


class FakeLeases:
    def __init__(self) -> None:
        self.renewed = threading.Event()

    def renew_all(self) -> None:
        self.renewed.set()


class FakePipeline:
    """Answers by body; `answers[body]` may be an exception or a function."""

    def __init__(self, clock: FrozenClock) -> None:
        self.rechecker = SimpleNamespace(schedule=Schedule[Recheck](clock))
        self.answers: dict[str, Any] = {}
        self.handled: list[str] = []
        self.rechecked: list[float] = []
        self.leases = FakeLeases()

    def handle(self, body: str) -> Result:
        self.handled.append(body)
        answer = self.answers.get(body, Result.DECIDED)
        if isinstance(answer, Exception):
            raise answer
        handled: Result = answer() if callable(answer) else answer
        return handled

    def recheck(self, recheck: Recheck) -> None:
        self.rechecked.append(recheck.after_seconds)


class Plant:
    """A running worker between a fake queue and a fake pipeline."""

    def __init__(self, timing: Timing = TIMING) -> None:
        self.clock = FrozenClock()
        self.queue = FakeQueue(self.clock)
        self.pipeline = FakePipeline(self.clock)
        self.metrics = Metrics()
        self.worker = Worker(self.queue, self.pipeline, self.clock, self.metrics, timing)  # type: ignore[arg-type]

    def counted(self, result: str) -> float | None:
        """Messages by what became of them."""
        name, labels = "countermand_settlements_total", {"result": result}
        return self.metrics.registry.get_sample_value(name, labels)

    def wait(self, condition: Callable[[], bool]) -> bool:
        return self.queue.wait_for(condition)


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether it holds within ten seconds; for what no queue call announces."""
    tick = threading.Event()
    return any(condition() or tick.wait(0.01) or condition() for _ in range(1000))


@pytest.fixture
def plant() -> Iterator[Plant]:
    plant = Plant()
    yield plant
    if plant.worker.stats().threads:
        plant.worker.drain()


def test_a_handled_message_is_deleted(plant: Plant) -> None:
    plant.queue.put("a", "b", "c")
    plant.worker.start()
    assert plant.wait(lambda: len(plant.queue.deleted) == 3)


def test_a_failed_delete_is_tried_again(plant: Plant) -> None:
    plant.queue.put("a", "b")
    plant.queue.fail_deletes("1", 2)
    plant.worker.start()
    assert plant.wait(lambda: sorted(plant.queue.deleted) == ["1", "2"])


def test_a_delete_that_keeps_failing_is_counted(plant: Plant) -> None:
    plant.queue.put("a")
    plant.queue.fail_deletes("1", 99)
    plant.worker.start()
    assert plant.wait(lambda: len(plant.queue.called("delete")) == 3)
    plant.worker.drain()
    assert plant.counted("delete_failed") == 1
    assert plant.queue.deleted == []


def test_a_rejected_message_goes_to_the_dlq_alone(plant: Plant) -> None:
    plant.pipeline.answers["poison"] = Malformed("not JSON")
    plant.queue.put(*"1234", "poison", *"56789")
    plant.worker.start()
    assert plant.wait(lambda: len(plant.queue.deleted) == 9 and plant.queue.dead == ["poison"])
    assert plant.counted("dead_lettered") == 3


def test_a_bad_message_backs_off_without_redrive() -> None:
    """Without a redrive policy a bad message backs off."""
    plant = Plant()
    plant.queue.max_receives = 10_000
    plant.pipeline.answers["poison"] = Malformed("not JSON")
    plant.queue.put("poison")
    plant.worker.start()
    assert plant.wait(lambda: ("1", 900) in plant.queue.called("return_in"))
    plant.worker.drain()
    assert len(plant.pipeline.handled) < 30


def test_a_transient_failure_can_set_its_delay(plant: Plant) -> None:
    """A transient failure returns after its delay."""
    plant.pipeline.answers["a"] = Transient("busy", retry_in=42)
    plant.queue.put("a")
    plant.worker.start()
    assert plant.wait(lambda: ("1", 42) in plant.queue.called("return_in"))
    assert plant.queue.deleted == []


def test_a_transient_failure_backs_off(plant: Plant) -> None:
    """A transient failure without delay backs off."""
    plant.pipeline.answers["a"] = Transient("throttled")
    plant.queue.put("a")
    plant.worker.start()
    assert plant.wait(lambda: bool(plant.queue.called("return_in")))
    ((_, seconds),) = plant.queue.called("return_in")
    assert isinstance(seconds, float)
    assert 1 <= seconds <= 15


def test_a_lost_lease_leaves_the_message(plant: Plant) -> None:
    plant.pipeline.answers["a"] = LostLease()
    plant.queue.put("a", "b")
    plant.worker.start()
    assert plant.wait(lambda: plant.queue.deleted == ["2"])
    plant.worker.drain()
    assert plant.counted("left") == 1
    assert plant.queue.called("return_in") == []


def test_a_bug_returns_the_message(plant: Plant) -> None:
    """A bug returns the message and stops nothing."""
    plant.pipeline.answers["a"] = ZeroDivisionError()
    plant.queue.put("a", "b")
    plant.worker.start()
    assert plant.wait(lambda: plant.queue.deleted == ["2"])
    assert plant.wait(lambda: bool(plant.queue.called("return_in")))
    assert "handle-0" in plant.worker.stats().threads


def test_it_receives_no_more_than_free_threads(plant: Plant) -> None:
    gate = threading.Event()

    def slowly() -> Result:
        gate.wait(10)
        return Result.DECIDED

    plant.pipeline.answers |= {"slow-1": slowly, "slow-2": slowly, "slow-3": slowly}
    plant.queue.put("slow-1", "slow-2", "slow-3")
    plant.worker.start()
    assert plant.wait(lambda: len(plant.pipeline.handled) == 3)
    plant.queue.put("d")
    assert plant.wait(lambda: "d" in plant.pipeline.handled)
    assert {asked for asked, _ in plant.queue.called("receive")} == {4, 1}
    gate.set()


def test_only_the_first_poll_does_not_wait(plant: Plant) -> None:
    plant.worker.start()
    assert plant.queue.waiting.wait(5)
    assert plant.queue.called("receive")[:2] == [(4, 0), (4, 20)]


def test_a_failed_receive_is_tried_again(plant: Plant) -> None:
    plant.queue.fail["receive"] = [Transient("sqs:ReceiveMessage failed")]
    plant.queue.put("a")
    plant.worker.start()
    assert plant.wait(lambda: plant.queue.deleted == ["1"])


def test_the_heartbeat_extends_both(plant: Plant) -> None:
    """The heartbeat extends visibility and leases."""
    gate = threading.Event()
    plant.pipeline.answers["slow"] = lambda: gate.wait(10) and Result.DECIDED
    plant.queue.put("slow")
    plant.worker.start()
    assert plant.wait(lambda: ("1", 60) in plant.queue.called("return_in"))
    assert plant.pipeline.leases.renewed.wait(5)
    gate.set()


def recheck(seconds: float) -> Recheck:
    return Recheck(parse(attack()), seconds)


def test_a_remediation_is_rechecked_when_due(plant: Plant) -> None:
    plant.worker.start()
    plant.pipeline.rechecker.schedule.add(15, recheck(15))
    plant.pipeline.rechecker.schedule.add(5, recheck(5))
    plant.clock.advance(6)
    assert eventually(lambda: plant.pipeline.rechecked == [5])
    plant.clock.advance(10)
    assert eventually(lambda: plant.pipeline.rechecked == [5, 15])


def test_a_stopping_worker_logs_dropped_rechecks(
    plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    plant.worker.start()
    plant.pipeline.rechecker.schedule.add(300, recheck(300))
    plant.worker.drain()
    assert eventually(lambda: "recheck" not in plant.worker.stats().threads)
    assert "Recheck dropped" in capsys.readouterr().out


def test_an_idle_worker_stops_while_it_polls(plant: Plant) -> None:
    plant.worker.start()
    assert plant.queue.waiting.wait(5)
    plant.worker.request_stop()
    assert plant.worker.wait()
    assert plant.worker.drain()


def test_a_drain_finishes_what_is_in_hand(plant: Plant) -> None:
    started, gate = threading.Event(), threading.Event()

    def slowly() -> Result:
        started.set()
        gate.wait(10)
        return Result.DECIDED

    plant.pipeline.answers["slow"] = slowly
    plant.queue.put("slow")
    plant.worker.start()
    assert started.wait(5)
    threading.Timer(0.1, gate.set).start()
    assert plant.worker.drain()
    assert plant.queue.deleted == ["1"]


def test_a_drain_ends_when_the_queue_hangs() -> None:
    """A drain ends in time when the queue hangs."""
    plant = Plant(Timing(threads=1, drain=3))
    started, gate = threading.Event(), threading.Event()

    def stuck() -> Result:
        started.set()
        gate.wait(30)
        return Result.DECIDED

    plant.pipeline.answers["stuck"] = stuck
    plant.queue.put("stuck")
    plant.worker.start()
    assert started.wait(5)
    plant.queue.hang = gate
    before = plant.clock.monotonic()
    waited = threading.Thread(target=plant.worker.drain)
    waited.start()
    waited.join(10)
    assert not waited.is_alive(), f"still draining after {plant.clock.monotonic() - before} s"
    gate.set()


def test_a_drain_returns_what_it_cannot_finish() -> None:
    plant = Plant(Timing(threads=1, drain=1))
    started, gate = threading.Event(), threading.Event()

    def stuck() -> Result:
        started.set()
        gate.wait(10)
        return Result.DECIDED

    plant.pipeline.answers["stuck"] = stuck
    plant.queue.put("stuck")
    plant.worker.start()
    assert started.wait(5)
    assert not plant.worker.drain()
    assert ("1", 0) in plant.queue.called("return_in")
    gate.set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_dies_ends_the_worker(plant: Plant) -> None:
    plant.queue.fail["receive"] = [MemoryError()]
    plant.worker.start()
    assert plant.worker.wait() is False


def test_backoff_doubles_with_jitter_up_to_a_cap() -> None:
    def largest(_low: float, high: float) -> float:
        return high

    def smallest(low: float, _high: float) -> float:
        return low

    assert [backoff(n, 15, 900, largest) for n in (1, 2, 3, 8, 1000)] == [15, 30, 60, 900, 900]
    assert backoff(5, 15, 900, smallest) == 1
