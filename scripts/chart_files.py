"""Generate the parts of the chart that have another source: `chart_files.py [--check]`.

    service/countermand/settings/    -> the settings in values.yaml and values.schema.json
    values.yaml, values.schema.json  -> the table in README.md
    docker/prometheus/rules/         -> files/alerts/      (a chart reads only its own folder)
    docker/grafana/dashboards/       -> files/dashboards/

With --check, it writes nothing and exits with 1 if a file is stale.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import wrap
from typing import Any

import yaml
from pydantic.fields import FieldInfo

from countermand.settings import Settings, variable

ROOT = Path(__file__).parents[1]
CHART = ROOT / "helm" / "countermand"
COPIES = {
    (ROOT / "docker/prometheus/rules", "*.yml"): CHART / "files/alerts",
    (ROOT / "docker/grafana/dashboards", "*.json"): CHART / "files/dashboards",
}
ELSEWHERE = {"api_token": "apiToken.secretName", "replicas": "replicaCount"}
"""Settings that the chart takes from a value outside `settings`, and that value."""
CHART_DEFAULTS: Mapping[str, Any] = {
    "api_host": "0.0.0.0",  # noqa: S104 - the kubelet probes the pod's address
    "ledger_url": "dynamodb:countermand",
    "log_stream": None,
}
"""Defaults that differ in a cluster from those of a single process."""
CHART_NOTES = {
    "api_host": "In a cluster it cannot be a loopback address: the kubelet must reach it.",
    "ledger_url": "An SQLite file must be in /var/lib/countermand and requires replicaCount=1.",
    "log_stream": "If unset, the chart uses the pod name.",
    "recheck_seconds": "In the chart, a list.",
}
BEGIN = (
    "# --- settings: written by `make chart-files` from service/countermand/settings/ ---\n",
    "# --- settings: end ---\n",
)
README_MARK = "<!-- values: written by `make chart-files`; do not edit below -->\n"


def value_name(field: str) -> str:
    """Return the chart's name of a field: `queue_url` -> `queueUrl`."""
    head, *rest = field.split("_")
    return head + "".join(map(str.capitalize, rest))


def values_of_settings() -> dict[str, FieldInfo]:
    """Return the fields that are values of `settings`, by field name."""
    return {n: f for n, f in Settings.model_fields.items() if n not in ELSEWHERE}


def default(name: str, field: FieldInfo) -> object:
    """Return the chart's default as a JSON value; None if the field has no default."""
    if name in CHART_DEFAULTS:
        return CHART_DEFAULTS[name]
    value = None if field.is_required() else field.default
    return list(value) if isinstance(value, tuple) else value


def meaning(name: str, field: FieldInfo) -> str:
    """Return the description, with the note for clusters and the name of the variable."""
    required = "Required." if field.is_required() else None
    text = (field.description, CHART_NOTES.get(name), required, f"(`{variable(name)}`)")
    return " ".join(part for part in text if part)


def settings_yaml() -> str:
    """Build the `settings` block of values.yaml."""
    lines = ["settings:"]
    for name, field in values_of_settings().items():
        lines += [f"  # {line}" for line in wrap(meaning(name, field), 94, break_on_hyphens=False)]
        lines.append(f"  {value_name(name)}: {json.dumps(default(name, field))}")
    return "\n".join(lines) + "\n"


def settings_schema() -> dict[str, Any]:
    """Build the `settings` part of values.schema.json."""
    known = Settings.model_json_schema()
    properties = {
        value_name(name): _property(known, name, field)
        for name, field in values_of_settings().items()
    }
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _property(known: Mapping[str, Any], name: str, field: FieldInfo) -> dict[str, Any]:
    """Build the schema of a field; it also allows null, with which Helm removes a default."""
    schema = dict(known["properties"][name])
    if "$ref" in schema:
        schema |= known["$defs"][schema.pop("$ref").rpartition("/")[2]]
    schema |= next((s for s in schema.pop("anyOf", ()) if s.get("type") != "null"), {})
    for noise in ("default", "examples", "title", "section", "lists", "description"):
        schema.pop(noise, None)
    if schema["type"] == "array" and field.default:  # Settings would treat an empty list as unset
        schema["minItems"] = 1
    if "enum" in schema:
        schema["enum"] = [*schema["enum"], None]
    if "pattern" in schema:  # Go's \w knows only ASCII
        schema["pattern"] = schema["pattern"].replace(r"\w", r"\p{L}\p{N}_")
    if name == "api_port":  # the Service needs a fixed port, and the worker is not root
        schema["minimum"] = 1024
    schema["type"] = [schema["type"], "null"]
    return {"description": meaning(name, field), **schema}


