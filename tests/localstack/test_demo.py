"""`make demo KEEP=1` is the newcomer's first five minutes: README's commands work on it as they
stand there, Ctrl-C ends it well, and nothing is left behind.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from countermand.lab.localstack import LocalStack
from support.running import eventually
from support.tools import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
KEPT = "until you press Ctrl-C"
FROM_A_TERMINAL = (
    "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "runpy.run_module('countermand', run_name='__main__', alter_sys=True)"
)
"""A job in the background inherits that Ctrl-C is ignored; a terminal's does not."""


@dataclass(frozen=True)
class Demo:
    process: subprocess.Popen[bytes]
    output: Path
    errors: Path

    def said(self) -> str:
        return self.output.read_text()


@pytest.fixture(scope="module")
def demo(localstack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo, kept running; its tests run in the order of this file."""
    del localstack  # only to be skipped where LocalStack is not installed
    folder = tmp_path_factory.mktemp("demo")
    clean = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
    output, errors = folder / "out", folder / "err"
    with output.open("wb") as out, errors.open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-c", FROM_A_TERMINAL, "demo", "--keep"],
            env=clean | {"COLUMNS": "100", "PYTHONUNBUFFERED": "1"},
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    made = Demo(process, output, errors)
    try:
        assert eventually(lambda: KEPT in made.said() or process.poll() is not None, 110)
        yield made
    finally:
        process.kill()
        process.wait()


def test_the_demo_shows_what_readme_shows(demo: Demo) -> None:
    assert demo.process.poll() is None, demo.said() + demo.errors.read_text()
    assert "FAIL" not in demo.said()
    assert [line for line in transcript() if line not in masked(demo.said())] == []


def test_readmes_commands_work_on_the_demo(demo: Demo) -> None:
    (settings,) = re.findall(r"^ *\. (/\S+/env)$", demo.said(), re.MULTILINE)
    shown = README.partition("make demo KEEP=1")[2].partition("With Docker")[0]
    source, *commands = [line.strip() for line in shown.splitlines() if line.startswith("    ")]
    assert re.fullmatch(r"\. /tmp/countermand-demo-\w+/env", source)
    assert len(commands) == 3
    ours = f"{sys.executable} -m countermand"
    for command in commands:
        asked = command.replace(".venv/bin/countermand", ours)
        assert asked != command
        done = subprocess.run(
            ["sh", "-c", f". {settings} && {asked}"],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_ctrl_c_ends_the_demo_well(demo: Demo) -> None:
    """A terminal sends the signal to every process of the group."""
    (settings,) = re.findall(r"^ *\. (/\S+/env)$", demo.said(), re.MULTILINE)
    os.killpg(demo.process.pid, signal.SIGINT)
    assert demo.process.wait(40) == 0, demo.said() + demo.errors.read_text()
    assert demo.said().rstrip().endswith("Everything happened as expected.")
    assert demo.errors.read_text() == ""
    assert not Path(settings).parent.exists()


def transcript() -> list[str]:
    """The lines of the demo that README shows, without what differs from run to run."""
    shown = README.partition("    $ make demo\n")[2].partition("\nIt detects")[0]
    return [line.strip() for line in masked(shown).splitlines() if line.strip()]


def masked(text: str) -> str:
    return re.sub(r"\bd-[0-9a-f]{20}\b|\b[0-9]+\.[0-9] s\b", "...", text)
