"""The files for Grafana and Prometheus are fresh and valid."""

import json
import subprocess
from itertools import combinations
from pathlib import Path

import pytest
import yaml

from countermand.metrics import Metrics
from support.boards import ALERTS, BUILT, GRAFANA, PROMETHEUS
from support.tools import ROOT


@pytest.mark.parametrize("name", BUILT)
def test_the_dashboards_are_fresh(name: str) -> None:
    written = json.loads((GRAFANA / "dashboards" / name).read_text())
    assert written == BUILT[name], "run `make dashboards`"


@pytest.mark.parametrize("name", BUILT)
def test_panels_do_not_overlap(name: str) -> None:
    places = [panel["gridPos"] for panel in BUILT[name]["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)


@pytest.mark.parametrize("name", BUILT)
def test_every_panel_has_a_description(name: str) -> None:
    for panel in BUILT[name]["panels"]:
        if panel["type"] != "row":
            assert panel["description"].endswith("."), panel["title"]


def test_the_operations_guide_covers_every_alert() -> None:
    guide = (ROOT / "docs/operations.md").read_text()
    for alert in ALERTS:
        assert alert["alert"] in guide


def test_the_alert_rules_are_valid_and_fire(prometheus: Path) -> None:
    for command in (
        ["check", "rules", "rules/countermand.yml"],
        ["test", "rules", "rules.test.yml"],
    ):
        done = subprocess.run(
            [prometheus / "promtool", *command],
            cwd=PROMETHEUS,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_test() -> None:
    tests = yaml.safe_load((PROMETHEUS / "rules.test.yml").read_text())["tests"]
    fired = {
        case["alertname"]
        for test in tests
        for case in test["alert_rule_test"]
        if case["exp_alerts"]
    }
    assert fired == {alert["alert"] for alert in ALERTS}


def test_the_metrics_pass_promtool(prometheus: Path) -> None:
    metrics = Metrics()
    metrics.rules_in_force(["a_rule"], [], stale=False)
    metrics.expect(["detach_user_policy"], ["sns"])
    done = subprocess.run(
        [prometheus / "promtool", "check", "metrics"],
        input=metrics.render(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
