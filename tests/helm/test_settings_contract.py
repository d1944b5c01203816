"""The chart's `settings` and the service's Settings correspond one to one."""

import json
from typing import Any

import pytest
from pydantic_core import PydanticUndefined

from countermand.settings import Settings
from countermand.settings import load as load_settings
from support.chart import CHART, LEAST, QUEUE, TOKEN, Chart, environment, merged, nested

SCHEMA = json.loads((CHART / "values.schema.json").read_text())

# Field: path and value in the chart, and the value in Settings (None: the same); never a default.
OTHER: dict[str, tuple[str, Any, Any]] = {
    "queue_url": ("settings.queueUrl", "https://sqs.eu-west-1.amazonaws.com/111122223333/q", None),
    "dlq_url": ("settings.dlqUrl", "https://sqs.eu-west-1.amazonaws.com/111122223333/d", None),
    "topic_arn": ("settings.topicArn", "arn:aws:sns:eu-west-1:111122223333:other", None),
    "account_id": ("settings.accountId", "000011112222", None),
    "region": ("settings.region", "eu-west-1", None),
    "event_region": ("settings.eventRegion", "eu-west-1", None),
    "rule_prefix": ("settings.rulePrefix", "no", None),
    "mode": ("settings.mode", "enforce", None),
    "user_scope": ("settings.userScope", "*", None),
    "role_scope": ("settings.roleScope", "ci-*", None),
    "group_scope": ("settings.groupScope", "?", None),
    "policy_scope": ("settings.policyScope", "team@*", None),
    "resource_scope": ("settings.resourceScope", "arn:aws:iam::1:saml-provider/*", None),
    "account_scope": ("settings.accountScope", "111122223333", None),
    "break_glass": (
        "settings.breakGlass",
        ["arn:aws:iam::111122223333:user/break-*", "arn:aws:iam::111122223333:role/a/b"],
        ("arn:aws:iam::111122223333:user/break-*", "arn:aws:iam::111122223333:role/a/b"),
    ),
    "rules_folders": ("settings.rulesFolders", ["/etc/a", "/etc/b"], ("/etc/a", "/etc/b")),
    "rule_overrides": ("settings.ruleOverrides", "/etc/countermand/overrides.yaml", None),
    "exception_tag": ("settings.exceptionTag", "Freigabe: erklärt=ja = 1", None),
    "own_role_arn": ("settings.ownRoleArn", "arn:aws:iam::111122223333:role/a/b", None),
    "max_event_age_hours": ("settings.maxEventAgeHours", 336, None),
    "settle_seconds": ("settings.settleSeconds", 0, None),
    "recheck_seconds": ("settings.recheckSeconds", [6, 60, 300], (6, 60, 300)),
    "worker_threads": ("settings.workerThreads", 64, None),
    "poll_seconds": ("settings.pollSeconds", 0, None),
    "visibility_seconds": ("settings.visibilitySeconds", 43200, None),
    "heartbeat_seconds": ("settings.heartbeatSeconds", 14400, None),
    "message_deadline_seconds": ("settings.messageDeadlineSeconds", 3600, None),
    "lease_margin_seconds": ("settings.leaseMarginSeconds", 0, None),
    "drain_seconds": ("settings.drainSeconds", 110, None),
    "backoff_base_seconds": ("settings.backoffBaseSeconds", 900, None),
    "backoff_cap_seconds": ("settings.backoffCapSeconds", 43200, None),
    "ledger_url": ("settings.ledgerUrl", "dynamodb:other.table", None),
    "retention_days": ("settings.retentionDays", 3650, None),
    "replicas": ("replicaCount", 1000, None),
    "api_host": ("settings.apiHost", "::", None),
    "api_port": ("settings.apiPort", 65535, None),
    "api_token": ("apiToken.secretName", "other", TOKEN),
    "api_allow_anonymous": ("settings.apiAllowAnonymous", True, None),
    "api_public_url": ("settings.apiPublicUrl", "https://guard.example.com/x", None),
    "log_level": ("settings.logLevel", "DEBUG", None),
    "log_format": ("settings.logFormat", "json", None),
    "log_group": ("settings.logGroup", "/a/#1", None),
    "log_stream": ("settings.logStream", "true", None),
}


