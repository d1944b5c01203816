"""The caller of an event, in all that Countermand says about it."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from countermand.api.views import decision_view
from countermand.core.caller import Caller
from countermand.core.report import SCHEMA_VERSION
from countermand.ledger.records import dump_record, load_record
from support.callers import CASES
from support.stage import Stage, attack

SHOWN = ("name", "access_key_id", "session_issuer_arn", "source_ip", "user_agent", "request_id")
"""What the email names, if the event has it."""


CALLS = {name: case for name, case in CASES.items() if "eventType" not in case[0]}
"""All but sign-ins, which attach no policy."""


@pytest.fixture(params=CALLS)
def seen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Stage, dict[str, Any]]]:
    """The attack by one kind of caller, decided; and what is expected of its caller block."""
    detail, expected = CALLS[request.param]
    stage = Stage(tmp_path)
    stage.pipeline().handle(attack(**detail))
    yield stage, expected
    stage.close()


def test_record_document_and_api_name_the_caller(seen: tuple[Stage, dict[str, Any]]) -> None:
    stage, expected = seen
    caller = stage.record().caller
    assert isinstance(caller, Caller)
    document = json.loads(json.dumps(stage.notifier.alerts[-1].document))
    view = decision_view(stage.record()).model_dump(mode="json")
    for name, value in expected.items():
        assert getattr(caller, name) == document["caller"][name] == view["caller"][name] == value
    assert document["schema_version"] == SCHEMA_VERSION


def test_the_email_names_the_caller(seen: tuple[Stage, dict[str, Any]]) -> None:
    stage, _ = seen
    caller, text = stage.record().caller, stage.notifier.alerts[-1].text
    assert isinstance(caller, Caller)
    said = [value for name in SHOWN if (value := getattr(caller, name)) is not None]
    assert [value for value in said if value not in text] == []
    assert f"Via:      {caller.via}" in text
    assert stage.record().decision.event.event_id in text


def test_the_ledger_keeps_the_caller(seen: tuple[Stage, dict[str, Any]]) -> None:
    stage, _ = seen
    again = load_record(dump_record(stage.record()))
    assert again.caller == stage.record().caller


def test_an_alert_names_its_techniques(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.pipeline().handle(attack())
    sent = stage.notifier.alerts[-1]
    assert "MITRE:    T1098.003 Account Manipulation: Additional Cloud Roles" in sent.text
    techniques = json.loads(json.dumps(sent.document["techniques"]))
    assert {
        "id": "T1098.003",
        "name": "Account Manipulation: Additional Cloud Roles",
        "url": "https://attack.mitre.org/techniques/T1098/003/",
    } in techniques
    assert sent.document["references"]
    stage.close()


def test_the_log_of_a_detection_names_the_caller(tmp_path: Path) -> None:
    """One line of the audit log answers who, from where and with what."""
    stage = Stage(tmp_path)
    with capture_logs() as lines:
        stage.pipeline().handle(attack(sourceIPAddress="203.0.113.7"))
    (said,) = (line for line in lines if line["event"] == "Security detection triggered")
    caller = stage.record().caller
    assert isinstance(caller, Caller)
    assert said["caller"]["source_ip"] == "203.0.113.7"
    assert said["caller"] == {k: v for k, v in asdict(caller).items() if v is not None}
    stage.close()
