"""The effect of each value."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from countermand.actions import ALL as ACTIONS
from countermand.core.model import Mode, Severity
from countermand.rules.rulebook import BUILT_IN, load_rules
from support.chart import CHART, QUEUE, SQLITE, Chart, Manifest, environment, found, nested

DIGEST = "sha256:" + "a" * 64


def pod(manifests: list[Manifest]) -> dict[str, Any]:
    spec = found(manifests, "Deployment")["spec"]["template"]["spec"]
    assert isinstance(spec, dict)
    return spec


def kinds(manifests: list[Manifest]) -> list[str]:
    return [m["kind"] for m in manifests]


@pytest.fixture
def packed(chart: Chart, tmp_path: Path) -> Chart:
    """Return the chart with alerts and a dashboard of the test."""
    copy = tmp_path / "countermand"
    shutil.copytree(CHART, copy)
    for folder in ("alerts", "dashboards"):
        shutil.rmtree(copy / "files" / folder, ignore_errors=True)
        (copy / "files" / folder).mkdir(parents=True)
    rule = {"alert": "A", "expr": "up == 0", "annotations": {"summary": "{{ $labels.pod }}"}}
    for name in ("one", "two"):
        groups = {"groups": [{"name": name, "rules": [rule]}]}
        (copy / "files" / "alerts" / f"{name}.yml").write_text(yaml.safe_dump(groups))
    (copy / "files" / "dashboards" / "d.json").write_text('{"title": "{{instance}}"}')
    return Chart(chart.helm, tmp_path, copy)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({"tag": "1.2.3"}, "ghcr.io/countermand/countermand:1.2.3"),
        ({"repository": "r:5000/c", "tag": "1", "digest": DIGEST}, f"r:5000/c:1@{DIGEST}"),
    ],
)
def test_the_image_is_named_by_tag_and_digest(
    chart: Chart, image: dict[str, str], expected: str
) -> None:
    assert pod(chart.render({"image": image}))["containers"][0]["image"] == expected


def test_an_sqlite_ledger_gets_a_lasting_volume(chart: Chart) -> None:
    manifests = chart.render(SQLITE)
    claim = found(manifests, "PersistentVolumeClaim")
    (volume,) = pod(manifests)["volumes"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert found(manifests, "Deployment")["spec"]["strategy"] == {"type": "Recreate"}
    assert environment(manifests)["COUNTERMAND_REPLICAS"] == "1"


def test_an_sqlite_ledger_may_use_an_existing_volume(chart: Chart) -> None:
    manifests = chart.render({**SQLITE, "sqlite": {"existingClaim": "mine"}})
    assert "PersistentVolumeClaim" not in kinds(manifests)
    assert pod(manifests)["volumes"][0]["persistentVolumeClaim"] == {"claimName": "mine"}


def test_the_volume_has_the_given_size_and_class(chart: Chart) -> None:
    manifests = chart.render({**SQLITE, "sqlite": {"size": "5Gi", "storageClassName": "gp3"}})
    spec = found(manifests, "PersistentVolumeClaim")["spec"]
    assert spec["storageClassName"] == "gp3"
    assert spec["resources"] == {"requests": {"storage": "5Gi"}}


def test_without_sqlite_nothing_is_kept_on_disk(chart: Chart) -> None:
    (volume,) = pod(chart.render())["volumes"]
    assert volume == {"name": "data", "emptyDir": {"sizeLimit": "16Mi"}}


def test_the_service_account_names_the_irsa_role(chart: Chart) -> None:
    role = "arn:aws:iam::111122223333:role/countermand"
    account = {"roleArn": role, "annotations": {"a": "b"}}
    manifests = chart.render({"serviceAccount": account})
    annotations = found(manifests, "ServiceAccount")["metadata"]["annotations"]
    assert annotations == {"eks.amazonaws.com/role-arn": role, "a": "b"}
    name = found(manifests, "ServiceAccount")["metadata"]["name"]
    assert pod(manifests)["serviceAccountName"] == name


def test_a_service_account_of_your_own_is_used(chart: Chart) -> None:
    manifests = chart.render({"serviceAccount": {"create": False, "name": "mine"}})
    assert "ServiceAccount" not in kinds(manifests)
    assert pod(manifests)["serviceAccountName"] == "mine"


def test_the_token_comes_from_the_named_secret(chart: Chart) -> None:
    manifests = chart.render({"apiToken": {"secretName": "s", "secretKey": "k"}})
    (token,) = (e for e in pod(manifests)["containers"][0]["env"] if "TOKEN" in e["name"])
    assert token["valueFrom"]["secretKeyRef"] == {"name": "s", "key": "k"}
    assert "COUNTERMAND_API_TOKEN" not in found(manifests, "ConfigMap")["data"]


def test_the_api_can_allow_anonymous_access(chart: Chart) -> None:
    values = {"apiToken": {"secretName": None}, "settings": {"apiAllowAnonymous": True}}
    assert "COUNTERMAND_API_TOKEN" not in environment(chart.render(values))


def test_more_variables_reach_the_worker(chart: Chart) -> None:
    more = {"name": "AWS_ENDPOINT_URL", "value": "http://localstack:4566"}
    assert more in pod(chart.render({"extraEnv": [more]}))["containers"][0]["env"]


@pytest.mark.parametrize(
    ("switch", "kind"),
    [
        ("podDisruptionBudget.enabled", "PodDisruptionBudget"),
        ("networkPolicy.enabled", "NetworkPolicy"),
        ("serviceAccount.create", "ServiceAccount"),
    ],
)
def test_a_part_can_be_disabled(chart: Chart, switch: str, kind: str) -> None:
    assert kind not in kinds(chart.render(nested(switch, False)))


def test_workers_spread_across_zones_and_nodes(chart: Chart) -> None:
    spread = {"topologySpread": {"whenUnsatisfiable": "DoNotSchedule"}}
    constraints = pod(chart.render(spread))["topologySpreadConstraints"]
    assert [(c["topologyKey"], c["whenUnsatisfiable"]) for c in constraints] == [
        ("topology.kubernetes.io/zone", "DoNotSchedule"),
        ("kubernetes.io/hostname", "DoNotSchedule"),
    ]
    off = chart.render({"topologySpread": {"enabled": False}})
    assert "topologySpreadConstraints" not in pod(off)


def test_the_network_policy_limits_ingress(chart: Chart) -> None:
    def ingress(values: dict[str, Any]) -> object:
        return found(chart.render({"networkPolicy": values}), "NetworkPolicy")["spec"]["ingress"]

    ports = [{"port": "http", "protocol": "TCP"}]
    assert ingress({}) == [{"from": [{"podSelector": {}}], "ports": ports}]
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    assert ingress({"ingressFrom": [peer]}) == [{"from": [peer], "ports": ports}]


def test_the_network_policy_limits_egress(chart: Chart) -> None:
    extra = {"to": [{"podSelector": {}}], "ports": [{"port": 4566, "protocol": "TCP"}]}
    values = {"networkPolicy": {"httpsTo": ["10.0.0.0/16"], "extraEgress": [extra]}}
    egress = found(chart.render(values), "NetworkPolicy")["spec"]["egress"]
    ports = [[port["port"] for port in rule["ports"]] for rule in egress]
    assert ports == [[53, 53], [443], [80], [4566]]
    assert egress[1]["to"] == [{"ipBlock": {"cidr": "10.0.0.0/16"}}]
    agents = [peer["ipBlock"]["cidr"] for peer in egress[2]["to"]]
    assert agents == ["169.254.170.23/32", "fd00:ec2::23/128"]
    assert egress[3] == extra


@pytest.mark.parametrize("identity", ["operator", "workload"])
def test_the_queue_depth_scales_the_workers(chart: Chart, identity: str) -> None:
    scaling = {"enabled": True, "maxReplicas": 5, "messagesPerReplica": 7, "identity": identity}
    manifests = chart.render({"autoscaling": scaling})
    spec = found(manifests, "ScaledObject")["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 5)
    deployment = found(manifests, "Deployment")
    assert spec["scaleTargetRef"] == {"name": deployment["metadata"]["name"]}
    assert "replicas" not in deployment["spec"], "Helm and KEDA would fight over the number"
    assert environment(manifests)["COUNTERMAND_REPLICAS"] == "5"
    (trigger,) = spec["triggers"]
    assert trigger["type"] == "aws-sqs-queue"
    assert trigger["metadata"]["queueURL"] == QUEUE
    assert trigger["metadata"]["queueLength"] == "7"
    assert (trigger["metadata"].get("identityOwner") == "operator") == (identity == "operator")
    assert ("TriggerAuthentication" in kinds(manifests)) == (identity == "workload")
    assert ("authenticationRef" in trigger) == (identity == "workload")


def test_prometheus_can_scrape_the_open_metrics(chart: Chart) -> None:
    values = {"serviceMonitor": {"enabled": True, "interval": "15s", "labels": {"release": "p"}}}
    monitor = found(chart.render(values), "ServiceMonitor")
    assert monitor["metadata"]["labels"]["release"] == "p"
    assert monitor["spec"]["endpoints"] == [{"port": "http", "path": "/metrics", "interval": "15s"}]


def test_one_prometheus_rule_has_all_alerts(packed: Chart) -> None:
    values = {"prometheusRule": {"enabled": True, "labels": {"release": "p"}}}
    rule = found(packed.render(values), "PrometheusRule")
    assert rule["metadata"]["labels"]["release"] == "p"
    assert [group["name"] for group in rule["spec"]["groups"]] == ["one", "two"]
    summary = rule["spec"]["groups"][0]["rules"][0]["annotations"]["summary"]
    assert summary == "{{ $labels.pod }}", "Helm must not fill in Prometheus's placeholders"


def test_a_config_map_has_the_dashboards(packed: Chart) -> None:
    values = {"dashboards": {"enabled": True, "annotations": {"grafana_folder": "IAM"}}}
    (board,) = (m for m in packed.render(values) if m["metadata"]["name"].endswith("-dashboards"))
    assert board["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert board["metadata"]["annotations"] == {"grafana_folder": "IAM"}
    assert json.loads(board["data"]["d.json"]) == {"title": "{{instance}}"}


def test_user_labels_cannot_break_a_selector(chart: Chart) -> None:
    mine = {"app.kubernetes.io/name": "mine", "team": "security"}
    for values in ({"commonLabels": mine}, {"podLabels": mine}):
        labels = found(chart.render(values), "Deployment")["spec"]["template"]["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == "countermand"
        assert labels["team"] == "security"


def test_pods_have_the_given_placement_and_labels(chart: Chart) -> None:
    values = {
        "nodeSelector": {"kubernetes.io/arch": "arm64"},
        "tolerations": [{"key": "k", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {}},
        "priorityClassName": "system-cluster-critical",
        "imagePullSecrets": [{"name": "registry"}],
    }
    manifests = chart.render({**values, "podAnnotations": {"checksum/settings": "x", "a": "b"}})
    assert {key: pod(manifests)[key] for key in values} == values
    annotations = found(manifests, "Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert annotations["a"] == "b"
    assert annotations["checksum/settings"] != "x"


def test_the_service_has_the_given_type_and_port(chart: Chart) -> None:
    service = {"type": "LoadBalancer", "port": 80, "annotations": {"a": "b"}}
    made = found(chart.render({"service": service}), "Service")
    assert made["spec"]["type"] == "LoadBalancer"
    port = {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}
    assert made["spec"]["ports"] == [port]
    assert made["metadata"]["annotations"] == {"a": "b"}


def test_probes_have_the_given_time_limits(chart: Chart) -> None:
    probes = {"startupSeconds": 120, "livenessSeconds": 90, "readinessSeconds": 20}
    container = pod(chart.render({"probes": probes}))["containers"][0]
    patience = [
        container[p]["periodSeconds"] * container[p]["failureThreshold"]
        for p in ("startupProbe", "livenessProbe", "readinessProbe")
    ]
    assert patience == [120, 90, 20]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"nameOverride": "iam"}, "guard-iam"),
        ({"fullnameOverride": "iam"}, "iam"),
    ],
)
def test_objects_can_be_named(chart: Chart, values: dict[str, str], expected: str) -> None:
    assert found(chart.render(values), "Deployment")["metadata"]["name"] == expected


OWN_RULE = "role_assumed_at_night"
OVERRIDDEN = "admin_policy_attached_to_role"


def own_rules() -> dict[str, Any]:
    text = next(BUILT_IN.rglob("user_created.yaml")).read_text().replace("user_created", OWN_RULE)
    overrides = {OVERRIDDEN: {"mode": "observe"}, OWN_RULE: {"severity": "low"}}
    return {"rules": {"files": {f"{OWN_RULE}.yaml": text}, "overrides": overrides}}


def test_without_own_rules_nothing_is_mounted(chart: Chart) -> None:
    manifests = chart.render()
    assert [m["mountPath"] for m in pod(manifests)["containers"][0]["volumeMounts"]] == [
        "/var/lib/countermand"
    ]
    assert kinds(manifests).count("ConfigMap") == 1
    assert "COUNTERMAND_RULE_OVERRIDES" not in environment(manifests)


def test_own_rules_are_where_the_worker_reads_them(chart: Chart, tmp_path: Path) -> None:
    manifests = chart.render(own_rules())
    (volume,) = (v for v in pod(manifests)["volumes"] if v["name"] == "rules")
    (data,) = (m["data"] for m in manifests if m["metadata"]["name"] == volume["configMap"]["name"])
    for item in volume["configMap"]["items"]:
        file = tmp_path / "etc" / item["path"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(data[item["key"]])
    read = environment(manifests)
    (mount,) = (
        m["mountPath"]
        for m in pod(manifests)["containers"][0]["volumeMounts"]
        if m["name"] == "rules"
    )
    folder, overrides = (
        tmp_path / "etc" / Path(read[name]).relative_to(mount)
        for name in ("COUNTERMAND_RULES_FOLDERS", "COUNTERMAND_RULE_OVERRIDES")
    )
    rules = {r.id: r for r in load_rules(ACTIONS, BUILT_IN, folder, overrides=overrides).rules}
    assert rules[OWN_RULE].severity is Severity.LOW
    assert rules[OVERRIDDEN].mode is Mode.OBSERVE


def test_a_changed_rule_restarts_the_pods(chart: Chart) -> None:
    def checksum(values: dict[str, Any]) -> str:
        template = found(chart.render(values), "Deployment")["spec"]["template"]
        return str(template["metadata"]["annotations"]["checksum/settings"])

    changed = own_rules()
    changed["rules"]["overrides"][OVERRIDDEN]["mode"] = "dry-run"
    assert len({checksum({}), checksum(own_rules()), checksum(changed)}) == 3
