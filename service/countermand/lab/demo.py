"""`countermand demo`: the whole pipeline on an embedded LocalStack, as a scenario (`scenario.py`).

An expectation that does not hold ends it with exit code 1.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from countermand.app import rules
from countermand.aws.clients import Clients
from countermand.aws.provision import Names, provision
from countermand.core.errors import CountermandError
from countermand.core.rules.routing import routes_of
from countermand.lab.localstack import LocalStack, LocalStackError
from countermand.lab.scenario import Scenario, Stage
from countermand.lab.worker_process import WorkerProcess, without_settings

_NAMES = Names(max_receives=3)
_POLL_SECONDS = 1


class Demo:
    """One run of the scenario; the state of LocalStack is gone when it ends."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="countermand-demo-"))
        self._worker = WorkerProcess(self._folder)

    def run(self, *, keep: bool) -> int:
        """Run it; return 0 when everything happened as expected."""
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
            print("Starting LocalStack ...")  # noqa: T201  before there is a scenario to print it
            localstack = stack.enter_context(LocalStack())
            self._prepare(localstack)
            stack.callback(self._stop_worker)
            try:
                self._scenario.run_a_and_b(self._start_worker("dry-run"))
                self._scenario.run_c_and_d(self._start_worker("enforce"))
                self._show_results()
            except (CountermandError, LocalStackError) as error:
                self._scenario.failures.append(str(error))
                self._show_worker_log()
            if keep:
                self._wait_for_ctrl_c(localstack)
        return self._scenario.show_verdict()

    def _prepare(self, localstack: LocalStack) -> None:
        os.environ |= {
            "AWS_ENDPOINT_URL": localstack.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        clients = Clients("us-east-1")
        self._stack = provision(clients, routes_of(rules()), _NAMES)
        self._account = clients.caller().account_id
        self._scenario = Scenario(localstack.url, _NAMES.email)
        self._scenario.confirm_mail(self._stack)
        self._scenario.say(
            "Created EventBridge rules, queue with DLQ, topic with a mailbox and a machine, log "
            "group."
        )

    def _environment(self, mode: str) -> dict[str, str]:
        return {
            **without_settings(),
            **self._stack.environment(),
            "COUNTERMAND_MODE": mode,
            "COUNTERMAND_POLL_SECONDS": str(_POLL_SECONDS),
            "COUNTERMAND_LEDGER_URL": f"sqlite:{self._folder / 'ledger.sqlite3'}",
            "COUNTERMAND_API_PORT": str(self._worker.port),
            "COUNTERMAND_API_PUBLIC_URL": self._worker.url,
            "COUNTERMAND_OWN_ROLE_ARN": f"arn:aws:iam::{self._account}:role/countermand-worker",
        }

    def _start_worker(self, mode: str) -> Stage:
        self._stop_worker()
        environment = self._environment(mode)
        took = self._worker.start(environment)
        self._scenario.say(f"Worker started in mode {mode}, ready after {took:.1f} s.")
        return Stage(self._stack, self._worker.url, None, environment)

    def _stop_worker(self) -> None:
        code = self._worker.stop()
        if code is None:
            return
        self._scenario.expect("the worker drained and ended with", code, 0)
        # LocalStack serves a poll to its end although the client is gone: it would swallow the
        # next message until its visibility ends.
        time.sleep(_POLL_SECONDS)

    def _show_results(self) -> None:
        self._scenario.show_results()
        self._scenario.say("")
        url = self._worker.url
        self._scenario.say(f"API:     {url}/decisions   (schema: {url}/openapi.json)")
        self._scenario.say(f"Metrics: {url}/metrics")

    def _show_worker_log(self) -> None:
        if lines := self._worker.log_tail():
            self._scenario.title("The last lines of the worker's log")
            for line in lines:
                self._scenario.say(f"  {line}")

    def _wait_for_ctrl_c(self, localstack: LocalStack) -> None:
        say = self._scenario.say
        self._scenario.title(
            "Left running until you press Ctrl-C. In another terminal, for example:"
        )
        settings = {
            **{k: v for k, v in os.environ.items() if k.startswith("AWS_")},
            **{k: v for k, v in self._environment("enforce").items() if "COUNTERMAND_" in k},
        }
        file = self._folder / "env"
        file.write_text("".join(f"export {k}={v}\n" for k, v in settings.items() if v))
        say(f"  . {file}")
        say("  .venv/bin/countermand simulate attach-admin --user iam-test-eve")
        say("  .venv/bin/countermand decisions; .venv/bin/countermand doctor")
        say(f"  LocalStack: {localstack.url}")
        with _until_interrupted():
            while self._worker.running:
                time.sleep(0.5)


@contextmanager
def _until_interrupted() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        return
