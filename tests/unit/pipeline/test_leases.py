"""Leases in hand: which leases the heartbeat renews."""

from datetime import timedelta

import pytest

from countermand.core.errors import CountermandError, LostLease, Transient
from countermand.pipeline.leases import Leases
from countermand.ports import EventLease
from support.fakes import FrozenClock, Recorder

LEASE, DEADLINE = timedelta(seconds=75), timedelta(seconds=240)


class FakeLedger(Recorder):
    def renew(self, lease: EventLease, seconds: float) -> None:
        self.record("renew", lease.key, seconds)

    @property
    def renewed(self) -> list[object]:
        return [key for key, _ in self.called("renew")]


class Scene:
    def __init__(self) -> None:
        self.ledger, self.clock = FakeLedger(), FrozenClock()
        self.leases = Leases(self.ledger, self.clock, LEASE, DEADLINE)  # type: ignore[arg-type]


def lease(key: str) -> EventLease:
    return EventLease(key, "worker-1", fencing_token=1)


def test_a_lease_is_renewed_while_it_is_held() -> None:
    scene = Scene()
    with scene.leases.held(lease("one")):
        scene.leases.renew_all()
    scene.leases.renew_all()
    assert scene.ledger.called("renew") == [("one", 75.0)]


def test_a_lease_is_dropped_when_its_steps_fail() -> None:
    scene = Scene()
    with pytest.raises(Transient), scene.leases.held(lease("one")):
        raise Transient("throttled")
    scene.leases.renew_all()
    assert scene.ledger.renewed == []


def test_a_hanging_call_does_not_keep_its_lease() -> None:
    scene = Scene()
    with scene.leases.held(lease("one")):
        scene.clock.advance(239)
        with scene.leases.held(lease("two")):
            scene.clock.advance(1)
            scene.leases.renew_all()
    assert scene.ledger.renewed == ["two"]


@pytest.mark.parametrize("error", [LostLease("taken over"), Transient("throttled")])
def test_a_failed_renewal_costs_no_other_lease(error: CountermandError) -> None:
    scene = Scene()
    scene.ledger.fail["renew"] = [error]
    with scene.leases.held(lease("one")), scene.leases.held(lease("two")):
        scene.leases.renew_all()
    assert scene.ledger.renewed == ["one", "two"]
