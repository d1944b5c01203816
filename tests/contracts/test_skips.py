"""What a run says about skips, and which of them CI accepts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.tools import ROOT

TESTS = """
import pytest
from support.skips import NOT_HERE, UnavailableError, skip_or_fail

@pytest.mark.parametrize("number", range(3))
def test_without_capability(number): skip_or_fail(UnavailableError("no capability"))

@pytest.mark.skipif(True, reason=f"{NOT_HERE}no data")
def test_without_data(): pass

def test_broken_install(): skip_or_fail(RuntimeError("apt exited with 100:\\nits log"))

def test_plain_skip(): pytest.skip("not today")

@pytest.mark.xfail
def test_expected_failure(): assert False
"""


def lines_of_a_run(folder: Path, ci: str) -> list[str]:
    (folder / "test_some.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "support.skips", "-p", "no:cacheprovider", "."],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "tests"), "CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def in_ci(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return lines_of_a_run(tmp_path_factory.mktemp("ci"), "true")


@pytest.fixture(scope="module")
def at_home(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return lines_of_a_run(tmp_path_factory.mktemp("home"), "")


def test_ci_skips_only_what_the_machine_cannot_have(in_ci: list[str]) -> None:
    assert "2 failed, 4 skipped, 1 xfailed" in in_ci[-1]


def test_ci_shows_the_log_of_a_failed_install(in_ci: list[str]) -> None:
    assert "RuntimeError: apt exited with 100:" in in_ci
    assert "its log" in in_ci


def test_ci_names_a_skip_that_it_rejects(in_ci: list[str]) -> None:
    assert "CI accepts no skip for this reason: not today" in in_ci


def test_elsewhere_a_missing_tool_is_a_skip(at_home: list[str]) -> None:
    assert "6 skipped, 1 xfailed" in at_home[-1]


def test_a_run_counts_its_skips_by_reason_before_its_last_line(at_home: list[str]) -> None:
    start = next(n for n, line in enumerate(at_home) if "skipped tests by reason" in line)
    assert at_home[start + 1] == "    3  not possible on this machine: no capability"
    assert "    1  not today" in at_home[start + 1 : -1]
