"""Settling: what is deleted, given back and kept hidden, and how it is counted."""

import threading

import pytest

from countermand.core.errors import Transient
from countermand.metrics import Metrics, Settlement
from countermand.worker.ack import Settler
from support.fakes import FakeQueue, FrozenClock


class Hands:
    """A settler with messages of a fake queue in hand."""

    def __init__(self, messages: int) -> None:
        self.clock = FrozenClock()
        self.queue = FakeQueue(self.clock)
        self.metrics = Metrics()
        self.settler = Settler(self.queue, self.clock, self.metrics)
        self.queue.put(*(f"body {number}" for number in range(messages)))
        self.messages = self.queue.receive(messages, 0)
        for message in self.messages:
            self.settler.add(message)

    def counted(self) -> dict[str, float]:
        """Settlements by result."""
        return {
            sample.labels["result"]: sample.value
            for metric in self.metrics.settlements.collect()
            for sample in metric.samples
            if sample.name.endswith("_total") and sample.value
        }

    def in_flight(self) -> float | None:
        return self.metrics.registry.get_sample_value("countermand_messages_in_flight")

    def hidden(self) -> list[str]:
        """Ids whose time-out was set, in order."""
        return [str(arguments[0]) for arguments in self.queue.called("return_in")]


def test_what_is_in_hand_is_counted_until_it_is_forgotten() -> None:
    hands = Hands(2)
    assert hands.in_flight() == 2
    hands.settler.forget(hands.messages[0])
    assert hands.in_flight() == 1


def test_who_waits_is_woken_when_the_last_one_is_forgotten() -> None:
    hands, answers = Hands(1), list[bool]()
    waiting = threading.Thread(target=lambda: answers.append(hands.settler.wait_until_empty(60)))
    waiting.start()
    hands.settler.forget(hands.messages[0])
    waiting.join(30)
    assert answers == [True]


def test_what_was_given_back_is_not_hidden_again_until_it_comes_again() -> None:
    hands = Hands(1)
    hands.settler.give_back(hands.messages, 5, Settlement.RETURNED)
    hands.settler.extend(60, 240)
    assert hands.hidden() == ["1"]
    assert hands.settler.unfinished() == []
    hands.settler.forget(hands.messages[0])
    hands.settler.add(hands.messages[0])
    hands.settler.extend(60, 240)
    assert hands.hidden() == ["1", "1"]


def test_only_what_is_in_hand_for_less_than_the_deadline_is_kept_hidden() -> None:
    hands = Hands(1)
    hands.clock.advance(239)
    hands.settler.extend(60, 240)
    hands.clock.advance(1)
    hands.settler.extend(60, 240)
    assert hands.hidden() == ["1"]


def test_what_sqs_does_not_give_back_is_counted_as_left_to_its_time_out() -> None:
    hands = Hands(3)
    hands.queue.return_in = lambda messages, seconds: messages[:1]  # type: ignore[method-assign]  # noqa: ARG005
    hands.settler.give_back(hands.messages, 0, Settlement.RETURNED)
    assert hands.counted() == {"returned": 2, "left": 1}


def test_a_batch_that_sqs_refuses_is_left_and_the_next_one_is_given_back() -> None:
    hands = Hands(12)
    hands.queue.fail["return_in"] = [Transient("sqs:ChangeMessageVisibilityBatch: throttled")]
    hands.settler.give_back(hands.messages, 0, Settlement.RETURNED)
    assert hands.counted() == {"returned": 2, "left": 10}


def test_deletes_that_were_handed_in_before_the_end_are_all_sent_ten_at_a_time() -> None:
    hands = Hands(12)
    for message in hands.messages:
        hands.settler.delete(message)
    hands.settler.close()
    hands.settler.delete_loop()
    assert [len(ids) for (ids,) in hands.queue.called("delete")] == [10, 2]  # type: ignore[arg-type]
    assert len(hands.queue.deleted) == 12
    assert hands.counted() == {"deleted": 12}


@pytest.mark.parametrize(
    ("failures", "result"), [(1, "deleted"), (2, "deleted"), (3, "delete_failed")]
)
def test_a_delete_is_tried_three_times_also_at_the_end(failures: int, result: str) -> None:
    hands = Hands(1)
    hands.queue.fail["delete"] = [Transient("sqs:DeleteMessageBatch: throttled")] * failures
    hands.settler.delete(hands.messages[0])
    hands.settler.close()
    hands.settler.delete_loop()
    assert len(hands.queue.called("delete")) == min(failures + 1, 3)
    assert hands.counted() == {result: 1}
