"""`countermand rules new`, as docs/writing-rules.md shows it, and on other events."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from countermand.cli.cases import run_cases
from countermand.cli.main import app
from countermand.cli.new_rule import new_rule
from countermand.core.envelope import attach_event, envelope
from countermand.core.errors import ConfigError
from countermand.rules.rulebook import BUILT_IN, read_yaml
from support.fakes import ACCOUNT
from support.tools import ROOT

PAGE = (ROOT / "docs/writing-rules.md").read_text(encoding="utf-8")


def written(tmp_path: Path, document: object, rule_id: str = "something_done") -> dict[str, Any]:
    event = tmp_path / "event.json"
    event.write_text(json.dumps(document))
    rule_file, _ = new_rule(rule_id, str(event), tmp_path / "rules")
    _, rule = read_yaml(rule_file, 100_000)
    assert isinstance(rule, dict)
    return rule


def test_the_commands_of_the_page_work_as_they_stand(tmp_path: Path) -> None:
    (event,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    (commands,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "event.json").write_text(event)
    for command in commands.splitlines():
        program, *arguments = command.split()
        assert program == "countermand"
        done = subprocess.run(
            [sys.executable, "-m", "countermand", *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT / "service")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    assert "2 cases, 0 failed" in done.stdout


@pytest.mark.parametrize(
    ("request_", "subject"),
    [
        (
            {"policyArn": "arn:p", "userName": "ana"},
            {"policy": "detail.requestParameters.policyArn"},
        ),
        ({"x": 1, "roleName": "r"}, {"role": "detail.requestParameters.roleName"}),
        ({"bucketName": "b"}, {"resource": "detail.requestParameters.bucketName"}),
        ({"deep": {"name": "b"}}, {"account": "detail.recipientAccountId"}),
        (None, {"account": "detail.recipientAccountId"}),
    ],
    ids=["policy", "role", "resource", "nothing flat", "no parameters"],
)
def test_the_target_is_what_the_call_names(
    tmp_path: Path, request_: object, subject: dict[str, str]
) -> None:
    record = attach_event(ACCOUNT, "ana") | {"requestParameters": request_}
    assert written(tmp_path, record)["subject"] == subject
    assert all(result.ok for result in run_cases(tmp_path / "rules"))


@pytest.mark.parametrize(
    "shape",
    [
        lambda record: record,
        envelope,
        lambda record: {"Records": [record]},
        lambda record: {"Events": [{"CloudTrailEvent": json.dumps(record)}]},
    ],
    ids=["record", "envelope", "log file", "lookup-events"],
)
def test_every_shape_of_an_event_is_read(tmp_path: Path, shape: Any) -> None:
    rule = written(tmp_path, shape(attach_event(ACCOUNT, "ana")))
    assert rule["when"]["detail"]["eventName"] == ["AttachUserPolicy"]


@pytest.mark.parametrize("rule_id", ["X", "Upper_case", "a", "with space", "../escape", "9lives"])
def test_a_wrong_name_is_refused(tmp_path: Path, rule_id: str) -> None:
    with pytest.raises(ConfigError, match="a rule ID is a fact"):
        written(tmp_path, attach_event(ACCOUNT, "ana"), rule_id)
    assert not (tmp_path / "rules").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    written(tmp_path, attach_event(ACCOUNT, "ana"))
    with pytest.raises(ConfigError, match="exists already"):
        written(tmp_path, attach_event(ACCOUNT, "ana"))


@pytest.mark.parametrize("document", [{}, [], {"eventName": "X"}, "text"], ids=repr)
def test_a_file_without_an_event_is_refused(tmp_path: Path, document: object) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps(document))
    done = CliRunner().invoke(app, ["rules", "new", "it_happened", str(event)])
    assert done.exit_code == 2
    assert "event.json" in done.stderr


def test_a_minimal_record_is_completed(tmp_path: Path) -> None:
    """Only what the rule looks at is needed; the worker still refuses such an event."""
    (built_in,) = BUILT_IN.rglob("admin_policy_attached_to_user.yaml")
    (tmp_path / built_in.name).write_text(built_in.read_text())
    (tmp_path / "cases").mkdir()
    call = {"eventSource": "iam.amazonaws.com", "eventName": "AttachUserPolicy"}
    admin = {"userName": "ana", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}
    cases = {
        "matches": [{"name": "Administrator", "record": call | {"requestParameters": admin}}],
        "ignores": [{"name": "Another call", "record": call | {"eventName": "GetUser"}}],
    }
    (tmp_path / "cases" / built_in.name).write_text(json.dumps(cases))
    assert [result.ok for result in run_cases(tmp_path)] == [True, True]
