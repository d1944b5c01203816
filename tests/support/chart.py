"""`helm template` for the tests: from values to objects, or to the reason for a refusal."""

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
"""The minimum values of the chart."""
SQLITE: dict[str, Any] = {
    "replicaCount": 1,
    "settings": {"ledgerUrl": "sqlite:/var/lib/countermand/ledger.sqlite3"},
}
"""One worker with its ledger in a file."""

Manifest = dict[str, Any]


def nested(path: str, value: object) -> dict[str, Any]:
    """Build a nested dictionary: `a.b`, 1 -> {"a": {"b": 1}}."""
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
    """Return the only object of a kind."""
    (only,) = (m for m in manifests if m["kind"] == kind)
    return only


def environment(manifests: list[Manifest], pod_name: str = "pod-1") -> dict[str, str]:
    """Return the variables of the container, with the Secret's token and the pod's name."""
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
    """The chart with one version of Helm."""

    helm: str
    folder: Path
    path: Path = CHART

    def render(
        self, values: Mapping[str, Any] | None = None, *, release: str = "guard"
    ) -> list[Manifest]:
        """Render every object with the minimum values and these."""
        done = self.template(merged(LEAST, values or {}), release=release)
        assert done.returncode == 0, done.stderr
        return [m for m in yaml.safe_load_all(done.stdout) if m]

    def refusal(self, values: Mapping[str, Any]) -> str:
        """Return the reason why the chart rejects the minimum values with these."""
        done = self.template(merged(LEAST, values))
        assert done.returncode != 0, "accepted"
        return done.stderr

    def template(
        self, values: Mapping[str, Any], *, release: str = "guard"
    ) -> subprocess.CompletedProcess[str]:
        return self.call("template", release, str(self.path), values=values)

    def call(self, *words: str, values: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
        """Run Helm with values in a file and with its own home folder."""
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
