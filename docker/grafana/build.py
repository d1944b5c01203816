"""Writes the two dashboards from the tables below; `make dashboards` runs it. Do not edit the JSON.

Each `Panel` gives a title, a unit, and queries with their legends. `tests/monitoring` runs every
query against a real Prometheus and fails if a panel shows no data.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SOURCE = {"type": "prometheus", "uid": "countermand-prometheus"}
_SELECTOR = 'job="$job"'
_COLUMNS = 24


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel; `queries` holds pairs of PromQL expression and legend."""

    title: str
    description: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    red_above: float | None = None
    """From this value on, Grafana shows the panel in red."""


@dataclass(frozen=True, slots=True)
class Row:
    """One heading and its panels."""

    title: str
    panels: Sequence[Panel]


def of(metric: str, *labels: str) -> str:
    """Select a metric of the chosen job."""
    return f"countermand_{metric}{{{','.join([_SELECTOR, *labels])}}}"


def rate(metric: str, *labels: str) -> str:
    """Build the rate of a metric per second."""
    return f"rate({of(metric, *labels)}[$__rate_interval])"


def increase(metric: str, *labels: str) -> str:
    """Build the increase of a metric over the selected time range."""
    return f"increase({of(metric, *labels)}[$__range])"


def quantiles(metric: str) -> list[tuple[str, str]]:
    """Build the queries for p50, p90, and p99 of a histogram."""
    buckets = f"sum by (le) ({rate(f'{metric}_bucket')})"
    return [(f"histogram_quantile(0.{q}, {buckets})", f"p{q}") for q in (50, 90, 99)]


OPERATIONS = (
    Row(
        "Health",
        (
            Panel(
                "Workers up",
                "Workers that Prometheus can scrape. At 0, no worker evaluates events.",
                [(f"sum(up{{{_SELECTOR}}})", "up")],
                kind="stat",
                width=4,
                height=5,
            ),
            Panel(
                "Time since the last successful poll",
                "The longest time among all workers. A poll takes up to 20 s.",
                [(f"max(time() - {of('last_successful_poll_timestamp_seconds')})", "age")],
                unit="s",
                kind="stat",
                width=5,
                height=5,
                red_above=60,
            ),
            Panel(
                "Messages received",
                "In the selected time range. 0 for hours in an active account: no events arrive.",
                [(f"sum({increase('events_received_total')})", "received")],
                kind="stat",
                width=5,
                height=5,
            ),
            Panel(
                "Malformed messages",
                "In the selected time range. SQS dead-letters messages that cannot be parsed.",
                [(f"sum({increase('events_malformed_total')})", "malformed")],
                kind="stat",
                width=5,
                height=5,
                red_above=1,
            ),
            Panel(
                "Failed alerts",
                "In the selected time range. If it rises, alerts are not being delivered.",
                [("sum(" + increase("alerts_total", 'status="failed"') + ")", "failed")],
                kind="stat",
                width=5,
                height=5,
                red_above=1,
            ),
        ),
    ),
    Row(
        "Throughput",
        (
            Panel(
                "Messages received and ignored",
                "No rule matches an ignored event. A duplicate was handled before.",
                [
                    (f"sum({rate('events_received_total')})", "received"),
                    (f"sum({rate('events_ignored_total')})", "ignored"),
                    (f"sum({rate('events_duplicate_total')})", "duplicate"),
                ],
                unit="reqps",
            ),
            Panel(
                "Messages by result",
                "Deleted, returned to the queue, left to another worker, or left for the DLQ.",
                [(f"sum by (result) ({rate('settlements_total')})", "{{result}}")],
                unit="reqps",
            ),
            Panel(
                "Messages in progress",
                "Add workers if it stays at the number of threads.",
                [(of("messages_in_flight"), "{{instance}}")],
            ),
        ),
    ),
    Row(
        "Latency",
        (
            Panel(
                "Age of events when received",
                "Includes CloudTrail, EventBridge, and the wait in the queue.",
                quantiles("event_to_receipt_seconds"),
                unit="s",
            ),
            Panel(
                "Receipt to decision",
                "Includes the live reads.",
                quantiles("receipt_to_decision_seconds"),
                unit="s",
            ),
            Panel(
                "CPU and memory",
                "For each worker.",
                [
                    (f"rate(process_cpu_seconds_total{{{_SELECTOR}}}[$__rate_interval])", "CPU"),
                    (f"process_resident_memory_bytes{{{_SELECTOR}}} / 1048576", "MiB"),
                ],
            ),
        ),
    ),
    Row(
        "Errors",
        (
            Panel(
                "Failed AWS calls",
                "By call and AWS error code. Access denied means a missing permission.",
                [
                    (
                        f"sum by (service, operation, code) ({rate('aws_errors_total')})",
                        "{{service}}:{{operation}} {{code}}",
                    )
                ],
                unit="reqps",
                width=12,
            ),
            Panel(
                "Failed rules",
                "A condition raised an exception. It approves nothing, and it is a bug.",
                [(f"sum by (rule_id) ({increase('rule_failures_total')})", "{{rule_id}}")],
                width=4,
            ),
            Panel(
                "Rules",
                "Rules in effect, and workers on old rules because a changed file is invalid.",
                [
                    (f"min({of('rules')})", "in effect"),
                    (f"sum({of('rules_stale')})", "workers with old rules"),
                ],
                width=4,
            ),
            Panel(
                "Versions",
                "Two versions mean an upgrade. If they stay, the upgrade has stopped.",
                [(f"count by (version, python) ({of('build_info')})", "{{version}} on {{python}}")],
                width=4,
            ),
        ),
    ),
)

