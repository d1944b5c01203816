"""The chart rejects values that cannot work before it installs anything, and says what to set."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from support.chart import CHART, Chart, merged, nested

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
LEDGER = "sqlite:/var/lib/countermand/ledger.sqlite3"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        pytest.param(
            {"settings": {"ledgerUrl": LEDGER}},
            "2 replicas cannot share an SQLite file. Set settings.ledgerUrl=dynamodb:TABLE",
            id="two workers, one SQLite file",
        ),
        pytest.param(
            {"settings": {"ledgerUrl": LEDGER}, "autoscaling": {"enabled": True}},
            "8 replicas cannot share an SQLite file",
            id="scaling an SQLite file",
        ),
        pytest.param(
            {"settings": {"ledgerUrl": "sqlite:ledger.sqlite3"}, "replicaCount": 1},
            "for example, sqlite:/var/lib/countermand/ledger.sqlite3",
            id="SQLite outside the volume",
        ),
        pytest.param(
            {"settings": {"ledgerUrl": "sqlite:/var/lib/countermand/../x"}, "replicaCount": 1},
            "must be on the volume",
            id="SQLite outside the volume by dots",
        ),
        pytest.param(
            {"settings": {"ledgerUrl": None}},
            "must be on the volume",
            id="the service's own default ledger",
        ),
        pytest.param(
            {
                "settings": {"ruleOverrides": "/etc/own.yaml"},
                "rules": {"overrides": {"some_rule": {"mode": "observe"}}},
            },
            "the worker reads one file of overrides, and rules.overrides creates one",
            id="two files of overrides",
        ),
        pytest.param(
            {"settings": {"apiHost": "127.0.0.1"}},
            "settings.apiHost: the kubelet cannot reach 127.0.0.1",
            id="API on the loopback address",
        ),
        pytest.param(
            {"settings": {"apiHost": None}},
            "settings.apiHost: the kubelet cannot reach 127.0.0.1",
            id="API on the service's own default address",
        ),
        pytest.param(
            {"apiToken": {"secretName": None}},
            "apiToken.secretName: required, because without a token anyone",
            id="no token",
        ),
        pytest.param(
            {"autoscaling": {"enabled": True, "minReplicas": 9}},
            "autoscaling.minReplicas: 9 exceeds autoscaling.maxReplicas, 8",
            id="scaling upside down",
        ),
        pytest.param(
            {
                "serviceAccount": {
                    "create": False,
                    "roleArn": "arn:aws:iam::111122223333:role/countermand",
                }
            },
            "annotate your own",
            id="role for a foreign account",
        ),
    ],
)
def test_impossible_values_are_rejected_with_advice(
    chart: Chart, values: dict[str, Any], said: str
) -> None:
    assert said in chart.refusal(values)


def test_all_errors_are_reported_at_once(chart: Chart) -> None:
    done = chart.template({"settings": {"apiHost": "localhost", "ledgerUrl": LEDGER}})
    assert done.returncode != 0
    for path in ("queueUrl", "topicArn", "apiHost", "ledgerUrl"):
        assert f"- settings.{path}" in done.stderr
    assert "- apiToken.secretName" in done.stderr


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("image.digest", "sha256:abc"),
        ("image.tag", "a b"),
        ("image.repository", "HTTP://x"),
        ("image.repository", None),
        ("image.pullPolicy", "Sometimes"),
        ("replicaCount", 0),
        ("replicaCount", "2"),
        ("service.type", "ExternalName"),
        ("service.port", 65536),
        ("graceMarginSeconds", 4),
        ("serviceAccount.roleArn", "countermand"),
        ("sqlite.size", "big"),
        ("networkPolicy.httpsTo", []),
        ("networkPolicy.httpsTo", ["example.com"]),
        ("autoscaling.identity", "nobody"),
        ("serviceMonitor.interval", "30"),
        ("extraEnv", [{"name": "COUNTERMAND_MODE", "value": "enforce"}]),
        ("extraEnv", [{"name": "countermand_mode", "value": "enforce"}]),
        ("extraEnv", [{"value": "x"}]),
        ("nodeSelector", {"a": 1}),
        ("resources", {"request": {}}),
        ("settings", None),
    ],
)
def test_a_malformed_value_is_rejected_by_name(chart: Chart, path: str, value: object) -> None:
    assert path.rpartition(".")[2] in chart.refusal(nested(path, value))


def test_unknown_values_are_rejected_at_every_level(chart: Chart) -> None:
    sections = [k for k, s in SCHEMA["properties"].items() if "properties" in s]
    wrong: dict[str, Any] = {"misspelled": 1}
    for section in sections:
        wrong = merged(wrong, nested(f"{section}.{section}Misspelled", 1))
    refusal = chart.refusal(wrong)
    assert len(sections) > 10
    assert [
        s for s in ("misspelled", *(f"{s}Misspelled" for s in sections)) if s not in refusal
    ] == []


def test_a_chart_without_its_files_says_so(chart: Chart, tmp_path: Path) -> None:
    bare = _without_files(chart, tmp_path)
    assert "without alert rules" in bare.refusal({"prometheusRule": {"enabled": True}})
    assert "without dashboards" in bare.refusal({"dashboards": {"enabled": True}})
    assert bare.render()


def _without_files(chart: Chart, tmp_path: Path) -> Chart:
    copy = tmp_path / "bare"
    shutil.copytree(CHART, copy, ignore=shutil.ignore_patterns("files"))
    return Chart(chart.helm, tmp_path, copy)