def values_text() -> str:
    """Build values.yaml with the current settings."""
    text = (CHART / "values.yaml").read_text()
    before, begin, rest = text.partition(BEGIN[0])
    _, end, after = rest.partition(BEGIN[1])
    return before + begin + settings_yaml() + end + after


def schema_text() -> str:
    """Build values.schema.json with the current settings."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    schema["properties"]["settings"] = settings_schema()
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def readme_text() -> str:
    """Build README.md with the table of the current values and schema."""
    head = (CHART / "README.md").read_text().partition(README_MARK)[0]
    values, schema = values_text(), json.loads(schema_text())
    rows = ["| Value | Type | Default | Meaning |", "|-------|------|---------|---------|"]
    for path, (value, comment) in documented(values, schema).items():
        cells = (f"`{path}`", _type(_at(schema, path)), _shown(value), comment)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return head + README_MARK + "\n".join(["", *rows, ""])


def documented(values: str, schema: Mapping[str, Any]) -> dict[str, tuple[object, str]]:
    """Return the default of each value and the comment above it, by path.

    A map whose keys the user chooses, such as labels, is one value.
    """
    return dict(_walk(yaml.compose(values), schema, (), values.splitlines()))


def _walk(
    node: yaml.Node | None, schema: Mapping[str, Any], path: tuple[str, ...], lines: list[str]
) -> Iterator[tuple[str, tuple[object, str]]]:
    assert isinstance(node, yaml.MappingNode)  # noqa: S101 - values.yaml is our own
    for key, value in node.value:
        below = schema["properties"].get(key.value, {})
        here = (*path, key.value)
        if "properties" in below:
            yield from _walk(value, below, here, lines)
        else:
            plain = yaml.safe_load(yaml.serialize(value))
            yield ".".join(here), (plain, _comment(lines, key.start_mark.line))


def _comment(lines: list[str], line: int) -> str:
    words: list[str] = []
    while line and (match := re.fullmatch(r"\s*# ?(.*)", lines[line - 1])):
        if match[1].startswith("---"):
            break
        words.insert(0, match[1])
        line -= 1
    return " ".join(words)


def _at(schema: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    for key in path.split("."):
        schema = schema["properties"][key]
    return schema


def _type(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"] if value is not None)
    kind = schema["type"]
    kinds = [kind] if isinstance(kind, str) else [k for k in kind if k != "null"]
    bounds = [schema[b] for b in ("minimum", "maximum") if b in schema]
    return " or ".join(kinds) + (", " + " to ".join(map(str, bounds)) if bounds else "")


def _shown(value: object) -> str:
    return "" if value is None else f"`{json.dumps(value, ensure_ascii=False)}`"


def outputs() -> dict[Path, str | None]:
    """Build the text of every generated file; None for a file that should not exist."""
    found: dict[Path, str | None] = {
        CHART / "values.yaml": values_text(),
        CHART / "values.schema.json": schema_text(),
        CHART / "README.md": readme_text(),
    }
    for (source, files), copy in COPIES.items():
        found |= dict.fromkeys(copy.glob("[!.]*"))
        found |= {copy / file.name: file.read_text() for file in source.glob(files)}
    return found


def main(*, check: bool) -> int:
    """Write the files; with `check`, return 1 if any is stale."""
    stale = {f: text for f, text in outputs().items() if _current(f) != text}
    for file, text in stale.items():
        if check:
            sys.stderr.write(f"{file.relative_to(ROOT)}: stale. Run 'make chart-files'.\n")
        elif text is None:
            file.unlink()
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    return int(check and bool(stale))


def _current(file: Path) -> str | None:
    return file.read_text() if file.exists() else None


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
