import re
import shutil
from itertools import product
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from countermand import __version__
from countermand.actions import ALL
from countermand.core import aws_codes
from countermand.core.aws_codes import DENIED, PERMANENT
from countermand.core.governance.possible import DecisionLabels
from countermand.core.model import Mode, Severity, StepStatus, Verdict
from countermand.metrics import CONTENT_TYPE, AlertStatus, Metrics, Settlement
from countermand.rules.rulebook import BUILT_IN, Rulebook

PROMISED_LABELS = {
    "countermand_rules": (),
    "countermand_rules_stale": (),
    "countermand_events_received_total": (),
    "countermand_events_ignored_total": (),
    "countermand_events_malformed_total": (),
    "countermand_events_duplicate_total": (),
    "countermand_decisions_total": ("rule_id", "severity", "verdict", "guard", "mode"),
    "countermand_remediations_total": ("action", "status"),
    "countermand_alerts_total": ("channel", "status"),
    "countermand_settlements_total": ("result",),
    "countermand_rule_failures_total": ("rule_id",),
    "countermand_aws_errors_total": ("service", "operation", "code"),
    "countermand_event_to_receipt_seconds": (),
    "countermand_receipt_to_decision_seconds": (),
    "countermand_event_to_remediation_seconds": (),
    "countermand_messages_in_flight": (),
    "countermand_last_successful_poll_timestamp_seconds": (),
    "countermand_build_info": ("version", "python"),
}
UNITLESS = {
    "countermand_messages_in_flight",
    "countermand_build_info",
    "countermand_rules",
    "countermand_rules_stale",
}


def full_names(metrics: Metrics) -> dict[str, tuple[str, ...]]:
    """Exposed name and label names of every metric of ours."""
    table = {}
    for attribute in vars(metrics).values():
        if hasattr(attribute, "_labelnames"):
            name = attribute.describe()[0].name
            suffix = "_total" if attribute.describe()[0].type == "counter" else ""
            table[name + suffix] = attribute._labelnames
    return table


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def test_the_names_and_labels_are_promised() -> None:
    """The names and labels are the promised ones."""
    table = full_names(Metrics())
    promised = PROMISED_LABELS.copy()
    del promised["countermand_build_info"]
    assert table == promised


def test_every_name_ends_in_its_unit() -> None:
    for name in PROMISED_LABELS.keys() - UNITLESS:
        assert name.endswith(("_total", "_seconds")), name


def test_no_label_holds_an_identifier() -> None:
    closed = {
        "rule_id", "severity", "verdict", "guard", "mode", "action", "status", "channel", "result",
        "service", "operation", "code", "version", "python",
    }  # fmt: skip
    assert {label for labels in PROMISED_LABELS.values() for label in labels} == closed


def test_every_series_has_a_help_text() -> None:
    """Every series has a help text that names its labels."""
    text = Metrics().render().decode()
    helps = dict(re.findall(r"^# HELP (countermand_\w+) (.+)$", text, re.MULTILINE))
    words = {"rule_id": "rule", "status": "how they ended|got through", "result": "how"}
    assert set(helps) == set(PROMISED_LABELS)
    for name, labels in PROMISED_LABELS.items():
        for label in set(labels) - {"python"}:
            assert re.search(words.get(label, label), helps[name]), (name, label)


@pytest.mark.parametrize(
    "code",
    ["Throttling", "NoSuchEntity", "EndpointConnectionError", *sorted(DENIED), *sorted(PERMANENT)],
)
def test_a_known_error_code_is_a_label(code: str) -> None:
    """A known error code is counted under its name."""
    metrics = Metrics()
    metrics.aws_error("iam", "GetUser", code)
    labels = (("code", code), ("operation", "GetUser"), ("service", "iam"))
    assert samples(metrics)["countermand_aws_errors_total", labels] == 1


def test_unknown_error_codes_are_one_series() -> None:
    """An attacker can choose the text of an error code."""
    metrics = Metrics()
    for number in range(1000):
        metrics.aws_error("iam", "GetUser", f'x{number}"}}\n evil')
    found = [k for k in samples(metrics) if k[0] == "countermand_aws_errors_total"]
    assert [dict(labels)["code"] for _, labels in found] == ["other"]


