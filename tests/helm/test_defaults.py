"""What the minimum values install."""

from collections import Counter

import pytest

from countermand import __version__
from support.chart import CHART, LEAST, Chart, environment, found


def test_the_minimum_values_install_two_workers(chart: Chart) -> None:
    manifests = chart.render()
    kinds = ["ConfigMap", "Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service"]
    assert Counter(m["kind"] for m in manifests) == Counter([*kinds, "ServiceAccount"])
    assert found(manifests, "Deployment")["spec"]["replicas"] == 2
    assert environment(manifests)["COUNTERMAND_LEDGER_URL"] == "dynamodb:countermand"


def test_the_default_mode_reverts_nothing(chart: Chart) -> None:
    assert environment(chart.render())["COUNTERMAND_MODE"] == "dry-run"


def test_the_pod_meets_the_restricted_standard(chart: Chart) -> None:
    pod = found(chart.render(), "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    for context in (pod["securityContext"], container["securityContext"]):
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] == 10001
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & pod.keys()
    assert all("hostPath" not in volume for volume in pod["volumes"])


def test_the_worker_gets_no_kubernetes_api_token(chart: Chart) -> None:
    manifests = chart.render()
    assert found(manifests, "ServiceAccount")["automountServiceAccountToken"] is False
    pod = found(manifests, "Deployment")["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False


@pytest.mark.parametrize(("drain", "margin"), [(25, 10), (110, 5), (1, 600)])
def test_the_grace_period_exceeds_the_drain(chart: Chart, drain: int, margin: int) -> None:
    values = {"settings": {"drainSeconds": drain}, "graceMarginSeconds": margin}
    pod = found(chart.render(values), "Deployment")["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == drain + margin > drain


def test_probes_use_the_port_of_the_api(chart: Chart) -> None:
    manifests = chart.render({"settings": {"apiPort": 9000}})
    (container,) = found(manifests, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["ports"] == [{"name": "http", "containerPort": 9000, "protocol": "TCP"}]
    assert environment(manifests)["COUNTERMAND_API_PORT"] == "9000"
    paths = {p: container[p]["httpGet"]["path"] for p in container if p.endswith("Probe")}
    assert paths == {
        "startupProbe": "/livez",
        "livenessProbe": "/livez",
        "readinessProbe": "/readyz",
    }
    assert {container[p]["httpGet"]["port"] for p in paths} == {"http"}


def test_every_selector_matches_the_pods(chart: Chart) -> None:
    manifests = chart.render({"serviceMonitor": {"enabled": True}})
    template = found(manifests, "Deployment")["spec"]["template"]
    # Without the version: during an upgrade, the selectors must match the old pods too.
    own = {"app.kubernetes.io/name": "countermand", "app.kubernetes.io/instance": "guard"}
    assert own.items() <= template["metadata"]["labels"].items()
    spec = {m["kind"]: m["spec"] for m in manifests if "spec" in m}
    selectors = [
        spec["Deployment"]["selector"]["matchLabels"],
        spec["PodDisruptionBudget"]["selector"]["matchLabels"],
        spec["NetworkPolicy"]["podSelector"]["matchLabels"],
        spec["Service"]["selector"],
        *(c["labelSelector"]["matchLabels"] for c in template["spec"]["topologySpreadConstraints"]),
    ]
    assert selectors == [own] * 6
    assert spec["ServiceMonitor"]["selector"]["matchLabels"] == own
    assert own.items() <= found(manifests, "Service")["metadata"]["labels"].items()


def test_only_a_changed_setting_restarts_the_pods(chart: Chart) -> None:
    def annotations(mode: str) -> object:
        manifests = chart.render({"settings": {"mode": mode}})
        return found(manifests, "Deployment")["spec"]["template"]["metadata"]["annotations"]

    assert annotations("observe") != annotations("dry-run") == annotations("dry-run")


def test_the_chart_has_the_version_of_the_service(chart: Chart) -> None:
    manifests = chart.render()
    (container,) = found(manifests, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["image"].endswith(f":{__version__}")
    assert f"\nversion: {__version__}\n" in (CHART / "Chart.yaml").read_text()


@pytest.mark.parametrize("release", ["guard", "countermand", "123", "a" * 53])
def test_names_are_valid_and_begin_with_the_release(chart: Chart, release: str) -> None:
    names = [m["metadata"]["name"] for m in chart.render(release=release)]
    assert all(isinstance(name, str) and len(name) <= 63 for name in names)
    assert all(name.startswith(release[:40]) for name in names)


def test_two_releases_share_no_object(chart: Chart) -> None:
    def names(release: str) -> set[tuple[str, str]]:
        return {(m["kind"], m["metadata"]["name"]) for m in chart.render(release=release)}

    assert not names("one") & names("two")


def test_helm_lint_finds_nothing(chart: Chart) -> None:
    done = chart.call("lint", "--strict", str(CHART), values=LEAST)
    assert done.returncode == 0, done.stdout + done.stderr
