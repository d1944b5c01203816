"""Writes the two dashboards from the tables below: `make dashboards`. Do not edit the JSON.

A panel is one line: its title, unit, and the queries with their legends. Every query is run
against a real Prometheus by `tests/monitoring`; a panel that shows nothing fails there.
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
    """One panel; `queries` are pairs of PromQL and legend."""

    title: str
    description: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    red_above: float | None = None
    """From here on the value is shown in red."""


@dataclass(frozen=True, slots=True)
class Row:
    """A heading with its panels."""

    title: str
    panels: Sequence[Panel]


def of(metric: str, *labels: str) -> str:
    """A series of our job."""
    return f"countermand_{metric}{{{','.join([_SELECTOR, *labels])}}}"


def rate(metric: str, *labels: str) -> str:
    """Per second."""
    return f"rate({of(metric, *labels)}[$__rate_interval])"


def increase(metric: str, *labels: str) -> str:
    """In the whole time that is shown."""
    return f"increase({of(metric, *labels)}[$__range])"


def quantiles(metric: str) -> list[tuple[str, str]]:
    """p50, p90 and p99 of a histogram."""
    buckets = f"sum by (le) ({rate(f'{metric}_bucket')})"
    return [(f"histogram_quantile(0.{q}, {buckets})", f"p{q}") for q in (50, 90, 99)]


OPERATIONS = (
    Row(
        "Is it alive, is it deaf?",
        (
            Panel(
                "Workers up",
                "Targets that Prometheus reaches. 0: nobody decides.",
                [(f"sum(up{{{_SELECTOR}}})", "up")],
                kind="stat",
                width=4,
                height=5,
            ),
            Panel(
                "Since the last answer of the queue",
                "The longest silence among the workers. A poll takes up to 20 s.",
                [(f"max(time() - {of('last_successful_poll_timestamp_seconds')})", "silence")],
                unit="s",
                kind="stat",
                width=5,
                height=5,
                red_above=60,
            ),
            Panel(
                "Messages in the time shown",
                "None for hours, in an account that is used: the path from CloudTrail is cut.",
                [(f"sum({increase('events_received_total')})", "received")],
                kind="stat",
                width=5,
                height=5,
            ),
            Panel(
                "Poisoned messages in the time shown",
                "Bodies that cannot be judged. They are in the dead-letter queue.",
                [(f"sum({increase('events_malformed_total')})", "malformed")],
                kind="stat",
                width=5,
                height=5,
                red_above=1,
            ),
            Panel(
                "Alerts that failed in the time shown",
                "They are tried again; a rising number means that nobody is told.",
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
                "Ignored: no rule matched.",
                [
                    (f"sum({rate('events_received_total')})", "received"),
                    (f"sum({rate('events_ignored_total')})", "ignored"),
                    (f"sum({rate('events_duplicate_total')})", "duplicate"),
                ],
                unit="reqps",
            ),
            Panel(
                "How messages were settled",
                "returned: comes back. left: another worker has it. poisoned: to the DLQ.",
                [(f"sum by (result) ({rate('settlements_total')})", "{{result}}")],
                unit="reqps",
            ),
            Panel(
                "Messages in hand",
                "At the number of threads for long: too few workers.",
                [(of("messages_in_flight"), "{{instance}}")],
            ),
        ),
    ),
    Row(
        "Latency",
        (
            Panel(
                "Age of events when received",
                "CloudTrail, EventBridge and the wait in the queue, as events feel it.",
                quantiles("event_to_receipt_seconds"),
                unit="s",
            ),
            Panel(
                "Receipt to decision",
                "Live reads included.",
                quantiles("receipt_to_decision_seconds"),
                unit="s",
            ),
            Panel(
                "CPU and memory",
                "Of each worker.",
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
                "By call and AWS's code. Denied ones are missing permissions.",
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
                "Rules that broke",
                "A check that raises approves nothing, and is a bug.",
                [(f"sum by (rule_id) ({increase('rule_failures_total')})", "{{rule_id}}")],
                width=4,
            ),
            Panel(
                "Rules",
                "In force, and workers whose rules are old because a changed file is bad.",
                [
                    (f"min({of('rules')})", "in force"),
                    (f"sum({of('rules_stale')})", "workers with old rules"),
                ],
                width=4,
            ),
            Panel(
                "Versions",
                "Two at a time are an upgrade; for long, an upgrade that stopped.",
                [(f"count by (version, python) ({of('build_info')})", "{{version}} on {{python}}")],
                width=4,
            ),
        ),
    ),
)

SECURITY = (
    Row(
        "What was decided",
        (
            Panel(
                "Decisions by verdict",
                "remediate is taken back in enforce mode, and rehearsed in dry run.",
                [(f"sum by (verdict) ({increase('decisions_total')})", "{{verdict}}")],
                kind="bargauge",
                width=6,
            ),
            Panel(
                "Decisions by severity over time",
                "Of the leading rule.",
                [(f"sum by (severity) ({rate('decisions_total')}) * 60", "{{severity}}")],
                width=9,
            ),
            Panel(
                "Top rules",
                "In the time shown.",
                [(f"topk(10, sum by (rule_id) ({increase('decisions_total')}))", "{{rule_id}}")],
                kind="bargauge",
                width=9,
            ),
        ),
    ),
    Row(
        "What was done",
        (
            Panel(
                "Remediations",
                "By how they ended. failed needs a human now.",
                [(f"sum by (status) ({increase('remediations_total')})", "{{status}}")],
                kind="bargauge",
                width=8,
            ),
            Panel(
                "Exposure: from the change to the proof that it is gone",
                "What was done with the grant in between has been done.",
                quantiles("event_to_remediation_seconds"),
                unit="s",
                width=8,
            ),
            Panel(
                "Decisions by mode",
                "dry-run and observe write nothing.",
                [(f"sum by (mode) ({increase('decisions_total')})", "{{mode}}")],
                kind="bargauge",
                width=8,
            ),
        ),
    ),
    Row(
        "Why not",
        (
            Panel(
                "What decided",
                "The guard of the leading ruling; approved lets a change be taken back.",
                [(f"sum by (guard) ({increase('decisions_total')})", "{{guard}}")],
                kind="bargauge",
                width=12,
            ),
            Panel(
                "Exceptions honoured and undos",
                "exception: the tag approved it. undone: a human wants the grant back.",
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
                "By channel.",
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
    """A dashboard as Grafana provisions it."""
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
    """In Kubernetes the job is named after the release."""
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
    """Write them into the folder given, or beside this file."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "dashboards"
    for name, board in DASHBOARDS.items():
        (folder / name).write_text(json.dumps(board, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
