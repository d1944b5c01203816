"""Every object is valid in several versions of Kubernetes."""

from typing import Any

import kubernetes_validate
import pytest

from support.chart import SQLITE, Chart

VERSIONS = ("1.28", "1.31", "1.34", "1.37")
CUSTOM = {"ScaledObject", "TriggerAuthentication", "ServiceMonitor", "PrometheusRule"}
"""Kinds of KEDA and the Prometheus operator, for which Kubernetes has no schema."""
EVERYTHING: dict[str, Any] = {
    "commonLabels": {"team": "security"},
    "imagePullSecrets": [{"name": "registry"}],
    "extraEnv": [{"name": "AWS_ENDPOINT_URL", "value": "http://localstack:4566"}],
    "serviceAccount": {"roleArn": "arn:aws:iam::111122223333:role/countermand"},
    "service": {"type": "LoadBalancer", "annotations": {"a": "b"}},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"nodeAffinity": {}},
    "priorityClassName": "high",
    "podAnnotations": {"a": "b"},
    "podLabels": {"a": "b"},
    "networkPolicy": {
        "ingressFrom": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}],
        "extraEgress": [{"to": [{"podSelector": {}}], "ports": [{"port": 4566}]}],
    },
    "autoscaling": {"enabled": True, "identity": "workload"},
    "serviceMonitor": {"enabled": True},
}


@pytest.mark.parametrize("values", [{}, SQLITE, EVERYTHING], ids=["least", "sqlite", "everything"])
def test_every_object_is_valid_in_kubernetes(chart: Chart, values: dict[str, Any]) -> None:
    manifests = [m for m in chart.render(values) if m["kind"] not in CUSTOM]
    assert len(manifests) >= 6
    for version in VERSIONS:
        for manifest in manifests:
            kubernetes_validate.validate(manifest, version, strict=True)


def test_the_validation_rejects_a_misspelled_field(chart: Chart) -> None:
    (deployment,) = (m for m in chart.render() if m["kind"] == "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["imagePullPolice"] = "Always"
    for version in VERSIONS:
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(deployment, version, strict=True)
