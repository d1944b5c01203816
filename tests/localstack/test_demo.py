"""`make demo` is the newcomer's first five minutes: it must end well, and leave nothing behind."""

import os
import re
import subprocess
import sys

from countermand.lab.localstack import LocalStack
from support.tools import ROOT


def test_the_demo_ends_as_expected(localstack: LocalStack) -> None:
    del localstack  # only to be skipped where LocalStack is not installed
    clean = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(
        [sys.executable, "-m", "countermand", "demo"],
        env=clean | {"COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Everything happened as expected." in done.stdout
    assert "FAIL" not in done.stdout
    assert done.stderr == ""
    assert [line for line in transcript() if line not in masked(done.stdout)] == []


def transcript() -> list[str]:
    """The lines of the demo that README shows, without what differs from run to run."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = readme.partition("    $ make demo\n")[2].partition("\nIt detects")[0]
    return [line.strip() for line in masked(shown).splitlines() if line.strip()]


def masked(text: str) -> str:
    return re.sub(r"\bd-[0-9a-f]{20}\b|\b[0-9]+\.[0-9] s\b", "...", text)
