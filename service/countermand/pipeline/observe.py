"""What a decision leaves in the log and the metrics."""

from dataclasses import asdict
from datetime import datetime

from countermand.core.caller import Caller
from countermand.core.model import Decision, Record
from countermand.logs import get_logger
from countermand.metrics import Metrics

log = get_logger(__name__)


def log_detection(decision: Decision, caller: Caller) -> None:
    """Write the audit log's line about a decision."""
    finding = decision.leading.finding
    log.warning(
        "Security detection triggered",
        rule_id=finding.rule_id,
        severity=str(finding.severity),
        verdict=str(decision.verdict),
        approved_for_remediation=decision.approved_for_remediation,
        decision_reason=decision.reason,
        mode=str(decision.mode),
        target=finding.subject.name if finding.subject else None,
        actor_arn=decision.event.actor.arn,
        caller={name: value for name, value in asdict(caller).items() if value is not None},
        techniques=finding.techniques,
        region=decision.event.region,
    )


def count(metrics: Metrics, record: Record) -> None:
    """Count a finished decision, and the rules whose checks failed."""
    decision = record.decision
    metrics.decisions.labels(
        rule_id=decision.leading.finding.rule_id,
        severity=str(decision.leading.finding.severity),
        verdict=str(decision.verdict),
        guard=decision.leading.reasons[0].guard,
        mode=str(decision.mode),
    ).inc()
    for ruling in decision.rulings:
        if ruling.finding.failure is not None:
            metrics.rule_failures.labels(rule_id=ruling.finding.rule_id).inc()


def seconds_between(earlier: datetime, later: datetime) -> float:
    """Return the seconds from one time to another; 0 if the clocks disagree on their order."""
    return max(0.0, (later - earlier).total_seconds())
