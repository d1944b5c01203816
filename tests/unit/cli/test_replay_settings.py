"""A replay evaluates events with the settings in force: each setting changes what it should."""

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from countermand.cli.main import app
from countermand.core.envelope import attach_event, envelope
from support.fakes import ACCOUNT
from support.skips import NOT_HERE
from support.tools import ROOT

DATA = ROOT.parent / "shared/data/cloudtrail/events.jsonl"
ATTACK = attach_event(ACCOUNT, "iam-test-user")
DISABLED = "admin_policy_attached_to_user:\n  enabled: false\n"
OWN_RULE = """
id: my_list_users
title: Users listed
description: A caller listed the users.
severity: low
subject: {account: detail.recipientAccountId}
mitre: [T1087.004]
references: [https://attack.mitre.org/techniques/T1087/004/]
false_positives: Inventory tools.
runbook: Ask the caller.
when:
  source: [aws.iam]
  detail-type: [AWS API Call via CloudTrail]
  detail: {eventSource: [iam.amazonaws.com], eventName: [ListUsers]}
"""


def replayed(*arguments: str, stdin: str | None = None, **settings: str) -> Result:
    environment = {f"COUNTERMAND_{name}": text for name, text in settings.items()}
    return CliRunner().invoke(app, ["replay", *arguments], input=stdin, env=environment)


def rows(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def verdict(record: dict[str, Any], **settings: str) -> str:
    (row,) = rows(replayed("--json", "-", stdin=json.dumps(record), **settings))
    return str(row["verdict"])


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "remediate"),
        ({"MODE": "enforce"}, "remediate"),
        ({"MODE": "observe"}, "alert_only"),
        ({"USER_SCOPE": "other-*"}, "alert_only"),
        ({"BREAK_GLASS": f"arn:aws:iam::{ACCOUNT}:user/iam-test-user"}, "alert_only"),
        ({"ACCOUNT_ID": ACCOUNT}, "remediate"),
        ({"ACCOUNT_ID": "999999999999"}, "alert_only"),
    ],
)
def test_each_setting_changes_the_verdict(settings: dict[str, str], expected: str) -> None:
    assert verdict(ATTACK, **settings) == expected


def test_an_override_disables_a_rule(tmp_path: Path) -> None:
    overrides = tmp_path / "overrides.yaml"
    overrides.write_text(DISABLED)
    assert verdict(ATTACK, RULE_OVERRIDES=str(overrides)) == "ignored"


def test_a_rule_of_the_operator_is_in_force(tmp_path: Path) -> None:
    (tmp_path / "my_list_users.yaml").write_text(OWN_RULE)
    record = ATTACK | {"eventName": "ListUsers", "requestParameters": None}
    assert verdict(record) == "ignored"
    assert verdict(record, RULES_FOLDERS=str(tmp_path)) == "alert_only"


def test_the_settings_in_force_are_printed_first_and_apart_from_the_rows() -> None:
    result = replayed("--json", "-", stdin=json.dumps(ATTACK), USER_SCOPE="other-*")
    assert "  user_scope = other-*\n" in result.stderr
    assert "user_scope" not in result.stdout
    default = replayed("-", stdin=json.dumps(ATTACK))
    assert default.stderr.startswith("Settings: the built-in defaults")


def test_a_wrong_setting_ends_a_replay_with_its_name() -> None:
    result = replayed("-", stdin=json.dumps(ATTACK), MODE="everything")
    assert result.exit_code == 2
    assert "COUNTERMAND_MODE" in result.stderr


def test_a_folder_tree_is_read_in_order(tmp_path: Path) -> None:
    folder = tmp_path / f"AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/2026/03/02"
    folder.mkdir(parents=True)
    for name in ("b.json.gz", "a.json.gz"):
        (folder / name).write_bytes(gzip.compress(json.dumps({"Records": [ATTACK]}).encode()))
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    found = rows(replayed("--json", str(tmp_path)))
    assert [row["place"] for row in found] == [
        f"{folder}/a.json.gz:1",
        f"{folder}/b.json.gz:1",
    ]


@pytest.mark.parametrize("text", ["", "hello", '{"no": "event"}', '{"Records": []}', "a,b\n1,2\n"])
def test_a_replay_that_could_read_nothing_fails_and_says_why(text: str) -> None:
    result = replayed("-", stdin=text)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("-: no ")


def test_unreadable_lines_are_counted_and_the_first_few_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(ATTACK) + "\n" + "hello\n" * 9)
    result = replayed(str(path))
    assert result.exit_code == 0
    assert f"{path}:2: not JSON: Expecting value" in result.stderr
    assert "4 more documents could not be evaluated" in result.stderr
    assert "10 events: 9 malformed, 1 remediate" in result.stdout


def test_a_report_reads_gzip_and_gives_json(tmp_path: Path) -> None:
    path = tmp_path / "labeled.jsonl.gz"
    labeled = {"id": "1", "family": "attach", "label": {"positive": True}, "event": ATTACK}
    path.write_bytes(gzip.compress(json.dumps(labeled).encode()))
    assert "| attach | 1 | 1 |" in replayed("--report", str(path)).stdout
    (row,) = rows(replayed("--report", "--json", str(path)))
    assert (row["name"], row["fired"]) == ("attach", 1)


@pytest.mark.parametrize("key", ["eventName", "eventSource", "errorCode", "\x1b[2J\u202e"])
def test_text_of_an_event_never_reaches_the_terminal_raw(key: str) -> None:
    hostile = ATTACK | {key: "\x1b[2J\n\u202e"}
    result = replayed("-", stdin=f"{json.dumps(hostile)}\n\x1b[2J\u202e{{\n{json.dumps(ATTACK)}")
    assert result.output.isascii()
    assert "\x1b" not in result.output


@pytest.mark.skipif(not DATA.is_file(), reason=f"{NOT_HERE}no labeled events at {DATA}")
def test_settings_change_what_they_should_on_real_events(tmp_path: Path) -> None:
    path, overrides = tmp_path / "real.jsonl", tmp_path / "overrides.yaml"
    with DATA.open(encoding="utf-8") as lines:
        labeled = [json.loads(line) for line in lines]
    path.write_text(
        "\n".join(json.dumps(row.get("envelope") or envelope(row["event"])) for row in labeled)
    )
    overrides.write_text(DISABLED)

    def counted(key: str, **settings: str) -> Counter[str]:
        return Counter(str(row[key]) for row in rows(replayed("--json", str(path), **settings)))

    default = counted("verdict")
    assert counted("verdict", USER_SCOPE="*", ROLE_SCOPE="*")["remediate"] > default["remediate"]
    assert counted("verdict", MODE="observe")["remediate"] == 0
    rule = "admin_policy_attached_to_user"
    assert counted("rule_id")[rule] > 0
    assert counted("rule_id", RULE_OVERRIDES=str(overrides))[rule] == 0
