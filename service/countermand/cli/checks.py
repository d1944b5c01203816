"""What `doctor` shows: one table of the checks, and under it the commands that fix them."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.text import Text

from countermand.cli.tables import show_table
from countermand.core.policies.document import printable
from countermand.deployment.doctor.result import CheckResult, Status

_STYLES = {
    Status.OK: "green",
    Status.WARNING: "yellow",
    Status.FAILS: "red",
    Status.NOT_CHECKED: "magenta",
}
_LONGEST_FIX = 100_000
_BREAKS = re.compile(r" (?=&& aws |--[a-z])")
"""Where a command may continue on the next line: the JSON in it has no such spaces."""


def show_checks(results: Sequence[CheckResult], *, as_json: bool) -> None:
    """Print a row a check, then a command for each that needs one."""
    console = Console()
    if as_json:
        for result in results:
            console.out(json.dumps(asdict(result)), highlight=False)
        return
    rows = [(str(result.status), result.what, result.detail) for result in results]
    styles = [_STYLES[result.status] for result in results]
    show_table(console, ("STATUS", "CHECK", "RESULT"), rows, styles)
    for fix, checks in _fixes(results).items():
        console.print()
        console.print(Text(f"To fix {', '.join(checks)}:", style="bold"), soft_wrap=True)
        console.out(_fitting(fix, console), highlight=False)
    console.print()
    console.out(_counted(results), highlight=False)


def _fixes(results: Sequence[CheckResult]) -> dict[str, list[str]]:
    """Return the checks by the command that fixes them: often one command is enough for many."""
    found: dict[str, list[str]] = {}
    for result in results:
        if result.status is not Status.OK and result.fix:
            found.setdefault(printable(result.fix, _LONGEST_FIX), []).append(result.what)
    return found


def _fitting(fix: str, console: Console) -> str:
    """Break a command after its options, so that it fits a terminal and can still be pasted."""
    if not console.is_terminal or len(fix) <= console.width:
        return fix
    return _BREAKS.sub(" \\\\\n  ", fix)


def _counted(results: Sequence[CheckResult]) -> str:
    counts = [
        f"{number} {status}"
        for status in Status
        if (number := sum(result.status is status for result in results))
    ]
    return f"{len(results)} checks: {', '.join(counts)}"
