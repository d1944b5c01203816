"""Channels: what SNS is given, and that no channel silences or repeats another."""

import json
from dataclasses import replace

import pytest

from countermand.core.decide import decide
from countermand.core.errors import Denied, Permanent, Transient
from countermand.core.model import (
    Alert,
    Call,
    Guard,
    Mode,
    Outcome,
    Reason,
    Record,
    Ruling,
    Step,
    StepStatus,
    Timings,
    Verdict,
)
from countermand.metrics import Metrics
from countermand.notifiers.sns import SnsNotifier
from countermand.pipeline.notify import AlertDispatcher
from support.fakes import ACCOUNT, NOW, FakeNotifier, FakeTopic
from support.findings import a_finding, an_event

ALERT = Alert(
    subject="[CRITICAL] iam-test-user: reverted",
    text="Two\nlines\n",
    document={
        "decision_id": "d-1",
        "event_id": "1",
        "decision_url": "http://api",
        "annotations": [],
    },
    attributes={"severity": "critical", "account_id": ACCOUNT},
)
DOCUMENT = dict(ALERT.document)


def record(status: StepStatus = StepStatus.APPLIED) -> Record:
    event, finding = an_event(), a_finding()
    reasons = (Reason(Guard.APPROVED, "Approved for remediation"),)
    ruling = Ruling(finding, Verdict.REMEDIATE, reasons, Mode.ENFORCE, notify=True)
    decision = decide(event, [ruling])
    step = Step(Call("detach_user_policy", {}), finding.rule_id, Mode.ENFORCE)
    return Record(decision, Timings(received_at=NOW), (Outcome(step, status, ""),))


# --- SNS


def test_each_protocol_gets_the_part_that_fits_it() -> None:
    topic = FakeTopic()
    assert SnsNotifier(topic).send(ALERT) == "message-1"
    ((subject, message, attributes),) = topic.called("publish")
    assert subject == ALERT.subject
    assert attributes == ALERT.attributes
    assert isinstance(message, str)
    parts = json.loads(message)
    assert parts.pop("default") == ALERT.subject
    assert parts.pop("email") == ALERT.text
    assert set(parts) == {"email-json", "sqs", "lambda", "http", "https", "firehose"}
    for part in parts.values():
        assert json.loads(part) == DOCUMENT


def test_every_part_is_text_as_sns_demands() -> None:
    topic = FakeTopic()
    SnsNotifier(topic).send(ALERT)
    ((_, message, _),) = topic.called("publish")
    assert all(isinstance(part, str) for part in json.loads(str(message)).values())
    assert str(message).isascii()


def test_refused_content_is_sent_shortened() -> None:
    """Content that SNS refuses is sent shortened."""
    topic = FakeTopic()
    topic.fail["publish"] = [Permanent("sns:Publish failed: InvalidParameter")]
    assert SnsNotifier(topic).send(ALERT) == "message-1"
    _, (subject, message, attributes) = topic.called("publish")
    assert subject == "Countermand alert (shortened)"
    assert attributes == ALERT.attributes
    (default,) = json.loads(str(message)).values()
    assert json.loads(default) == {
        "decision_id": "d-1",
        "event_id": "1",
        "decision_url": "http://api",
    }


def test_content_refused_twice_is_a_failure() -> None:
    """Content that SNS refuses even when shortened is a failure."""
    topic = FakeTopic()
    topic.fail["publish"] = [Permanent("InvalidParameter"), Permanent("InvalidParameter")]
    with pytest.raises(Permanent):
        SnsNotifier(topic).send(ALERT)
    assert len(topic.called("publish")) == 2


@pytest.mark.parametrize("error", [Denied("AuthorizationError"), Transient("InternalError")])
def test_another_failure_is_not_sent_shortened(error: Exception) -> None:
    topic = FakeTopic()
    topic.fail["publish"] = [error]
    with pytest.raises(type(error)):
        SnsNotifier(topic).send(ALERT)
    assert len(topic.called("publish")) == 1


# --- all channels


class Channels:
    def __init__(self, *names: str) -> None:
        self.notifiers = [FakeNotifier(name) for name in names]
        self.metrics = Metrics()
        self.dispatcher = AlertDispatcher(self.notifiers, "http://api", self.metrics)

    def sent(self) -> list[int]:
        return [len(notifier.alerts) for notifier in self.notifiers]

    def count(self, channel: str, status: str) -> float:
        labels = {"channel": channel, "status": status}
        value = self.metrics.registry.get_sample_value("countermand_alerts_total", labels)
        return value or 0.0


def test_every_channel_is_alerted() -> None:
    channels = Channels("sns", "chat")
    notified = channels.dispatcher.notify(record())
    assert notified.keys == ("sns:applied", "chat:applied")
    assert notified.failed == ()
    assert channels.sent() == [1, 1]


@pytest.mark.parametrize("dead", [0, 1])
@pytest.mark.parametrize("error", [Transient("down"), Denied("no right"), Permanent("refused")])
def test_a_dead_channel_silences_no_other(dead: int, error: Exception) -> None:
    """A dead channel does not silence the other one."""
    channels = Channels("sns", "chat")
    channels.notifiers[dead].fail["send"] = [error]
    notified = channels.dispatcher.notify(record())
    assert notified.failed == (channels.notifiers[dead].channel,)
    assert notified.keys == (f"{channels.notifiers[1 - dead].channel}:applied",)
    assert sum(channels.sent()) == 1


def test_only_the_failed_channel_is_alerted_again() -> None:
    channels = Channels("sns", "chat")
    channels.notifiers[0].fail["send"] = [Transient("down")]
    notified = channels.dispatcher.notify(record())
    notified = channels.dispatcher.notify(replace(record(), notified=notified.keys))
    assert notified.keys == ("chat:applied", "sns:applied")
    assert notified.failed == ()
    assert channels.sent() == [1, 1]


def test_only_a_new_outcome_alerts_again() -> None:
    channels = Channels("sns")
    failed = record(StepStatus.FAILED)
    notified = channels.dispatcher.notify(failed).keys
    assert channels.dispatcher.notify(replace(failed, notified=notified)).keys == notified
    assert channels.sent() == [1]
    notified = channels.dispatcher.notify(replace(record(), notified=notified)).keys
    assert notified == ("sns:failed", "sns:applied")
    assert channels.sent() == [2]


def test_without_channels_nothing_fails() -> None:
    notified = Channels().dispatcher.notify(record())
    assert (notified.keys, notified.failed) == ((), ())


def test_sent_and_failed_alerts_are_counted() -> None:
    """Alerts that were sent and alerts that failed are counted."""
    channels = Channels("sns", "chat")
    channels.notifiers[1].fail["send"] = [Transient("down")]
    channels.dispatcher.notify(record())
    assert channels.count("sns", "sent") == 1
    assert channels.count("chat", "failed") == 1


def test_a_bug_fails_one_channel_alone() -> None:
    """A bug in a notifier fails that channel alone."""
    channels = Channels("sns", "mail")
    channels.notifiers[0].fail["send"] = [ZeroDivisionError()]
    notified = channels.dispatcher.notify(record())
    assert notified.failed == ("sns",)
    assert len(channels.notifiers[1].alerts) == 1
