"""`countermand demo`: the whole pipeline on an embedded LocalStack, told as a story.

Everything that is printed was read back: decisions from the API, policies from IAM, mails from the
mailbox, the log from CloudWatch Logs, messages from the queues. A claim that does not hold ends the
demo with exit code 1. The worker is a real `countermand run` in a process of its own.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from countermand.apiclient import DecisionsApi
from countermand.app import rules
from countermand.aws.clients import Clients
from countermand.aws.lab import Lab
from countermand.aws.provision import Names, Stack, provision
from countermand.cloudtrail import ADMIN_POLICY, attach_event, envelope
from countermand.core.errors import CountermandError
from countermand.core.parse import CLOUDTRAIL_CALL
from countermand.localstack import LocalStack, LocalStackError, emails, subscription_token

READ_ONLY_POLICY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
_PATIENCE_SECONDS = 20.0
_POLL_SECONDS = 1
_NAMES = Names(max_receives=3)

type Decision = dict[str, Any]


class DemoFailed(CountermandError):
    """Something that was promised did not happen."""


class Demo:
    """One run of the story; the state of LocalStack is gone when it ends."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._failures: list[str] = []
        self._folder = Path(tempfile.mkdtemp(prefix="countermand-demo-"))
        self._worker: subprocess.Popen[bytes] | None = None
        self._port = _free_port()
        self._api = DecisionsApi(f"http://127.0.0.1:{self._port}")

    def run(self, *, keep: bool) -> int:
        """Play it; 0 when everything happened as told."""
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
            self._say("Starting LocalStack ...")
            localstack = stack.enter_context(LocalStack())
            self._prepare(localstack)
            stack.callback(self._stop_worker)
            try:
                self._story()
                self._show_results()
            except (CountermandError, LocalStackError) as error:
                self._failures.append(str(error))
                self._show_worker_log()
            if keep:
                self._wait_for_ctrl_c(localstack)
        return self._verdict()

    # --- the story

    def _story(self) -> None:
        self._start_worker("dry-run")
        self._scene_a()
        self._scene_b()
        self._start_worker("enforce")
        self._scene_c()
        self._scene_d()

    def _scene_a(self) -> None:
        self._title("A. mallory attaches AdministratorAccess to iam-test-user (dry run)")
        decision = self._attack("iam-test-user")
        self._expect("the decision approves a remediation", decision["approved_for_remediation"])
        self._expect("its reason", decision["decision_reason"], "Approved for remediation")
        self._expect("the outcome is a rehearsal", decision["outcome"], "rehearsed")
        self._expect("the policy is still attached", self._has_admin("iam-test-user"))
        self._expect_mail(decision)

    def _scene_b(self) -> None:
        self._title("B. the same for a user with the tag SecurityApproved=true")
        decision = self._attack("iam-test-approved", {"SecurityApproved": "true"})
        self._expect("no remediation is approved", not decision["approved_for_remediation"])
        self._expect(
            "its reason",
            decision["decision_reason"],
            "User has approved exception tag: SecurityApproved=true",
        )
        self._expect("the policy is still attached", self._has_admin("iam-test-approved"))
        self._expect_mail(decision)

    def _scene_c(self) -> None:
        self._title("C. enforce mode: the worker takes the grant back, a human undoes that")
        decision = self._attack("iam-test-intruder", wanted="applied")
        self._expect("the decision approves a remediation", decision["approved_for_remediation"])
        self._expect("the outcome", decision["outcome"], "applied")
        self._expect("the policy is gone from IAM", not self._has_admin("iam-test-intruder"))
        self._expect_mail(decision)
        undo = self._countermand("undo", decision["decision_id"])
        self._expect("countermand undo ends well", undo.returncode, 0)
        self._expect("the policy is attached again", self._has_admin("iam-test-intruder"))
        shown = self._api.find(target="iam-test-intruder")[0]
        self._expect("the decision says who undid it", shown["undo"] is not None)

    def _scene_d(self) -> None:
        self._title("D. what must not be taken back, in enforce mode: each as it should be")
        decision = self._attack("alice", wanted="none")
        self._expect("a user out of scope: only an alert", decision["verdict"], "alert_only")
        self._expect("the policy is still attached", self._has_admin("alice"))
        self._expect_mail(decision)

        mails = len(self._mails())
        ignored = self._metric("countermand_events_ignored_total")
        self._lab.create_user("iam-test-reader", {})
        self._lab.attach("iam-test-reader", READ_ONLY_POLICY)
        self._put(attach_event(self._account, "iam-test-reader", READ_ONLY_POLICY))
        self._expect(
            "ReadOnlyAccess: ignored",
            self._eventually(
                lambda: self._metric("countermand_events_ignored_total") == ignored + 1
            ),
        )
        denied = attach_event(self._account, "iam-test-user", error_code="AccessDenied")
        self._put(denied)
        failed = self._decision(lambda d: d["event_id"] == denied["eventID"])
        self._expect("a call that was denied: recorded, skipped", failed["verdict"], "skip")
        self._expect("neither of them sent a mail", len(self._mails()), mails)

        broken = json.dumps(envelope(attach_event(self._account, "iam-test-user")))[:-40]
        self._lab.send(self._stack.queue_url, broken)
        dead: list[str] = []

        def died() -> bool:
            dead.extend(self._lab.take(self._stack.dlq_url))
            return dead == [broken]

        self._expect("a truncated message ends in the dead-letter queue", self._eventually(died))

    # --- what the story is made of

    def _attack(
        self, user: str, tags: dict[str, str] | None = None, wanted: str | None = None
    ) -> Decision:
        self._lab.create_user(user, tags or {})
        self._lab.attach(user, ADMIN_POLICY)
        record = attach_event(self._account, user)
        self._put(record)
        return self._decision(
            lambda d: (
                d["event_id"] == record["eventID"]
                and d["timings"]["told_at"] is not None
                and wanted in (None, d["outcome"])
            )
        )

    def _put(self, record: dict[str, Any]) -> None:
        self._lab.put_event(record, CLOUDTRAIL_CALL)

    def _decision(self, wanted: Callable[[Decision], bool]) -> Decision:
        found = self._api.wait_for(wanted, _PATIENCE_SECONDS)
        if found is None:
            raise DemoFailed(f"no such decision within {_PATIENCE_SECONDS:g} s")
        self._say(
            f"  decision {found['decision_id']}: {found['verdict']}, outcome {found['outcome']}"
        )
        return found

    def _expect(self, what: str, seen: object, wanted: object = True) -> None:
        good = seen == wanted
        mark = Text("  ok   " if good else "  FAIL ", style="green" if good else "bold red")
        told = "" if isinstance(seen, bool) else f": {seen}"
        self._console.print(mark + Text(f"{what}{told}"), soft_wrap=True)
        if not good:
            self._failures.append(f"{what}: expected {wanted!r}, saw {seen!r}")

    def _expect_mail(self, decision: Decision) -> None:
        self._expect(
            f"mail to {_NAMES.email}",
            self._eventually(
                lambda: any(decision["decision_id"] in body for body in self._mails())
            ),
        )
        told: list[dict[str, Any]] = []

        def machine_heard() -> bool:
            bodies = self._lab.take(self._stack.machine_queue_url)
            told.extend(json.loads(json.loads(body)["Message"]) for body in bodies)
            return any(t["decision_id"] == decision["decision_id"] for t in told)

        self._expect("JSON to the machine subscriber", self._eventually(machine_heard))

    def _eventually(self, condition: Callable[[], bool]) -> bool:
        end = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < end:
            if condition():
                return True
            time.sleep(0.1)
        return False

    def _has_admin(self, user: str) -> bool:
        return self._lab.has_policy(user, ADMIN_POLICY)

    def _mails(self) -> list[str]:
        return [str(mail["Body"]["text_part"]) for mail in emails(self._url, _NAMES.email)]

    def _metric(self, name: str) -> float:
        with urllib.request.urlopen(f"{self._base}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))

    # --- the parts

    @property
    def _base(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def _prepare(self, localstack: LocalStack) -> None:
        self._url = localstack.url
        os.environ |= {
            "AWS_ENDPOINT_URL": localstack.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        clients = Clients("us-east-1")
        self._stack: Stack = provision(clients, rules().routing_pattern(), _NAMES)
        self._lab = Lab(clients)
        self._lab.confirm_mail(
            self._stack.topic_arn, lambda arn: subscription_token(self._url, arn)
        )
        self._account = clients.caller().account_id
        self._logs = clients.get("logs")
        self._say("Bus rule, queue with DLQ, topic with a mailbox and a machine, log group: made.")

    def _environment(self, mode: str) -> dict[str, str]:
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith("COUNTERMAND_")},
            **self._stack.environment(),
            "COUNTERMAND_MODE": mode,
            "COUNTERMAND_POLL_SECONDS": str(_POLL_SECONDS),
            "COUNTERMAND_LEDGER_URL": f"sqlite:{self._folder / 'ledger.sqlite3'}",
            "COUNTERMAND_API_PORT": str(self._port),
            "COUNTERMAND_API_PUBLIC_URL": self._base,
            "COUNTERMAND_OWN_ROLE_ARN": f"arn:aws:iam::{self._account}:role/countermand-worker",
        }

    def _start_worker(self, mode: str) -> None:
        self._stop_worker()
        started = time.monotonic()
        with (self._folder / "worker.log").open("ab") as log:
            self._worker = subprocess.Popen(
                [sys.executable, "-m", "countermand", "run"],
                env=self._environment(mode),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        if not self._eventually(self._ready):
            raise DemoFailed("the worker did not become ready")
        took = time.monotonic() - started
        self._say(f"Worker started in mode {mode}, ready after {took:.1f} s.")

    def _ready(self) -> bool:
        if self._worker is None or self._worker.poll() is not None:
            raise DemoFailed("the worker ended while starting")
        try:
            with urllib.request.urlopen(f"{self._base}/readyz", timeout=5) as answer:
                return bool(answer.status == HTTPStatus.OK)
        except OSError:
            return False

    def _stop_worker(self) -> None:
        if self._worker is None:
            return
        self._worker.send_signal(signal.SIGTERM)
        try:
            code = self._worker.wait(30)
        except subprocess.TimeoutExpired:
            self._worker.kill()
            code = self._worker.wait()
        self._worker = None
        self._expect("the worker drained and ended with", code, 0)
        # LocalStack serves a poll to its end although the client is gone: it would swallow the
        # next message until its visibility ends.
        time.sleep(_POLL_SECONDS)

    def _countermand(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "countermand", *arguments],
            env={**self._environment("enforce"), "COLUMNS": str(self._console.width - 4)},
            capture_output=True,
            text=True,
            check=False,
        )
        self._say(f"  $ countermand {' '.join(arguments)}")
        for line in (done.stdout + done.stderr).strip().splitlines():
            self._say(f"    {line}")
        return done

    # --- what is shown

    def _say(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)

    def _title(self, text: str) -> None:
        self._console.print()
        self._console.print(Text(text, style="bold"), soft_wrap=True)

    def _show_results(self) -> None:
        self._title("The mail, as delivered, about the grant that was taken back")
        about = self._api.find(target="iam-test-intruder")[-1]["decision_id"]
        mail = next(body for body in self._mails() if about in body)
        self._console.print(Panel(Text(mail.strip()), expand=False))
        self._title(f"The audit trail, read back from CloudWatch Logs, {self._stack.log_group}")
        self._expect("the log tells the story", self._eventually(self._audit_complete))
        for line in self._audit_trail()[-6:]:
            self._say(f"  {line['time'][11:19]} {line['message']} {line.get('decision_id', '')}")
        self._title("The decisions, from the ledger")
        self._countermand("decisions")
        self._say("")
        self._say(f"API:     {self._base}/decisions   (schema: {self._base}/openapi.json)")
        self._say(f"Metrics: {self._base}/metrics")

    def _audit_trail(self) -> list[dict[str, Any]]:
        try:
            answer = self._logs.filter_log_events(logGroupName=self._stack.log_group)
        except self._logs.exceptions.ResourceNotFoundException:
            return []
        return [json.loads(event["message"]) for event in answer["events"]]

    def _audit_complete(self) -> bool:
        told = {line["message"] for line in self._audit_trail()}
        return told >= {
            "Parsed event",
            "Security detection triggered",
            "SNS alert processed",
            "Dry run enabled - remediation skipped",
            "No remediation performed",
            "Remediation applied",
        }

    def _show_worker_log(self) -> None:
        log = self._folder / "worker.log"
        if log.exists():
            self._title("The last lines of the worker's log")
            for line in log.read_text(errors="replace").splitlines()[-15:]:
                self._say(f"  {line}")

    def _wait_for_ctrl_c(self, localstack: LocalStack) -> None:
        self._title("Left running until you press Ctrl-C. In another terminal, for example:")
        settings = {
            **{k: v for k, v in os.environ.items() if k.startswith("AWS_")},
            **{k: v for k, v in self._environment("enforce").items() if "COUNTERMAND_" in k},
        }
        file = self._folder / "env"
        file.write_text("".join(f"export {k}={v}\n" for k, v in settings.items() if v))
        self._say(f"  . {file}")
        self._say("  .venv/bin/countermand simulate attach-admin --user iam-test-eve")
        self._say("  .venv/bin/countermand decisions; .venv/bin/countermand doctor")
        self._say(f"  LocalStack: {localstack.url}")
        with _until_interrupted():
            while self._worker is not None and self._worker.poll() is None:
                time.sleep(0.5)

    def _verdict(self) -> int:
        self._console.print()
        if not self._failures:
            self._console.print("[bold green]Everything happened as told.[/]")
            return 0
        for failure in self._failures:
            self._console.print(Text(f"FAILED: {failure}", style="bold red"), soft_wrap=True)
        return 1


@contextmanager
def _until_interrupted() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
