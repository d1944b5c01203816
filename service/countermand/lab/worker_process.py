"""A real `countermand run` in a process of its own, for the scenario of `demo` and `attack`."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

from countermand.core.errors import Transient

_START_SECONDS = 20.0
_STOP_SECONDS = 30.0
_LOG_TAIL_LINES = 15


class WorkerProcess:
    """One worker at a time; its log grows over all of them."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "worker.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()

    @property
    def url(self) -> str:
        """Where its API is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self, environment: Mapping[str, str]) -> float:
        """Return when it is ready, with the seconds that it took; `Transient` if it never is."""
        started = time.monotonic()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "countermand", "run"],
                env={**environment, "COUNTERMAND_API_PORT": str(self.port)},
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the demo, which then stops the worker: two signals abandon its work.
                start_new_session=True,
            )
        while self.running and time.monotonic() < started + _START_SECONDS:
            if self._ready():
                return time.monotonic() - started
            time.sleep(0.1)
        raise Transient("the worker did not become ready" if self.running else "the worker ended")

    def stop(self) -> int | None:
        """The exit code after SIGTERM, or None when no worker runs."""
        process, self._process = self._process, None
        if process is None:
            return None
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def log_tail(self) -> list[str]:
        """The last lines of its log."""
        if not self._log.exists():
            return []
        return self._log.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:]

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:  # noqa: S310
                return bool(answer.status == HTTPStatus.OK)
        except OSError:
            return False


def without_settings() -> dict[str, str]:
    """The environment of this process less our own settings, which a worker is given whole."""
    return {k: v for k, v in os.environ.items() if not k.startswith("COUNTERMAND_")}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
