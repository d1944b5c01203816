"""The dashboards and alert rules for the tests of monitoring."""

import runpy
from typing import Any

import yaml

from support.tools import ROOT

GRAFANA, PROMETHEUS = ROOT / "docker/grafana", ROOT / "docker/prometheus"
BUILT: dict[str, dict[str, Any]] = runpy.run_path(str(GRAFANA / "build.py"))["DASHBOARDS"]
ALERTS: list[dict[str, Any]] = yaml.safe_load((PROMETHEUS / "rules/countermand.yml").read_text())[
    "groups"
][0]["rules"]
