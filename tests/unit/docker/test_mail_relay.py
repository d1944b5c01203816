"""The email relay of compose, run as a process between an outbox and an SMTP server."""

import email
import json
import os
import signal
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from support.running import eventually, free_port
from support.tools import ROOT

RELAY = ROOT / "docker/mail-relay/relay.py"


class Outbox(ThreadingHTTPServer):
    """LocalStack's outbox; `emails` is `None` before the first email."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _OutboxPage)
        self.emails: list[dict[str, Any]] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _OutboxPage(BaseHTTPRequestHandler):
    server: Outbox

    def do_GET(self) -> None:
        known = self.path == "/_aws/ses" and self.server.emails is not None
        self.send_response(200 if known else 404)
        self.end_headers()
        self.wfile.write(json.dumps({"messages": self.server.emails}).encode())

    def log_message(self, *_: object) -> None:
        pass


class Mailbox(socketserver.ThreadingTCPServer):
    """An SMTP server that rejects emails to `nobody@`."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Smtp)
        self.emails: list[EmailMessage] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Smtp(socketserver.StreamRequestHandler):
    server: Mailbox

    def handle(self) -> None:
        self.wfile.write(b"220 ready\r\n")
        while line := self.rfile.readline().upper():
            self.wfile.write(self._answer(line))
            if line.startswith(b"QUIT"):
                return

    def _answer(self, line: bytes) -> bytes:
        if line.startswith(b"RCPT") and b"NOBODY@" in line:
            return b"550 no such mailbox\r\n"
        if not line.startswith(b"DATA"):
            return b"250 ok\r\n"
        self.wfile.write(b"354 go on\r\n")
        lines = iter(self.rfile.readline, b".\r\n")
        parsed = email.message_from_bytes(b"".join(lines), policy=policy.default)
        self.server.emails.append(parsed)
        return b"250 ok\r\n"


@contextmanager
def served[S: socketserver.BaseServer](server: S) -> Iterator[S]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def outbox() -> Iterator[Outbox]:
    with served(Outbox()) as server:
        yield server


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with served(Mailbox()) as server:
        yield server


@contextmanager
def relaying(outbox: Outbox, address: str, folder: Path) -> Iterator[Path]:
    """Run the relay; give the file that it writes to."""
    log = folder / "log"
    with log.open("ab") as file:
        relay = subprocess.Popen(
            [sys.executable, "-u", str(RELAY), outbox.url, address],
            env=_environment(folder),
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield log
    finally:
        relay.send_signal(signal.SIGTERM)
        assert relay.wait(10) == 0, log.read_text()


def test_a_restart_delivers_no_email_twice(
    outbox: Outbox, mailbox: Mailbox, tmp_path: Path
) -> None:
    with relaying(outbox, mailbox.address, tmp_path):
        assert eventually(lambda: _healthy(tmp_path))
        outbox.emails = [_email("one")]
        # A relay that stops between delivery and the file delivers again: better twice than never.
        assert eventually(lambda: "one" in (tmp_path / "relayed.json").read_text())
    with relaying(outbox, mailbox.address, tmp_path):
        outbox.emails = [_email("one"), _email("two")]
        assert eventually(lambda: len(mailbox.emails) == 2)
    assert [mail["Message-ID"] for mail in mailbox.emails] == [
        "<one@localstack>",
        "<two@localstack>",
    ]
    assert mailbox.emails[0]["To"] == "security@example.com"
    assert mailbox.emails[0].get_content().split() == ["Reverted.", "Actor:", "zoë"]


def test_a_dropped_subject_is_replaced(outbox: Outbox, mailbox: Mailbox, tmp_path: Path) -> None:
    """The first line replaces a dropped subject."""
    outbox.emails = [
        _email("one", Subject="SNS-Subscriber-Endpoint"),
        _email("two", Subject="Hello"),
    ]
    with relaying(outbox, mailbox.address, tmp_path):
        assert eventually(lambda: len(mailbox.emails) == 2)
    assert [mail["Subject"] for mail in mailbox.emails] == ["Reverted.", "Hello"]


def test_a_subject_cannot_add_a_header(outbox: Outbox, mailbox: Mailbox, tmp_path: Path) -> None:
    """A subject of two lines cannot add a header."""
    outbox.emails = [_email("one", Subject="Hello\r\nBcc: eve@example.com")]
    with relaying(outbox, mailbox.address, tmp_path):
        assert eventually(lambda: mailbox.emails)
    assert mailbox.emails[0]["Bcc"] is None
    assert mailbox.emails[0]["Subject"] == "Hello Bcc: eve@example.com"


def test_a_rejected_email_blocks_no_other(outbox: Outbox, mailbox: Mailbox, tmp_path: Path) -> None:
    """A rejected email is logged once and blocks no other."""
    lost = _email("lost", Destination={"ToAddresses": ["nobody@example.com"]})
    outbox.emails = [lost, _email("one")]
    with relaying(outbox, mailbox.address, tmp_path) as log:
        assert eventually(lambda: mailbox.emails)
        outbox.emails.append(_email("two"))
        assert eventually(lambda: len(mailbox.emails) == 2)
    assert log.read_text().count("rejected lost") == 1


def test_an_email_waits_until_the_server_is_back(outbox: Outbox, tmp_path: Path) -> None:
    outbox.emails = [_email("one")]
    port = free_port()
    with relaying(outbox, f"127.0.0.1:{port}", tmp_path) as log:
        assert eventually(
            lambda: "delivery failed, retrying: ConnectionRefusedError" in log.read_text()
        )
        assert not _healthy(tmp_path)
        with served(Mailbox(port)) as mailbox:
            assert eventually(lambda: mailbox.emails)
            assert eventually(lambda: _healthy(tmp_path))


def _email(name: str, **changes: Any) -> dict[str, Any]:
    """An email in the form of `GET /_aws/ses` of LocalStack 4.14."""
    return {
        "Id": name,
        "Region": "us-east-1",
        "Source": "admin@localstack.com",
        "Destination": {"ToAddresses": ["security@example.com"]},
        "Subject": "SNS-Subscriber-Endpoint",
        "Body": {"text_part": "Reverted.\n\nActor: zoë", "html_part": None},
        "Timestamp": "2026-11-23T11:23:40",
    } | changes


def _healthy(folder: Path) -> bool:
    check = [sys.executable, str(RELAY), "--check"]
    return subprocess.run(check, env=_environment(folder), check=False).returncode == 0


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "MAIL_RELAY_STATE": str(folder / "relayed.json")}
