"""moto's server in a process of its own: the AWS services that LocalStack's free edition lacks."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from support.running import eventually, free_port

_START_SECONDS = 60
_LOG_TAIL = 2_000
"""Characters of the log that an error quotes."""


@contextlib.contextmanager
def moto_server(*program: str, **environment: str) -> Iterator[str]:
    """Run moto's server, or the given Python program, on a free port and yield its URL."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, *(program or ("-m", "moto.server"))]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as stream:
            server = subprocess.Popen(
                [*command, "-H", "127.0.0.1", "-p", str(port)],
                env=os.environ | environment,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
        try:
            eventually(lambda: server.poll() is not None or _listens(port), _START_SECONDS)
            if not _listens(port):
                tail = log.read_text(errors="replace")[-_LOG_TAIL:]
                raise RuntimeError(f"{' '.join(command)}: does not answer at {url}:\n{tail}")
            yield url
        finally:
            server.kill()
            server.wait()


def _listens(port: int) -> bool:
    # Not a request: the first one makes moto import every service, which takes long.
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    return False
