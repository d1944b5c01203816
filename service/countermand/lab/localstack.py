"""LocalStack as a child process: the AWS of `countermand demo` and of the tests, without Docker.

It runs from a virtual environment of its own (`make install-localstack`), keeps all it writes in a
temporary folder, and does not outlive the process that started it, however that one ends.
"""

import atexit
import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

SERVICES = ("sqs", "sns", "events", "iam", "sts", "logs", "ses", "cloudwatch", "kms")

_START_DEADLINE_SECONDS = 90.0  # a cold disk takes long to import it; a warm one needs two seconds
_GRACE_SECONDS = 1.0  # it would take three for its goodbye, and nothing it saves is read again
_POLL_SECONDS = 0.1
_LOG_TAIL_LINES = 20

# LocalStack was made for 3.13, which moved `deprecated` into `warnings`: in 3.12 that is all that
# sqs, sns and events lack, and typing_extensions has the very same one.
_LAUNCH = """
import runpy
import warnings

if not hasattr(warnings, "deprecated"):
    import typing_extensions

    warnings.deprecated = typing_extensions.deprecated
runpy.run_module("localstack.runtime.main", run_name="__main__", alter_sys=True)
"""

# An emulator on this machine is never behind the proxy that the environment may name.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class LocalStackError(RuntimeError):
    """LocalStack cannot be used; the message says why, and what to do."""


class LocalStackMissingError(LocalStackError):
    """LocalStack is not installed."""


def default_home() -> Path:
    """Where LocalStack is installed, unless a variable says otherwise: in this project."""
    if named := os.environ.get("COUNTERMAND_LOCALSTACK_HOME"):
        return Path(named).absolute()
    here = Path.cwd()
    root = next((folder for folder in (here, *here.parents) if _is_project(folder)), here)
    return root / ".countermand" / "localstack"


def _is_project(folder: Path) -> bool:
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return bool(project.get("project", {}).get("name") == "countermand")


class LocalStack:
    """One LocalStack on 127.0.0.1, with its state gone when it stops."""

    def __init__(self, home: Path | None = None) -> None:
        self._home = home or default_home()
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """The endpoint for all services: what AWS_ENDPOINT_URL is set to."""
        if self._process is None:
            raise LocalStackError("LocalStack is not running: call start() first")
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """Its process ID, which is the ID of its process group too."""
        if self._process is None:
            raise LocalStackError("LocalStack is not running: call start() first")
        return self._process.pid

    def start(self, port: int | None = None) -> None:
        """Return when it answers on the port, or on a free one; raise LocalStackError if never."""
        if self._process is not None:
            raise LocalStackError(f"LocalStack already runs at {self.url}")
        python = self._home / "venv" / "bin" / "python"
        if not python.exists():
            raise LocalStackMissingError(
                f"LocalStack is not installed in {self._home}: run `make install-localstack`"
            )
        self._port = _claimable(port)
        self._folder = Path(tempfile.mkdtemp(prefix="countermand-localstack-"))
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, our own file
                # -P: this file's folder holds modules whose names LocalStack must not find first.
                [python, "-P", __file__],
                stdin=subprocess.PIPE,  # the lifeline: see _watch
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env=_environment(self._port, self._folder),
                start_new_session=True,
            )
        atexit.register(self.stop)
        try:
            self._await_health()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it and all it started; do nothing if it does not run."""
        atexit.unregister(self.stop)
        process, self._process = self._process, None
        if process is not None:
            if process.stdin is not None:
                process.stdin.close()
            try:
                process.wait(_GRACE_SECONDS + 5)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def __enter__(self) -> Self:
        if self._process is None:
            self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _await_health(self) -> None:
        deadline = time.monotonic() + _START_DEADLINE_SECONDS
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                raise LocalStackError(f"LocalStack ended while starting.\n{self._log_tail()}")
            # Not listening yet refuses or resets; half-started answers with an error status.
            with contextlib.suppress(OSError, ValueError):
                _get(self.url, "/_localstack/health")
                return
            time.sleep(_POLL_SECONDS)
        raise LocalStackError(
            f"LocalStack did not answer at {self.url} "
            f"within {_START_DEADLINE_SECONDS:.0f} s.\n{self._log_tail()}"
        )

    def _log_tail(self) -> str:
        if self._folder is None:
            return "(no log)"
        lines = (self._folder / "log").read_text("utf-8", "replace").splitlines()
        return "\n".join(["The end of its log:", *lines[-_LOG_TAIL_LINES:]])


def is_localstack(url: str) -> bool:
    """Whether a LocalStack answers there; nothing else has this path."""
    try:
        return url.startswith("http") and "services" in _get(url, "/_localstack/health")
    except (OSError, ValueError):
        return False


def emails(url: str, address: str) -> list[dict[str, Any]]:
    """List the emails that LocalStack would have sent to the address, the oldest first."""
    try:
        messages = _get(url, "/_aws/ses")["messages"]
    except urllib.error.HTTPError as error:
        error.close()
        # Before the first email neither the outbox nor, sometimes, the service behind it exists.
        if error.code not in {404, 501}:
            raise
        return []
    return [mail for mail in messages if address in mail["Destination"]["ToAddresses"]]


def subscription_token(url: str, subscription_arn: str) -> str:
    """Fetch the token that AWS would have mailed, with which sns:ConfirmSubscription confirms."""
    arn = urllib.parse.quote(subscription_arn, safe=":")
    return str(_get(url, f"/_aws/sns/subscription-tokens/{arn}")["subscription_token"])


def _get(url: str, path: str) -> dict[str, Any]:
    with _opener.open(url + path, timeout=5) as answer:
        body: dict[str, Any] = json.load(answer)
    return body


def _claimable(port: int | None) -> int:
    """Make sure that an answer on the port will be ours, not that of another LocalStack."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port just left is free
        try:
            probe.bind(("127.0.0.1", port or 0))
        except OSError as error:
            raise LocalStackError(f"Port {port} of 127.0.0.1 is taken: {error.strerror}") from error
        return int(probe.getsockname()[1])


