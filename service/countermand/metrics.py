"""Everything that Prometheus can see: one table, on a registry of its own.

The worker counts messages, the pipeline counts decisions, and `aws/` counts its errors. Labels come
from enums, rule files and our own code, never from an event: with a user, an ARN or an ID as label,
an attacker could fill the memory of the worker and of Prometheus with new series.
"""

import platform
from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import partial

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from countermand import __version__
from countermand.core import aws_codes
from countermand.core.governance.possible import DecisionLabels
from countermand.core.model import StepStatus

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
"""Content type of what `Metrics.render` returns."""

OTHER = "other"
"""Label for every AWS error code that is not in `core.aws_codes`."""

_MINUTES_BUCKETS = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 3600, 21600, 86400)
"""CloudTrail delivers in seconds or minutes; an outage of EventBridge lasts up to a day."""
_SECONDS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Settlement(StrEnum):
    """What became of a message in the hands of the worker."""

    DELETED = "deleted"
    DELETE_FAILED = "delete_failed"
    RETURNED = "returned"
    """Made visible again, at once or after a backoff."""
    LEFT = "left"
    """Not touched: another worker has the event, or SQS did not answer."""
    DEAD_LETTERED = "dead_lettered"
    """Returned although it can never succeed, for SQS to move it to the dead-letter queue."""


class AlertStatus(StrEnum):
    """How an attempt to alert one channel ended."""

    SENT = "sent"
    FAILED = "failed"


class Metrics:
    """One instance for the process, shared by its threads; the attributes are the table."""

    def __init__(self) -> None:
        # A switch of the whole library. Without it, each counter has a second series, `_created`.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        counter = partial(Counter, namespace="countermand", registry=self.registry)
        gauge = partial(Gauge, namespace="countermand", registry=self.registry)
        histogram = partial(Histogram, namespace="countermand", registry=self.registry)

        self.events_received = counter(
            "events_received_total", "Messages received from the queue, repeated ones included."
        )
        self.events_ignored = counter(
            "events_ignored_total", "Events that no rule matched; deleted without a decision."
        )
        self.events_malformed = counter(
            "events_malformed_total",
            "Messages whose body cannot be evaluated; SQS moves them to the DLQ.",
        )
        self.events_duplicate = counter(
            "events_duplicate_total", "Events that were decided before, by their event ID."
        )
        self.decisions = counter(
            "decisions_total",
            "Finished decisions by the leading rule, its severity, its verdict, the guard that "
            "decided, and the mode.",
            ["rule_id", "severity", "verdict", "guard", "mode"],
        )
        self.remediations = counter(
            "remediations_total",
            "Remediation steps by action and how they ended (applied, unchanged, simulated, "
            "failed); a step that is retried counts again.",
            ["action", "status"],
        )
        self.alerts = counter(
            "alerts_total",
            "Alerts by channel and whether they got through (sent, failed).",
            ["channel", "status"],
        )
        self.settlements = counter(
            "settlements_total",
            "Messages by how the worker acknowledged them (deleted, delete_failed, returned, "
            "left, dead_lettered); a message that comes back counts again.",
            ["result"],
        )
        self.rule_failures = counter(
            "rule_failures_total", "Checks that raised, by rule: a bug in the rule.", ["rule_id"]
        )
        self.aws_errors = counter(
            "aws_errors_total",
            "Failed AWS calls by service, operation and error code; an unknown code counts as "
            f"{OTHER}.",
            ["service", "operation", "code"],
        )
        self.event_to_receipt = histogram(
            "event_to_receipt_seconds",
            "Seconds from the API call, as CloudTrail dates it, to the receipt of its event.",
            buckets=_MINUTES_BUCKETS,
        )
        self.receipt_to_decision = histogram(
            "receipt_to_decision_seconds",
            "Seconds from the receipt of an event to its decision, live reads included.",
            buckets=_SECONDS_BUCKETS,
        )
        self.event_to_remediation = histogram(
            "event_to_remediation_seconds",
            "Seconds from the API call, as CloudTrail dates it, to its verified remediation.",
            buckets=_MINUTES_BUCKETS,
        )
        self.messages_in_flight = gauge(
            "messages_in_flight", "Messages in hand: received and not acknowledged yet."
        )
        self.last_successful_poll = gauge(
            "last_successful_poll_timestamp_seconds",
            "Unix time of the last answer from the queue, with or without messages; 0 before it.",
        )
        self.rules = gauge("rules", "Rules in force.")
        self.rules_stale = gauge(
            "rules_stale",
            "1 if a rule file is invalid, so that the previous rules stay in force; else 0.",
        )
        gauge(
            "build_info", "Always 1; the labels give the version that runs.", ["version", "python"]
        ).labels(version=__version__, python=platform.python_version()).set(1)

    def expect(
        self, actions: Iterable[str], channels: Iterable[str], calls: Iterable[str] = ()
    ) -> None:
        """Show these series as 0 from the start; `calls` are AWS calls, such as `iam:GetUser`.

        `increase()` misses the first step of a counter from nothing to 1, and the first failed
        remediation is the one that matters.
        """
        for result in Settlement:
            self.settlements.labels(result=result)
        for action in actions:
            for step_status in StepStatus:
                self.remediations.labels(action=action, status=step_status)
        for channel in channels:
            for alert_status in AlertStatus:
                self.alerts.labels(channel=channel, status=alert_status)
        for call in calls:
            service, _, operation = call.partition(":")
            # Not every known code: they would be three times as many series, nearly all impossible.
            for code in (*aws_codes.usual(service), OTHER):
                self.aws_errors.labels(service=service, operation=operation, code=code)

    def rules_in_force(
        self, rule_ids: Sequence[str], decisions: Iterable[DecisionLabels], *, stale: bool
    ) -> None:
        """Show how many rules are in force, and the failures and decisions of each as 0 from the
        start.
        """
        self.rules.set(len(rule_ids))
        self.rules_stale.set(stale)
        for rule_id in rule_ids:
            self.rule_failures.labels(rule_id=rule_id)
        for decision in decisions:
            self.decisions.labels(*decision)

    def aws_error(self, service: str, operation: str, code: str) -> None:
        """Count a failed call. `service` and `operation` are our own words; `code` may be any."""
        known = code if code in aws_codes.KNOWN else OTHER
        self.aws_errors.labels(service=service, operation=operation, code=known).inc()

    def render(self) -> bytes:
        """Return all series in Prometheus' text format, of type `CONTENT_TYPE`."""
        return generate_latest(self.registry)