def test_expected_series_begin_at_zero() -> None:
    metrics = Metrics()
    decision = DecisionLabels("some_rule", "high", "alert_only", "scope", "dry-run")
    metrics.rules_in_force(["some_rule"], [decision], stale=False)
    metrics.expect(["detach_user_policy"], ["sns"], ["iam:GetUser"])
    found = samples(metrics)
    for result in Settlement:
        assert found["countermand_settlements_total", (("result", result),)] == 0
    for action, step in product(["detach_user_policy"], StepStatus):
        key = (("action", action), ("status", step))
        assert found["countermand_remediations_total", key] == 0
    for alert in AlertStatus:
        assert found["countermand_alerts_total", (("channel", "sns"), ("status", alert))] == 0
    assert found["countermand_rule_failures_total", (("rule_id", "some_rule"),)] == 0
    assert found["countermand_rules", ()] == 1
    assert found["countermand_rules_stale", ()] == 0
    labels = tuple(sorted(decision._asdict().items()))
    assert found["countermand_decisions_total", labels] == 0
    for code in ("AccessDenied", "ThrottlingException", "NoCredentials", "other"):
        labels = (("code", code), ("operation", "GetUser"), ("service", "iam"))
        assert found["countermand_aws_errors_total", labels] == 0


@pytest.mark.parametrize("mode", Mode)
def test_series_of_a_worker_are_few_enough(mode: Mode) -> None:
    """All decisions of all rules begin at 0, and a scrape stays small."""
    metrics = Metrics()
    rulebook = Rulebook(ALL, BUILT_IN, metrics=metrics, mode=mode)
    found = [key for key in samples(metrics) if key[0] == "countermand_decisions_total"]
    assert {dict(labels)["rule_id"] for _, labels in found} == {r.id for r in rulebook.rules.every}
    assert len(found) < 2_600
    assert len(metrics.render()) < 500_000


def test_a_reload_shows_the_new_rule_at_zero(tmp_path: Path) -> None:
    metrics = Metrics()
    first, added = sorted(BUILT_IN.rglob("admin_policy_attached_to_[gu]*.yaml"))[:2]
    shutil.copy(first, tmp_path)
    rulebook = Rulebook(ALL, tmp_path, metrics=metrics, mode=Mode.DRY_RUN)
    shutil.copy(added, tmp_path)
    rulebook.refresh()
    series = [key for key in samples(metrics) if key[0] == "countermand_decisions_total"]
    found = [key for key in series if dict(key[1])["rule_id"] == added.stem]
    assert {dict(labels)["mode"] for _, labels in found} == {"dry-run"}
    verdicts = {dict(labels)["verdict"] for _, labels in found}
    assert verdicts == {"remediate", "alert_only", "skip"}


def test_codes_that_alerts_ask_for_are_usual() -> None:
    """The alert on missing permissions has a 0 to count from, for each service that says so."""
    usual = {code for service in ("iam", "sns", "sqs", "ec2") for code in aws_codes.usual(service)}
    assert DENIED - usual <= {"KMSAccessDeniedException"}
    assert usual <= aws_codes.KNOWN


def test_enums_become_their_plain_words() -> None:
    metrics = Metrics()
    metrics.decisions.labels(
        rule_id="r",
        severity=Severity.HIGH,
        verdict=Verdict.REMEDIATE,
        guard="approved",
        mode=Mode.DRY_RUN,
    ).inc()
    labels = (
        ("guard", "approved"),
        ("mode", "dry-run"),
        ("rule_id", "r"),
        ("severity", "high"),
        ("verdict", "remediate"),
    )
    assert samples(metrics)["countermand_decisions_total", labels] == 1


def test_the_exposition_has_no_created_series() -> None:
    """The process metrics are there."""
    metrics = Metrics()
    metrics.events_received.inc()
    metrics.event_to_receipt.observe(3)
    text = metrics.render().decode()
    assert "_created" not in text
    assert "process_resident_memory_bytes" in text
    assert f'version="{__version__}"' in text
    assert CONTENT_TYPE.startswith("text/plain; version=")


def test_two_instances_share_nothing() -> None:
    one, other = Metrics(), Metrics()
    one.events_received.inc()
    assert samples(other)["countermand_events_received_total", ()] == 0
