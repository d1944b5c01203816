"""Acknowledging: which messages are deleted, returned and hidden, and how they are counted."""

import threading

import pytest

from countermand.core.errors import Transient
from countermand.metrics import Metrics, Settlement
from countermand.worker.ack import Acknowledger
from support.fakes import FakeQueue, FrozenClock


class Hands:
    """An acknowledger with messages of a fake queue in hand."""

    def __init__(self, messages: int) -> None:
        self.clock = FrozenClock()
        self.queue = FakeQueue(self.clock)
        self.metrics = Metrics()
        self.acks = Acknowledger(self.queue, self.clock, self.metrics)
        self.queue.put(*(f"body {number}" for number in range(messages)))
        self.messages = self.queue.receive(messages, 0)
        for message in self.messages:
            self.acks.add(message)

    def counted(self) -> dict[str, float]:
        """Messages by what became of them."""
        return {
            sample.labels["result"]: sample.value
            for metric in self.metrics.settlements.collect()
            for sample in metric.samples
            if sample.name.endswith("_total") and sample.value
        }

    def in_flight(self) -> float | None:
        return self.metrics.registry.get_sample_value("countermand_messages_in_flight")

    def hidden(self) -> list[str]:
        """Ids whose visibility was set, in order."""
        return [str(arguments[0]) for arguments in self.queue.called("return_in")]


def test_a_message_in_hand_is_counted() -> None:
    """A message in hand is counted until it is forgotten."""
    hands = Hands(2)
    assert hands.in_flight() == 2
    hands.acks.forget(hands.messages[0])
    assert hands.in_flight() == 1


def test_a_drain_wakes_with_the_last_message() -> None:
    """A waiting drain wakes with the last message."""
    hands, answers = Hands(1), list[bool]()
    waiting = threading.Thread(target=lambda: answers.append(hands.acks.wait_until_empty(60)))
    waiting.start()
    hands.acks.forget(hands.messages[0])
    waiting.join(30)
    assert answers == [True]


def test_a_returned_message_is_not_hidden_again() -> None:
    hands = Hands(1)
    hands.acks.return_in(hands.messages, 5, Settlement.RETURNED)
    hands.acks.extend(60, 240)
    assert hands.hidden() == ["1"]
    assert hands.acks.unfinished() == []
    hands.acks.forget(hands.messages[0])
    hands.acks.add(hands.messages[0])
    hands.acks.extend(60, 240)
    assert hands.hidden() == ["1", "1"]


def test_an_expired_message_is_not_hidden() -> None:
    """A message past its deadline is not hidden."""
    hands = Hands(1)
    hands.clock.advance(239)
    hands.acks.extend(60, 240)
    hands.clock.advance(1)
    hands.acks.extend(60, 240)
    assert hands.hidden() == ["1"]


def test_an_unchanged_visibility_counts_as_left() -> None:
    hands = Hands(3)
    hands.queue.unchanged = {"1"}
    hands.acks.return_in(hands.messages, 0, Settlement.RETURNED)
    assert hands.counted() == {"returned": 2, "left": 1}


def test_a_refused_batch_does_not_stop_the_next() -> None:
    hands = Hands(12)
    hands.queue.fail["return_in"] = [Transient("sqs:ChangeMessageVisibilityBatch: throttled")]
    hands.acks.return_in(hands.messages, 0, Settlement.RETURNED)
    assert hands.counted() == {"returned": 2, "left": 10}


def test_deletes_are_sent_ten_at_a_time() -> None:
    """The worker sends deletes ten at a time until the end."""
    hands = Hands(12)
    for message in hands.messages:
        hands.acks.delete(message)
    hands.acks.close()
    hands.acks.delete_loop()
    assert [len(ids) for (ids,) in hands.queue.called("delete")] == [10, 2]  # type: ignore[arg-type]
    assert len(hands.queue.deleted) == 12
    assert hands.counted() == {"deleted": 12}


@pytest.mark.parametrize(
    ("failures", "result"), [(1, "deleted"), (2, "deleted"), (3, "delete_failed")]
)
def test_a_delete_is_tried_three_times(failures: int, result: str) -> None:
    hands = Hands(1)
    hands.queue.fail["delete"] = [Transient("sqs:DeleteMessageBatch: throttled")] * failures
    hands.acks.delete(hands.messages[0])
    hands.acks.close()
    hands.acks.delete_loop()
    assert len(hands.queue.called("delete")) == min(failures + 1, 3)
    assert hands.counted() == {result: 1}


def test_messages_are_hidden_with_one_call() -> None:
    hands = Hands(3)
    hands.acks.extend(60, deadline=240)
    assert hands.queue.batches == [3]