SECURITY = (
    Row(
        "Decisions",
        (
            Panel(
                "Decisions by verdict",
                "Countermand reverts `remediate` in enforce mode and simulates it in dry run.",
                [(f"sum by (verdict) ({increase('decisions_total')})", "{{verdict}}")],
                kind="bargauge",
                width=6,
            ),
            Panel(
                "Decisions by severity over time",
                "Severity of the leading rule, per minute.",
                [(f"sum by (severity) ({rate('decisions_total')}) * 60", "{{severity}}")],
                width=9,
            ),
            Panel(
                "Top rules",
                "In the selected time range.",
                [(f"topk(10, sum by (rule_id) ({increase('decisions_total')}))", "{{rule_id}}")],
                kind="bargauge",
                width=9,
            ),
        ),
    ),
    Row(
        "Remediation",
        (
            Panel(
                "Remediations",
                "By status. Revert the change of a failed step manually now.",
                [(f"sum by (status) ({increase('remediations_total')})", "{{status}}")],
                kind="bargauge",
                width=8,
            ),
            Panel(
                "Exposure: from the change to its confirmed removal",
                "During this time the caller could use the new permissions.",
                quantiles("event_to_remediation_seconds"),
                unit="s",
                width=8,
            ),
            Panel(
                "Decisions by mode",
                "Dry run and observe change nothing in AWS.",
                [(f"sum by (mode) ({increase('decisions_total')})", "{{mode}}")],
                kind="bargauge",
                width=8,
            ),
        ),
    ),
    Row(
        "Reasons and alerts",
        (
            Panel(
                "Decisions by guard",
                "The guard of the leading ruling. `approved` allows the remediation.",
                [(f"sum by (guard) ({increase('decisions_total')})", "{{guard}}")],
                kind="bargauge",
                width=12,
            ),
            Panel(
                "Exceptions and undos",
                "exception: the tag approved the change. undone: a person restored it.",
                [
                    (
                        "sum by (guard) ("
                        + increase("decisions_total", 'guard=~"exception|undone"')
                        + ")",
                        "{{guard}}",
                    )
                ],
                width=6,
            ),
            Panel(
                "Alerts",
                "By channel and status.",
                [
                    (
                        f"sum by (channel, status) ({increase('alerts_total')})",
                        "{{channel}} {{status}}",
                    )
                ],
                width=6,
            ),
        ),
    ),
)


def dashboard(uid: str, title: str, rows: Sequence[Row]) -> dict[str, Any]:
    """Build a dashboard in the form that Grafana provisions."""
    return {
        "uid": uid,
        "title": title,
        "tags": ["countermand"],
        "schemaVersion": 41,
        "editable": False,
        "timezone": "utc",
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_job()]},
        "panels": list(_panels(rows)),
    }


def _job() -> dict[str, Any]:
    """Build the variable for the job, which in Kubernetes has the name of the Helm release."""
    return {
        "name": "job",
        "label": "Job",
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": "label_values(countermand_build_info, job)", "refId": "job"},
        "refresh": 2,
        "current": {"text": "countermand", "value": "countermand"},
    }


def _panels(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    number, y = 0, 0
    for row in rows:
        number += 1
        place = {"x": 0, "y": y, "w": _COLUMNS, "h": 1}
        yield {"id": number, "type": "row", "title": row.title, "gridPos": place, "panels": []}
        y, x = y + 1, 0
        for panel in row.panels:
            number += 1
            place = {"x": x, "y": y, "w": panel.width, "h": panel.height}
            x += panel.width
            yield _panel(number, panel) | {"gridPos": place}
        y += max(panel.height for panel in row.panels)


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.red_above is not None:
        steps.append({"color": "red", "value": panel.red_above})
    thresholds = {"mode": "absolute", "steps": steps}
    instant = panel.kind != "timeseries"
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "thresholds": thresholds},
            "overrides": [],
        },
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": SOURCE,
                "expr": expression,
                "legendFormat": legend,
                "instant": instant,
                "range": not instant,
            }
            for index, (expression, legend) in enumerate(panel.queries)
        ],
    }


DASHBOARDS = {
    "operations.json": dashboard("countermand-operations", "Countermand: operations", OPERATIONS),
    "security.json": dashboard("countermand-security", "Countermand: security", SECURITY),
}


def main() -> None:
    """Write the dashboards into the given folder, by default beside this file."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "dashboards"
    for name, board in DASHBOARDS.items():
        (folder / name).write_text(json.dumps(board, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
