"""The result of a check, and what all results together say."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

_SOMETHING_FAILS = 1
_SOMETHING_UNKNOWN = 3


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    """It works, and the detail says what could go wrong."""
    FAILS = "fails"
    NOT_CHECKED = "not checked"
    """The answer is unknown: an error is never ok. Without a fix, the check does not apply."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One row: what was checked, how it ended, what was found, and the command that fixes it."""

    what: str
    status: Status
    detail: str
    fix: str = ""


def exit_code(results: Sequence[CheckResult]) -> int:
    """Return 1 if something fails, else 3 if something could not be checked, else 0."""
    if any(result.status is Status.FAILS for result in results):
        return _SOMETHING_FAILS
    unknown = (r for r in results if r.status is Status.NOT_CHECKED and r.fix)
    return _SOMETHING_UNKNOWN if any(unknown) else 0


def verdict(what: str, detail: str, wrong: str | None, fix: str) -> CheckResult:
    """Return a row that fails for the reason `wrong`, or is ok if that is None."""
    if wrong is None:
        return CheckResult(what, Status.OK, detail)
    return CheckResult(what, Status.FAILS, wrong, fix)


def warning(what: str, detail: str, fix: str = "") -> CheckResult:
    """Return a row that does not fail, and that deserves attention."""
    return CheckResult(what, Status.WARNING, detail, fix)


def unchecked(what: str, reason: str, fix: str = "") -> CheckResult:
    """Return a row whose answer is unknown, or (without a fix) that does not apply."""
    return CheckResult(what, Status.NOT_CHECKED, reason, fix)
