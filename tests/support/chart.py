"""`helm template` for the tests: values in, objects or the reason of a refusal out."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "countermand"
MAJORS = ("helm-3", "helm-4")
QUEUE = "https://sqs.us-east-1.amazonaws.com/111122223333/countermand"
TOPIC = "arn:aws:sns:us-east-1:111122223333:countermand-alerts"
TOKEN = "correct horse battery".replace(" ", "-")
LEAST: dict[str, Any] = {
    "settings": {"queueUrl": QUEUE, "topicArn": TOPIC},
    "apiToken": {"secretName": "countermand-api"},
}
"""The fewest values that the chart takes."""
SQLITE: dict[str, Any] = {
    "replicaCount": 1,
    "settings": {"ledgerUrl": "sqlite:/var/lib/countermand/ledger.sqlite3"},
}
"""One worker with its ledger in a file."""

Manifest = dict[str, Any]


def nested(path: str, value: object) -> dict[str, Any]:
    """`a.b`, 1 -> {"a": {"b": 1}}."""
    for key in reversed(path.split(".")):
        value = {key: value}
    assert isinstance(value, dict)
    return value


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(one)
    for key, value in other.items():
        old = both.get(key)
        inner = isinstance(old, dict) and isinstance(value, dict)
        both[key] = merged(both[key], value) if inner else value
    return both


def found(manifests: list[Manifest], kind: str) -> Manifest:
    """The only object of a kind."""
    (only,) = (m for m in manifests if m["kind"] == kind)
    return only


def environment(manifests: list[Manifest], pod_name: str = "pod-1") -> dict[str, str]:
    """The variables as the container gets them, with the Secret's token and the pod's name."""
    (container,) = found(manifests, "Deployment")["spec"]["template"]["spec"]["containers"]
    (source,) = container["envFrom"]
    name = source["configMapRef"]["name"]
    (data,) = (
        m["data"] for m in manifests if (m["kind"], m["metadata"]["name"]) == ("ConfigMap", name)
    )
    variables: dict[str, str] = dict(data)
    for entry in container.get("env", ()):
        given = entry.get("valueFrom", {})
        variables[entry["name"]] = (
            TOKEN if "secretKeyRef" in given else pod_name if given else entry["value"]
        )
    return variables


@dataclass(frozen=True)
class Chart:
    """The chart, with one Helm."""

    helm: str
    folder: Path
    path: Path = CHART

    def render(
        self, values: Mapping[str, Any] | None = None, *, release: str = "guard"
    ) -> list[Manifest]:
        """Every object, with the fewest values that the chart takes and these."""
        done = self.template(merged(LEAST, values or {}), release=release)
        assert done.returncode == 0, done.stderr
        return [m for m in yaml.safe_load_all(done.stdout) if m]

    def refusal(self, values: Mapping[str, Any]) -> str:
        """Why these values, together with the fewest that the chart takes, are refused."""
        done = self.template(merged(LEAST, values))
        assert done.returncode != 0, "accepted"
        return done.stderr

    def template(
        self, values: Mapping[str, Any], *, release: str = "guard"
    ) -> subprocess.CompletedProcess[str]:
        return self.call("template", release, str(self.path), values=values)

    def call(self, *words: str, values: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
        """Helm with values in a file, and with a home of its own."""
        file = self.folder / "values.yaml"
        file.write_text(yaml.safe_dump(dict(values)))
        homes = {f"HELM_{part}_HOME": str(self.folder) for part in ("CACHE", "CONFIG", "DATA")}
        return subprocess.run(
            [self.helm, *words, "--values", str(file)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env=os.environ | homes,
        )
