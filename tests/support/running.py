"""A real `countermand run` in a process of its own, on a stack of its own in LocalStack."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from countermand.app import rules
from countermand.aws.clients import Clients
from countermand.aws.lab import Lab
from countermand.aws.provision import Names, provision
from countermand.core.envelope import ADMIN_POLICY, attach_event
from countermand.core.parse import CLOUDTRAIL_CALL
from countermand.core.rules.routing import routes_of
from countermand.lab.api_client import DecisionsApi
from countermand.lab.localstack import LocalStack, emails

POLL_SECONDS = 1
PATIENCE_SECONDS = 30.0


def eventually(condition: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> bool:
    """Whether it holds in time; asks ten times a second, for what is in other processes."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Gate:
    """A TCP proxy before LocalStack that holds what clients send while it is shut: work that is in
    hand for as long as a test wants. What it still holds when it is closed never arrives.
    """

    def __init__(self, target: str) -> None:
        self._target = int(target.rpartition(":")[2])
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self._may_pass = threading.Event()
        self._may_pass.set()
        self._closed = False
        self.holds = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def shut(self) -> None:
        self._may_pass.clear()

    def open(self) -> None:
        self._may_pass.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        self._may_pass.set()
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                target = socket.create_connection(("127.0.0.1", self._target))
                for source, sink, held in ((client, target, True), (target, client, False)):
                    threading.Thread(
                        target=self._pump, args=(source, sink, held), daemon=True
                    ).start()

    def _pump(self, source: socket.socket, sink: socket.socket, held: bool) -> None:
        with contextlib.suppress(OSError), source:
            while data := source.recv(65536):
                if held and not self._may_pass.is_set():
                    self.holds.set()
                    self._may_pass.wait()
                if self._closed:
                    break
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)


class Worker:
    """One process. `log` are its lines, each a JSON object."""

    def __init__(
        self, environment: Mapping[str, str], folder: Path, port: int | None = None
    ) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_file = folder / f"worker-{self.port}.log"
        self.started_at = time.monotonic()
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "countermand", "run"],
                env={**environment, "COUNTERMAND_API_PORT": str(self.port)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def get(self, path: str) -> tuple[int, str]:
        """Status and text; 0 while nothing listens."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def ready(self) -> bool:
        assert self.process.poll() is None, self.log_file.read_text()
        return self.get("/readyz")[0] == 200

    @property
    def log(self) -> list[dict[str, Any]]:
        # The last line may be half written, or cut off by a SIGKILL.
        whole, _, _ = self.log_file.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def resident_kib(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if "VmRSS" in line)

    def cpu_seconds(self) -> float:
        """Return the processor time so far: unlike the clock, other processes hardly change it."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


class Site:
    """A provisioned stack, the attacker's hands, and the workers on it."""

    def __init__(self, localstack: LocalStack, folder: Path, **names: Any) -> None:
        self.localstack, self.folder = localstack, folder
        mark = uuid.uuid4().hex[:8]
        self.names = Names(
            rule_prefix=f"rule-{mark}",
            queue=f"queue-{mark}",
            dlq=f"dlq-{mark}",
            topic=f"topic-{mark}",
            machine_queue=f"machine-{mark}",
            log_group=f"/log/{mark}",
            email=f"{mark}@example.com",
            **({"max_receives": 3} | names),
        )
        self.clients = Clients("us-east-1")
        self.stack = provision(self.clients, routes_of(rules()), self.names)
        self.lab = Lab(self.clients)
        self.account = self.clients.caller().account_id
        self.mark = mark
        self.workers: list[Worker] = []
        self.extra: dict[str, str] = {}

    def environment(self, **settings: str) -> dict[str, str]:
        ours = {
            **self.stack.environment(),
            "COUNTERMAND_POLL_SECONDS": str(POLL_SECONDS),
            "COUNTERMAND_LEDGER_URL": f"sqlite:{self.folder / 'ledger.sqlite3'}",
            "COUNTERMAND_OWN_ROLE_ARN": f"arn:aws:iam::{self.account}:role/countermand",
            **{f"COUNTERMAND_{name.upper()}": text for name, text in settings.items()},
        }
        # Without its byte code on disk, a process compiles 800 modules and keeps the traces of it.
        unwanted = ("COUNTERMAND_", "PYTHONDONTWRITEBYTECODE")
        others = {k: v for k, v in os.environ.items() if not k.startswith(unwanted)}
        return others | ours | self.extra

    def start(self, **settings: str) -> Worker:
        """A worker that is ready."""
        worker = Worker(self.environment(**settings), self.folder)
        self.workers.append(worker)
        assert eventually(worker.ready), worker.log_file.read_text()
        return worker

    def user(self, name: str) -> str:
        """A name in scope that no other test uses."""
        return f"iam-test-{name}-{self.mark}"

    def attack(self, user: str, tags: Mapping[str, str] | None = None, path: str = "/") -> str:
        """Attach AdministratorAccess to a new user, send the event and return its ID."""
        self.lab.create_user(user, tags or {}, path)
        self.lab.attach(user, ADMIN_POLICY)
        record = attach_event(self.account, user)
        self.lab.put_event(record, CLOUDTRAIL_CALL)
        return str(record["eventID"])

    def has_admin(self, user: str) -> bool:
        return self.lab.has_policy(user, ADMIN_POLICY)

    def waiting(self) -> tuple[int, int]:
        """Messages on the queue: visible, and hidden because a worker has them."""
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        answer = self.clients.get("sqs").get_queue_attributes(
            QueueUrl=self.stack.queue_url, AttributeNames=list(names)
        )
        visible, hidden = (int(answer["Attributes"][name]) for name in names)
        return visible, hidden

    def mails(self) -> list[str]:
        found = emails(self.localstack.url, self.names.email)
        return [str(mail["Body"]["text_part"]) for mail in found]

    def countermand(
        self, worker: Worker | None, *arguments: str
    ) -> subprocess.CompletedProcess[str]:
        environment = self.environment() | {"COLUMNS": "200"}
        if worker is not None:
            environment["COUNTERMAND_API_PUBLIC_URL"] = worker.url
        return subprocess.run(
            [sys.executable, "-m", "countermand", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def close(self) -> None:
        for worker in self.workers:
            with contextlib.suppress(ProcessLookupError):
                worker.process.kill()
            worker.process.wait()


@contextlib.contextmanager
def site_on(localstack: LocalStack, folder: Path, **names: Any) -> Iterator[Site]:
    """A stack of its own, whose workers are gone at the end."""
    with aws_environment(localstack.url):
        site = Site(localstack, folder, **names)
        try:
            yield site
        finally:
            site.close()


def decision(worker: Worker, event_id: str) -> dict[str, Any]:
    """The decision on an event, once it was notified or needed no alert."""
    api = DecisionsApi(worker.url)
    found = api.wait_for(
        lambda d: (
            d["event_id"] == event_id
            and d["verdict"] != "wait"
            and (d["verdict"] == "skip" or d["timings"]["notified_at"] is not None)
        ),
        PATIENCE_SECONDS,
        limit="100",
    )
    assert found is not None, worker.log_file.read_text()
    return found


@contextlib.contextmanager
def aws_environment(url: str) -> Iterator[None]:
    """Credentials and endpoint of the emulator, for clients and child processes."""
    ours = {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, text in before.items():
            if text is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = text
