"""How `doctor` shows its results: a table that fits, plain lines when piped, JSON for machines."""

import io
import json

import pytest
from rich.console import Console

from countermand.cli.checks import _fitting, show_checks
from countermand.cli.tables import show_table
from countermand.deployment.doctor.result import CheckResult, Status, exit_code

OK = CheckResult("queue", Status.OK, "arn:aws:sqs:us-east-1:111122223333:" + "q" * 80)
FIX = "aws sqs set-queue-attributes --queue-url https://sqs.example/1/q --region us-east-1"
FAILS = CheckResult("queue policy", Status.FAILS, "no statement allows it: " + "x " * 60, FIX)
ALSO = CheckResult("queue senders", Status.WARNING, "anyone", FIX)
HOSTILE = CheckResult("rules", Status.NOT_CHECKED, "\x1b[2J\n[red]\u202e[/red]", "ls")
NOTHING_TO_CHECK = CheckResult("trail", Status.NOT_CHECKED, "an emulator")


def shown(*results: CheckResult, as_json: bool = False) -> str:
    with pytest.MonkeyPatch.context() as patch:
        out = io.StringIO()
        patch.setattr("sys.stdout", out)
        show_checks(results, as_json=as_json)
        return out.getvalue()


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_table_fits_the_terminal(width: int) -> None:
    """Long results wrap inside of their column."""
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    rows = [(str(r.status), r.what, r.detail) for r in (OK, FAILS, ALSO)]
    with console.capture() as captured:
        show_table(console, ("STATUS", "CHECK", "RESULT"), rows, ("", "", ""))
    lines = captured.get().splitlines()
    assert max(map(len, lines)) <= width
    assert "q" * 80 in captured.get().replace("\n", "").replace(" ", "")
    assert (len(lines) > 4) is (width < 200)


def test_a_command_breaks_where_it_can_be_pasted() -> None:
    """A shell joins the lines to the command again."""
    console = Console(file=io.StringIO(), width=60, force_terminal=True)
    broken = _fitting(FIX, console)
    assert max(map(len, broken.splitlines())) <= 60
    assert broken.replace(" \\\n  ", " ") == FIX
    assert _fitting(FIX, Console(file=io.StringIO(), width=60)) == FIX


def test_piped_rows_are_one_line_each() -> None:
    lines = shown(OK, FAILS, ALSO, NOTHING_TO_CHECK).splitlines()
    assert lines[0].split() == ["STATUS", "CHECK", "RESULT"]
    assert lines[1].startswith("ok           queue          arn:aws:sqs:")
    assert lines[2].startswith("fails        queue policy   no statement")
    assert lines[5:8] == ["", "To fix queue policy, queue senders:", FIX]
    assert lines[-1] == "4 checks: 1 ok, 1 warning, 1 fails, 1 not checked"


def test_hostile_text_is_shown_and_not_obeyed() -> None:
    text = shown(HOSTILE)
    assert text.isascii()
    assert "\x1b" not in text
    assert "[red]" in text


def test_json_has_each_field_of_a_row() -> None:
    rows = [json.loads(line) for line in shown(OK, FAILS, HOSTILE, as_json=True).splitlines()]
    assert rows[1] == {
        "what": "queue policy",
        "status": "fails",
        "detail": FAILS.detail,
        "fix": FIX,
    }
    assert rows[2]["detail"] == HOSTILE.detail


@pytest.mark.parametrize(
    ("results", "code"),
    [
        ([], 0),
        ([OK], 0),
        ([OK, ALSO], 0),
        ([OK, NOTHING_TO_CHECK], 0),
        ([OK, HOSTILE], 3),
        ([HOSTILE, FAILS], 1),
    ],
)
def test_exit_code_is_that_of_the_worst(results: list[CheckResult], code: int) -> None:
    assert exit_code(results) == code
