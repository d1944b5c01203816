"""The history of decisions on the command line: what it reads, prints, and refuses."""

import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from countermand.cli.history import moment
from countermand.cli.main import app
from countermand.cli.tables import Form, show_list
from countermand.core.errors import ConfigError
from countermand.core.model import Mode
from support.fakes import ACCOUNT
from support.stage import Stage, attack

pytestmark = pytest.mark.usefixtures("ledger")
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ledger with one decision, and the only variable that names it."""
    for name in list(os.environ):
        if name.startswith(("COUNTERMAND_", "AWS_")):
            monkeypatch.delenv(name)
    stage = Stage(tmp_path)
    stage.mode = Mode.ENFORCE
    stage.pipeline().handle(attack())
    stage.close()
    path = tmp_path / "ledger.sqlite3"
    monkeypatch.setenv("COUNTERMAND_LEDGER_URL", f"sqlite:{path}")
    monkeypatch.setenv("COLUMNS", "200")
    return path


def called(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def decision_id() -> str:
    (line,) = called("decisions", "--json").stdout.splitlines()
    return str(json.loads(line)["decision_id"])


# --- commands that read create nothing


@pytest.mark.parametrize("command", [["decisions"], ["decisions", "show", "d-1"]], ids=" ".join)
@pytest.mark.parametrize("path", ["nowhere/x.sqlite3", "x.sqlite3"])
def test_a_wrong_path_is_named_and_stays_absent(
    ledger: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], path: str
) -> None:
    wrong = ledger.parent / "sub" / path
    monkeypatch.setenv("COUNTERMAND_LEDGER_URL", f"sqlite:{wrong}")
    result = called(*command)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"no ledger at {wrong}" in result.stderr
    assert not (ledger.parent / "sub").exists()


def test_a_folder_is_no_ledger(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERMAND_LEDGER_URL", f"sqlite:{ledger.parent}")
    assert called("decisions").exit_code == 2


# --- lists


def test_a_list_has_headers_and_the_caller() -> None:
    headers, row = called("decisions").stdout.splitlines()
    assert headers.split() == [
        "TIME", "DECISION", "SEVERITY", "VERDICT", "OUTCOME", "RULE", "ACTOR", "TARGET", "REASON",
    ]  # fmt: skip
    for shown in ("critical", "applied", "admin_policy_attached_to_user", "mallory", "Z "):
        assert shown in row


def test_csv_has_the_same_columns() -> None:
    headers, row = csv.reader(io.StringIO(called("decisions", "--csv").stdout))
    assert dict(zip(headers, row, strict=True))["TARGET"] == "iam-test-user"


@pytest.mark.parametrize(
    ("filters", "number"),
    [
        (["--target", "iam-test-user"], 1),
        (["--target", "alice"], 0),
        (["--rule-id", "admin_policy_attached_to_user"], 1),
        (["--verdict", "skip"], 0),
        (["--severity", "critical"], 1),
        (["--severity", "low"], 0),
        (["--actor", f"arn:aws:iam::{ACCOUNT}:user/mallory"], 1),
        (["--account-id", "999999999999"], 0),
        (["--since", "2020-01-01"], 1),
        (["--since", "2099-01-01T00:00:00+02:00"], 0),
        (["--until", "2020-01-01"], 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_every_filter_of_the_api_works(filters: list[str], number: int) -> None:
    assert len(called("decisions", "--json", *filters).stdout.splitlines()) == number


def test_nothing_found_is_said() -> None:
    assert called("decisions", "--target", "alice").stdout == "nothing found\n"


def test_two_forms_are_refused() -> None:
    result = called("decisions", "--json", "--csv")
    assert result.exit_code == 2
    assert "choose one" in result.stderr


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("2h", NOW - timedelta(hours=2)),
        ("7d", NOW - timedelta(days=7)),
        ("1w", NOW - timedelta(weeks=1)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T10:00:00+02:00", datetime(2026, 11, 1, 8, tzinfo=UTC)),
    ],
)
def test_a_time_is_an_age_or_iso(text: str, expected: datetime) -> None:
    assert moment("--since", text, NOW) == expected


@pytest.mark.parametrize("text", ["", "soon", "2x", "-1h", "999999w", "2026-13-01"])
def test_another_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--since: must be an age"):
        moment("--since", text, NOW)


# --- one decision


def test_one_decision_is_shown_in_full() -> None:
    shown = called("decisions", "show", decision_id()).stdout
    for part in ("caller:", "source_ip:", "techniques:", "reasons:", "status: applied"):
        assert part in shown


def test_a_mistyped_name_of_a_decision_gets_a_hint() -> None:
    known = decision_id()
    result = called("decisions", "show", f"{known[:-1]}x")
    assert result.exit_code == 2
    assert f"Did you mean {known}?" in result.stderr


# --- undo


def test_undo_without_a_terminal_needs_yes() -> None:
    """It reads the credentials first, so here it fails on these and changes nothing."""
    result = called("undo", decision_id())
    assert result.exit_code == 2
    assert "Done" not in result.stdout


# --- the terminal

LISTS = (["decisions"], ["rules", "list"], ["rules", "coverage"], ["actions", "list"], ["--help"],
         ["decisions", "--help"], ["undo", "--help"], ["rules", "--help"])  # fmt: skip
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.mark.parametrize("command", LISTS, ids=" ".join)
@pytest.mark.parametrize("columns", [80, 120])
def test_no_line_is_wider_than_the_terminal(command: list[str], columns: int) -> None:
    shown = on_a_terminal(columns, *command)
    assert [line for line in shown.splitlines() if len(line.rstrip()) > columns] == []
    assert shown.strip()


def on_a_terminal(columns: int, *command: str) -> str:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "countermand", *command],
        env=os.environ | {"COLUMNS": str(columns), "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # Linux says so when the other end is closed
        pass
    os.close(ours)
    assert process.wait(30) == 0, shown
    return ESCAPES.sub("", shown.decode())


def test_a_pipe_gets_no_escapes() -> None:
    for command in LISTS[:4]:
        assert "\x1b" not in called(*command).stdout


@pytest.mark.parametrize("name", ["=cmd()", "+1", "-1", "@x", "\t=1", "a\x1b[2J"])
def test_a_spreadsheet_takes_no_name_for_a_formula(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    show_list(("NAME",), [(name,)], Form.CSV)
    cell = list(csv.reader(io.StringIO(capsys.readouterr().out)))[1][0]
    assert cell[0] not in "=+-@\t\r"
    assert "\x1b" not in cell
