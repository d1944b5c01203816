"""`make demo` is the newcomer's first five minutes: it must end well, and leave nothing behind."""

import os
import subprocess
import sys

from countermand.lab.localstack import LocalStack


def test_the_demo_ends_with_everything_as_told(localstack: LocalStack) -> None:
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
    assert "Everything happened as told." in done.stdout
    assert "FAIL" not in done.stdout
    assert done.stderr == ""
