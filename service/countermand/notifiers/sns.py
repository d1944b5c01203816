"""Alerts by SNS: email for people, JSON for machines, attributes for filter policies.

Each protocol gets the part that fits it:
https://docs.aws.amazon.com/sns/latest/dg/sns-send-custom-platform-specific-payloads-mobile-devices.html
"""

import json
from collections.abc import Mapping

from countermand.core.errors import Permanent
from countermand.core.model import Alert
from countermand.ports import Topic

_MACHINES = ("sqs", "lambda", "http", "https", "firehose")


class SnsNotifier:
    """The notifier of one topic."""

    channel = "sns"

    def __init__(self, topic: Topic) -> None:
        self._topic = topic

    def send(self, alert: Alert) -> str:
        """Publish the alert; if SNS refuses its content, publish a shortened one instead."""
        try:
            return self._topic.publish(alert.subject, _parts(alert), alert.attributes)
        except Permanent:
            return self._topic.publish(*_smallest(alert))


def _parts(alert: Alert) -> str:
    document = json.dumps(alert.document)
    parts = {"default": alert.subject, "email": alert.text, "email-json": document}
    return json.dumps(parts | dict.fromkeys(_MACHINES, document))


def _smallest(alert: Alert) -> tuple[str, str, Mapping[str, str]]:
    # With the attributes: without them, no subscription with a filter policy would get it.
    about = {key: alert.document.get(key) for key in ("decision_id", "event_id", "decision_url")}
    return (
        "Countermand alert (shortened)",
        json.dumps({"default": json.dumps(about)}),
        alert.attributes,
    )
