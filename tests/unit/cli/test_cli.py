"""The command line: what it prints, and how it ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from countermand import __version__
from countermand.cli.docs import PAGES
from countermand.cli.main import app
from countermand.core.envelope import attach_event, envelope
from support.fakes import ACCOUNT

TOKEN = "a-very-secret-token-of-32-letters"
NOBODY = "http://127.0.0.1:9"
COMMANDS = ("run", "demo", "simulate", "replay", "undo", "decisions", "doctor", "provision")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting and no credentials of the user who runs the tests."""
    for name in list(os.environ):
        if name.startswith(("COUNTERMAND_", "AWS_")):
            monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The least that a worker needs; returns the path of its ledger."""
    ledger = tmp_path / "ledger.sqlite3"
    for name, text in {
        "QUEUE_URL": f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/countermand",
        "TOPIC_ARN": f"arn:aws:sns:us-east-1:{ACCOUNT}:countermand-alerts",
        "LEDGER_URL": f"sqlite:{ledger}",
        "API_TOKEN": TOKEN,
    }.items():
        monkeypatch.setenv(f"COUNTERMAND_{name}", text)
    return ledger


def called(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, arguments, input=stdin)


def refused(*arguments: str) -> str:
    """The one message of a command that was misused."""
    result = called(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr


def recording(folder: Path, *documents: object) -> str:
    path = folder / "events.jsonl"
    path.write_text("".join(json.dumps(d) + "\n" for d in documents), encoding="utf-8")
    return str(path)


# --- the whole


def test_it_says_its_version() -> None:
    result = called("--version")
    assert result.exit_code == 0
    assert result.stdout == f"{__version__}\n"


def test_its_help_lists_the_commands() -> None:
    result = called("--help")
    assert result.exit_code == 0
    for command in COMMANDS:
        assert command in result.stdout
    assert " docs " not in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    assert called(command, "--help").exit_code == 0


def test_an_unknown_command_is_misuse() -> None:
    assert called("nonsense").exit_code == 2


# --- run


def test_run_without_settings_names_all_that_is_missing_and_exits_2() -> None:
    # In a process of its own: `run` ends the process that it is called in.
    ended = subprocess.run(
        [sys.executable, "-m", "countermand", "run"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert "COUNTERMAND_QUEUE_URL" in ended.stderr
    assert "COUNTERMAND_TOPIC_ARN" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_settings_cannot_be_printed_while_some_are_missing() -> None:
    text = refused("run", "--print-config")
    assert "COUNTERMAND_QUEUE_URL" in text
    assert "COUNTERMAND_TOPIC_ARN" in text


@pytest.mark.parametrize(
    "command",
    [["doctor"], ["simulate", "attach-admin", "--user", "iam-test-user"]],
)
def test_every_command_that_needs_settings_says_so(command: list[str]) -> None:
    assert "COUNTERMAND_QUEUE_URL" in refused(*command)


@pytest.mark.parametrize(
    "command", [["undo", "d-1"], ["decisions"], ["decisions", "show", "d-1"]], ids=" ".join
)
def test_a_command_on_the_ledger_asks_only_for_it(command: list[str]) -> None:
    said = refused(*command)
    assert "COUNTERMAND_LEDGER_URL: is not set" in said
    assert "COUNTERMAND_QUEUE_URL" not in said


@pytest.mark.usefixtures("configured")
def test_run_names_all_mistakes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERMAND_MODE", "brave")
    monkeypatch.setenv("COUNTERMAND_WORKER_THREADS", "many")
    monkeypatch.setenv("COUNTERMAND_API_TOKN", TOKEN)
    text = refused("run", "--print-config")
    for name in ("COUNTERMAND_MODE", "COUNTERMAND_WORKER_THREADS", "COUNTERMAND_API_TOKN"):
        assert name in text
    assert TOKEN not in text


def test_run_prints_the_settings_in_force_with_secrets_masked(configured: Path) -> None:
    result = called("run", "--print-config")
    assert result.exit_code == 0
    assert f"COUNTERMAND_LEDGER_URL=sqlite:{configured}" in result.stdout
    assert "COUNTERMAND_MODE=dry-run" in result.stdout
    assert "COUNTERMAND_API_TOKEN=********" in result.stdout
    assert TOKEN not in result.output


# --- replay


def test_replay_shows_each_decision_and_how_many_there_were(tmp_path: Path) -> None:
    attack = attach_event(ACCOUNT, "iam-test-user")
    other = attack | {"eventName": "ListUsers"}
    result = called("replay", recording(tmp_path, envelope(attack), other, {"no": "event"}))
    assert result.exit_code == 0
    decided, malformed, counts = result.stdout.splitlines()
    assert decided.split()[:2] == ["1", "remediate"]
    assert "AttachUserPolicy iam-test-user [admin_policy_attached_to_user]" in decided
    assert malformed.split()[:2] == ["3", "malformed"]
    assert counts == "3 events: 1 remediate, 1 ignored, 1 malformed"


def test_replay_gives_machines_one_json_object_a_line(tmp_path: Path) -> None:
    attack = attach_event(ACCOUNT, "x" * 128)
    other = attack | {"eventName": "ListUsers"}
    result = called("replay", "--json", recording(tmp_path, attack, other, {"no": "event"}))
    assert result.exit_code == 0
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["verdict"] for row in rows] == ["alert_only", "ignored", "malformed"]
    assert [row["number"] for row in rows] == [1, 2, 3]
    assert rows[0]["event_id"] == attack["eventID"]
    assert rows[0]["rule_id"] == "admin_policy_attached_to_user"
    assert rows[0]["approved_for_remediation"] is False
    assert rows[2]["reason"]


def test_replay_shows_hostile_names_without_obeying_them(tmp_path: Path) -> None:
    attack = attach_event(ACCOUNT, "\x1b[2J\n[red]\u202e[/red]")
    result = called("replay", recording(tmp_path, attack))
    assert result.exit_code == 0
    assert result.stdout.isascii()
    assert "\x1b" not in result.stdout
    assert "[red]" in result.stdout
    assert len(result.stdout.splitlines()) == 2


def test_replay_of_a_file_without_events_says_so_and_fails(tmp_path: Path) -> None:
    result = called("replay", recording(tmp_path))
    assert result.exit_code == 1
    assert "no CloudTrail events in it" in result.stderr
    assert result.stdout == "0 events: none\n"


def test_replay_of_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    text = refused("replay", str(tmp_path / "missing.jsonl"))
    assert text.endswith(f"{tmp_path / 'missing.jsonl'}: No such file or directory\n")


# --- simulate and provision


@pytest.mark.parametrize("tag", ["bad", "=true", "", "=", "  ", "bad=a,worse"])
@pytest.mark.usefixtures("configured")
def test_simulate_refuses_a_tag_that_is_no_pair(monkeypatch: pytest.MonkeyPatch, tag: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", NOBODY)
    tags = [option for one in tag.split(",") for option in ("--tag", one)]
    text = refused("simulate", "attach-admin", "--user", "iam-test-user", *tags)
    assert text == "--tag: must be KEY=VALUE, for example SecurityApproved=true\n"


@pytest.mark.usefixtures("configured")
def test_simulate_needs_a_user() -> None:
    assert "--user" in refused("simulate", "attach-admin")


def test_provision_is_for_emulators_only() -> None:
    assert "AWS_ENDPOINT_URL is not set" in refused("provision")


# --- undo and decisions


@pytest.mark.usefixtures("configured")
def test_undo_without_credentials_ends_with_one_sentence() -> None:
    result = called("undo", "d-unknown")
    assert result.exit_code == 2
    assert result.stderr == (
        "sts:GetCallerIdentity failed: no AWS credentials were found. Run `aws sso login` or "
        "`aws configure`, or give the container a role\n"
    )


@pytest.mark.parametrize("limit", ["0", "1001", "many"])
@pytest.mark.usefixtures("configured")
def test_decisions_refuses_a_limit_out_of_range(limit: str) -> None:
    assert "--limit" in refused("decisions", "--limit", limit)


# --- docs


def test_docs_writes_every_generated_page(tmp_path: Path) -> None:
    assert called("docs", str(tmp_path)).exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} == set(PAGES)
    for name, page in PAGES.items():
        assert (tmp_path / name).read_text(encoding="utf-8") == page()
