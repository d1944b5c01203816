"""Probes: what they ask, how often, and what they answer."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from countermand.core.errors import Denied, Transient
from countermand.worker.health import WorkerHealth
from countermand.worker.worker import WorkerStats
from support.fakes import FrozenClock, Recorder


class Asked(Recorder):
    """The ledger and AWS, as a probe sees them."""

    def check(self) -> None:
        self.record("check")

    def identify(self) -> None:
        self.record("identify")


class Scene:
    def __init__(self) -> None:
        self.clock, self.asked = FrozenClock(), Asked()
        now = self.clock.monotonic()
        self.stats = WorkerStats(frozenset({"receive"}), last_poll=now, last_round=now)
        worker: Any = SimpleNamespace(stats=lambda: self.stats)
        ledger: Any = self.asked
        self.health = WorkerHealth(worker, ledger, self.clock, self.asked.identify)

    def ready(self) -> dict[str, bool]:
        return {check.name: check.ok for check in self.health.ready()}


def test_all_is_well_when_everything_answers() -> None:
    assert Scene().ready() == {
        "worker_loop": True,
        "queue": True,
        "ledger": True,
        "credentials": True,
    }


def test_many_probes_share_one_check() -> None:
    """Many probes cost one write and one call."""
    scene = Scene()
    for _ in range(100):
        scene.ready()
    assert scene.asked.calls == [("check", ()), ("identify", ())]


@pytest.mark.parametrize(("name", "asks"), [("ledger", "check"), ("credentials", "identify")])
def test_a_failure_is_kept_for_some_seconds(name: str, asks: str) -> None:
    scene = Scene()
    scene.asked.fail[asks] = [Denied("refused")]
    assert scene.ready()[name] is False
    scene.clock.advance(4)
    assert scene.ready()[name] is False
    scene.clock.advance(2)
    assert scene.ready()[name] is True


def test_a_ledger_that_breaks_later_is_seen() -> None:
    """The health check sees a broken ledger within seconds."""
    scene = Scene()
    scene.ready()
    scene.asked.fail["check"] = [Transient("disk full")]
    scene.clock.advance(6)
    assert scene.ready()["ledger"] is False


def test_a_silent_queue_is_not_a_stopped_loop() -> None:
    scene = Scene()
    scene.clock.advance(61)
    assert scene.ready()["queue"] is False
    assert scene.health.alive().ok
    scene.clock.advance(30)
    assert not scene.health.alive().ok
    scene.stats = replace(scene.stats, last_poll=None)
    assert scene.ready()["queue"] is False