def _environment(port: int, folder: Path) -> dict[str, str]:
    # Almost nothing is inherited: the user's AWS_*, DEBUG, proxies and ~/.localstack would
    # configure the emulator, and no test may depend on them.
    inherited = {
        name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ
    }
    return inherited | {
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "GATEWAY_LISTEN": f"127.0.0.1:{port}",
        # A name, since an IP would give queue URLs like sqs.us-east-1.127.0.0.1; and with the
        # strategy "off" they keep to that name, which every machine resolves.
        "LOCALSTACK_HOST": f"localhost:{port}",
        "SQS_ENDPOINT_STRATEGY": "off",
        # A stray /.dockerenv makes instances share, and on exit wipe, one folder.
        "OVERRIDE_IN_DOCKER": "0",
        "FILESYSTEM_ROOT": str(folder / "fs"),
        "SERVICES": ",".join(SERVICES),
        "EAGER_SERVICE_LOADING": "0",
        # It works offline and reports to nobody.
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DNS_ADDRESS": "0",
    }


def _watch() -> None:
    """Run LocalStack until stdin ends, then leave nothing of this process group.

    The other end of stdin is held by the process that called `start`: the kernel closes it even
    when that one is killed. (PR_SET_PDEATHSIG is Linux only, and fires when the *thread* that
    started the child ends.) Runs in LocalStack's environment, so only the standard library is here.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    child: subprocess.Popen[bytes] | None = None
    ended = False
    try:
        child = subprocess.Popen(  # noqa: S603 - our own interpreter, our own program
            [sys.executable, "-P", "-c", _LAUNCH], stdin=subprocess.DEVNULL
        )
        # Nothing is ever written to stdin: readable means ended.
        while child.poll() is None and not ended:
            ended = bool(select.select([sys.stdin], [], [], 0.5)[0])
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(0, signal.SIGTERM)
        if child is not None:
            try:
                child.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        if ended:  # else the log in it is still to be read
            shutil.rmtree(Path.cwd(), ignore_errors=True)
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    _watch()