def test_every_setting_arrives_as_given(chart: Chart) -> None:
    assert OTHER.keys() == Settings.model_fields.keys()
    values: dict[str, Any] = {}
    for path, value, _ in OTHER.values():
        values = merged(values, nested(path, value))
    loaded = load_settings(environment(chart.render(values))).model_dump()
    for name, (_, value, other) in OTHER.items():
        field = Settings.model_fields[name]
        assert field.default is PydanticUndefined or loaded[name] != field.default, name
        got = loaded[name]
        got = got.get_secret_value() if name == "api_token" else got
        assert got == (value if other is None else other), name


def test_the_chart_has_the_settings_of_the_service() -> None:
    paths = {path for path, _, _ in OTHER.values()}
    inside = {f"settings.{name}" for name in SCHEMA["properties"]["settings"]["properties"]}
    assert paths - {"replicaCount", "apiToken.secretName"} == inside


def test_the_defaults_differ_only_for_the_cluster(chart: Chart) -> None:
    loaded = load_settings(environment(chart.render())).model_dump()
    differ = {n for n, f in Settings.model_fields.items() if loaded[n] != f.default}
    assert differ == {
        *("queue_url", "topic_arn", "api_token"),
        *("replicas", "ledger_url", "api_host", "log_stream"),
    }
    assert loaded["mode"] == "dry-run"
    assert loaded["log_stream"] == "pod-1"


@pytest.mark.parametrize("path", [path for path, _, _ in OTHER.values() if "settings." in path])
def test_every_setting_may_be_null(path: str) -> None:
    kinds = SCHEMA["properties"]["settings"]["properties"][path.split(".")[1]]["type"]
    assert "null" in kinds


def test_null_removes_the_charts_default(chart: Chart) -> None:
    given = environment(chart.render({"settings": {"workerThreads": None, "mode": None}}))
    assert not {"COUNTERMAND_WORKER_THREADS", "COUNTERMAND_MODE"} & given.keys()
    assert load_settings(given).mode == "dry-run"


def test_numbers_out_of_bounds_are_rejected_by_name(chart: Chart) -> None:
    settings = SCHEMA["properties"]["settings"]["properties"]
    numbers = {n: s for n, s in settings.items() if "integer" in s["type"]}
    assert len(numbers) > 10
    for bound, step in (("minimum", -1), ("maximum", 1)):
        wrong = {n: s[bound] + step for n, s in numbers.items()}
        refusal = chart.refusal({"settings": wrong})
        assert [n for n in numbers if n not in refusal] == []


def test_malformed_strings_are_rejected_by_name(chart: Chart) -> None:
    settings = SCHEMA["properties"]["settings"]["properties"]
    texts = [n for n, s in settings.items() if "string" in s["type"]]
    refusal = chart.refusal({"settings": dict.fromkeys(texts, "\t")})
    assert [n for n in texts if n not in refusal] == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"queuUrl": QUEUE}, "queuUrl"),
        ({"apiToken": TOKEN}, "apiToken"),
        ({"replicas": 3}, "replicas"),
        ({"accountId": 111122223333}, "string"),
        ({"drainSeconds": "25"}, "integer"),
        ({"recheckSeconds": "5,15"}, "array"),
        ({"recheckSeconds": []}, "recheckSeconds"),
        ({"mode": "Enforce"}, "mode"),
    ],
)
def test_unknown_settings_and_types_are_rejected(
    chart: Chart, settings: dict[str, Any], said: str
) -> None:
    assert said in chart.refusal({"settings": settings})


def test_each_of_the_minimum_values_is_required(chart: Chart) -> None:
    for path in ("settings.queueUrl", "settings.topicArn", "apiToken.secretName"):
        done = chart.template(merged(LEAST, nested(path, None)))
        assert done.returncode != 0
        assert path in done.stderr
