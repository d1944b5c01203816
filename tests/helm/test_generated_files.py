"""The generated files of the chart are fresh, and every value has a description."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from support.chart import CHART, ROOT

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
README = (CHART / "README.md").read_text()


def test_the_generated_files_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "chart_files.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_values_and_schema_have_the_same_keys() -> None:
    assert set(_paths(VALUES, SCHEMA)) == set(_schema_paths(SCHEMA)) - {"global"}


def test_every_value_is_described_in_the_readme() -> None:
    rows = [line.split(" | ") for line in README.splitlines() if line.startswith("| `")]
    described = {row[0].strip("| `"): row[3].strip(" |") for row in rows}
    assert described.keys() == set(_paths(VALUES, SCHEMA))
    assert [path for path, text in described.items() if len(text) < 10] == []


def test_only_maps_of_kubernetes_allow_unknown_keys() -> None:
    open_maps = {path for path, s in _objects(SCHEMA, "") if "additionalProperties" not in s}
    assert open_maps == {
        *("global", "affinity", "tolerations[]"),
        *("networkPolicy.ingressFrom[]", "networkPolicy.extraEgress[]", "extraEnv[].valueFrom"),
    }


def _paths(values: Mapping[str, Any], schema: Mapping[str, Any], base: str = "") -> Iterator[str]:
    for key, value in values.items():
        below = schema["properties"].get(key, {})
        if "properties" in below:
            yield from _paths(value, below, f"{base}{key}.")
        else:
            yield base + key


def _schema_paths(schema: Mapping[str, Any], base: str = "") -> Iterator[str]:
    for key, below in schema["properties"].items():
        if "properties" in below:
            yield from _schema_paths(below, f"{base}{key}.")
        else:
            yield base + key


def _objects(schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if schema.get("type") == "object":
        yield path, schema
    for key, below in schema.get("properties", {}).items():
        yield from _objects(below, f"{path}.{key}".lstrip("."))
    if "items" in schema:
        yield from _objects(schema["items"], f"{path}[]")
