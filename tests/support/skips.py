"""Skips as a pytest plugin: in CI only what a machine cannot have, and a list of them at the end.

A tool that could have been installed and was not is a failure in CI, with the log of its install.
Elsewhere it is a skip, so that a laptop without Docker can still run the rest.
"""

import os
from collections import Counter
from collections.abc import Generator
from typing import NoReturn

import pytest

NOT_HERE = "not possible on this machine: "
"""Prefix of the only reasons for which CI accepts a skip."""


class UnavailableError(Exception):
    """Raised when this machine cannot have a tool at all; the text gives the reason."""


def skip_or_fail(error: Exception) -> NoReturn:
    """Skip what this machine cannot have; in CI, fail with the log of everything else."""
    if isinstance(error, UnavailableError):
        pytest.skip(f"{NOT_HERE}{error}")
    if in_ci():
        raise pytest.fail.Exception(f"{type(error).__name__}: {error}", pytrace=False) from None
    pytest.skip(str(error))


def in_ci() -> bool:
    return bool(os.environ.get("CI"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    # Also catches a plain `pytest.skip` or `skipif` that does not go through skip_or_fail.
    report = yield
    reason = _reason(report)
    if in_ci() and reason is not None and not reason.startswith(NOT_HERE):
        report.outcome = "failed"
        report.longrepr = f"CI accepts no skip for this reason: {reason}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reasons = Counter(map(_reason, terminalreporter.stats.get("skipped", ())))
    if reasons:
        terminalreporter.section("skipped tests by reason")
    for reason, number in reasons.most_common():
        terminalreporter.line(f"{number:5}  {reason}")


def _reason(report: pytest.TestReport) -> str | None:
    """Return the reason of a skip; None for any other outcome, an expected failure among them."""
    if report.outcome != "skipped" or hasattr(report, "wasxfail"):
        return None
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")
