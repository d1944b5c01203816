"""The scenario in four steps, A to D, that `countermand demo` and `countermand attack` run.

Everything that is printed was read back: decisions from the API, policies from IAM, emails from the
mailbox, the log from CloudWatch Logs, messages from the queues. A check that does not hold is a
failure of the scenario, and the scenario goes on.
"""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from countermand.aws.clients import Clients
from countermand.aws.lab import Lab
from countermand.aws.provision import Stack
from countermand.core.envelope import ADMIN_POLICY, attach_event, envelope
from countermand.core.errors import CountermandError
from countermand.core.parse import CLOUDTRAIL_CALL
from countermand.lab.api_client import DecisionsApi
from countermand.lab.localstack import emails, subscription_token

READ_ONLY_POLICY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
_PATIENCE_SECONDS = 20.0

type Decision = dict[str, Any]


class ScenarioFailed(CountermandError):
    """Something that was promised did not happen."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a step runs: a worker, where its API is, what leads to it, and its settings."""

    stack: Stack
    url: str
    token: str | None
    environment: Mapping[str, str]


class Scenario:
    """One run of the scenario. Its callers use `say` and `expect` too."""

    def __init__(self, localstack_url: str, email: str) -> None:
        clients = Clients("us-east-1")
        self.failures: list[str] = []
        self._console = Console(highlight=False)
        self._localstack_url = localstack_url
        self._email = email
        self._lab = Lab(clients)
        self._account = clients.caller().account_id
        self._logs = clients.get("logs")
        self._began_at = int(time.time() * 1000)
        self._reverted = ""

    def confirm_mail(self, stack: Stack) -> None:
        """Let the owner of the mailbox confirm it."""
        self._lab.confirm_mail(
            stack.topic_arn, lambda arn: subscription_token(self._localstack_url, arn)
        )

    # --- the steps

    def run_a_and_b(self, stage: Stage) -> None:
        """What a worker in dry run does."""
        self._enter(stage)
        self._step_a()
        self._step_b()

    def run_c_and_d(self, stage: Stage) -> None:
        """What a worker in enforce mode does."""
        self._enter(stage)
        self._step_c()
        self._step_d()

    def _enter(self, stage: Stage) -> None:
        self._stage = stage
        self._api = DecisionsApi(stage.url, stage.token)

    def _step_a(self) -> None:
        self.title("A. mallory attaches AdministratorAccess to iam-test-user (dry run)")
        decision = self._attack("iam-test-user")
        self.expect("the decision approves a remediation", decision["approved_for_remediation"])
        self.expect("its reason", decision["decision_reason"], "Approved for remediation")
        self.expect("the outcome is simulated", decision["outcome"], "simulated")
        self.expect("the policy is still attached", self._has_admin("iam-test-user"))
        self._expect_mail(decision)

    def _step_b(self) -> None:
        self.title("B. the same for a user with the tag SecurityApproved=true")
        decision = self._attack("iam-test-approved", {"SecurityApproved": "true"})
        self.expect("no remediation is approved", not decision["approved_for_remediation"])
        self.expect(
            "its reason",
            decision["decision_reason"],
            "User has approved exception tag: SecurityApproved=true",
        )
        self.expect("the policy is still attached", self._has_admin("iam-test-approved"))
        self._expect_mail(decision)

    def _step_c(self) -> None:
        self.title("C. enforce mode: the worker reverts the change, a person undoes that")
        decision = self._attack("iam-test-intruder", wanted="applied")
        self._reverted = decision["decision_id"]
        self.expect("the decision approves a remediation", decision["approved_for_remediation"])
        self.expect("the outcome", decision["outcome"], "applied")
        self.expect("the policy is gone from IAM", not self._has_admin("iam-test-intruder"))
        self._expect_mail(decision)
        undo = self._countermand("undo", decision["decision_id"], "--yes")
        self.expect("countermand undo ends well", undo.returncode, 0)
        self.expect("the policy is attached again", self._has_admin("iam-test-intruder"))
        shown = self._api.find(target="iam-test-intruder")[0]
        self.expect("the decision says who undid it", shown["undo"] is not None)

    def _step_d(self) -> None:
        self.title("D. what must not be reverted in enforce mode")
        decision = self._attack("alice", wanted="none")
        self.expect("a user out of scope: only an alert", decision["verdict"], "alert_only")
        self.expect("the policy is still attached", self._has_admin("alice"))
        self._expect_mail(decision)

        mails = len(self._mails())
        ignored = self._metric("countermand_events_ignored_total")
        self._lab.create_user("iam-test-reader", {})
        self._lab.attach("iam-test-reader", READ_ONLY_POLICY)
        self._put(attach_event(self._account, "iam-test-reader", READ_ONLY_POLICY))
        self.expect(
            "ReadOnlyAccess: ignored",
            self._eventually(
                lambda: self._metric("countermand_events_ignored_total") == ignored + 1
            ),
        )
        denied = attach_event(self._account, "iam-test-user", error_code="AccessDenied")
        self._put(denied)
        failed = self._decision(lambda d: d["event_id"] == denied["eventID"])
        self.expect("a call that was denied: recorded, skipped", failed["verdict"], "skip")
        self.expect("neither of them sent an email", len(self._mails()), mails)

        broken = json.dumps(envelope(attach_event(self._account, "iam-test-user")))[:-40]
        self._lab.send(self._stage.stack.queue_url, broken)
        self.expect(
            "a truncated message ends in the dead-letter queue",
            self._eventually(lambda: broken in self._lab.take(self._stage.stack.dlq_url)),
        )

    # --- what the steps are made of

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
                and d["timings"]["notified_at"] is not None
                and wanted in (None, d["outcome"])
            )
        )

    def _put(self, record: dict[str, Any]) -> None:
        self._lab.put_event(record, CLOUDTRAIL_CALL, self._stage.stack.bus)

    def _decision(self, wanted: Callable[[Decision], bool]) -> Decision:
        found = self._api.wait_for(wanted, _PATIENCE_SECONDS)
        if found is None:
            raise ScenarioFailed(f"no such decision within {_PATIENCE_SECONDS:g} s")
        self.say(
            f"  decision {found['decision_id']}: {found['verdict']}, outcome {found['outcome']}"
        )
        return found

    def expect(self, what: str, seen: object, wanted: object = True) -> None:
        """Show whether it is as expected, and remember it if not."""
        good = seen == wanted
        mark = Text("  ok   " if good else "  FAIL ", style="green" if good else "bold red")
        told = "" if isinstance(seen, bool) else f": {seen}"
        self._console.print(mark + Text(f"{what}{told}"), soft_wrap=True)
        if not good:
            self.failures.append(f"{what}: expected {wanted!r}, saw {seen!r}")

    def _expect_mail(self, decision: Decision) -> None:
        self.expect(
            f"email to {self._email}",
            self._eventually(
                lambda: any(decision["decision_id"] in body for body in self._mails())
            ),
        )
        told: list[dict[str, Any]] = []

        def machine_heard() -> bool:
            bodies = self._lab.take(self._stage.stack.machine_queue_url)
            told.extend(json.loads(json.loads(body)["Message"]) for body in bodies)
            return any(t["decision_id"] == decision["decision_id"] for t in told)

        self.expect("JSON to the machine subscriber", self._eventually(machine_heard))

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
        found = emails(self._localstack_url, self._email)
        return [str(mail["Body"]["text_part"]) for mail in found]

    def _metric(self, name: str) -> float:
        with urllib.request.urlopen(f"{self._stage.url}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))

    def _countermand(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "countermand", *arguments],
            env={**self._stage.environment, "COLUMNS": str(self._console.width - 4)},
            capture_output=True,
            text=True,
            check=False,
        )
        self.say(f"  $ countermand {' '.join(arguments)}")
        for line in (done.stdout + done.stderr).strip().splitlines():
            self.say(f"    {line}")
        return done

    # --- what is shown

    def say(self, text: str) -> None:
        """One line."""
        self._console.print(Text(text), soft_wrap=True)

    def title(self, text: str) -> None:
        """Print the headline of a step."""
        self._console.print()
        self._console.print(Text(text, style="bold"), soft_wrap=True)

    def show_results(self) -> None:
        """Show the results: an email, the audit trail, the ledger."""
        self.title("The email, as delivered, about the reverted change")
        mail = next(body for body in self._mails() if self._reverted in body)
        self._console.print(Panel(Text(mail.strip()), expand=False))
        log_group = self._stage.stack.log_group
        self.title(f"The audit trail, read back from CloudWatch Logs, {log_group}")
        self.expect("the log has every audit message", self._eventually(self._audit_complete))
        for line in self._audit_trail()[-6:]:
            self.say(f"  {line['time'][11:19]} {line['message']} {line.get('decision_id', '')}")
        self.title("The decisions, from the ledger")
        self._countermand("decisions")

    def show_verdict(self) -> int:
        """Print whether everything happened as expected; return the exit code."""
        self._console.print()
        if not self.failures:
            self._console.print("[bold green]Everything happened as expected.[/]")
            return 0
        for failure in self.failures:
            self._console.print(Text(f"FAILED: {failure}", style="bold red"), soft_wrap=True)
        return 1

    def _audit_trail(self) -> list[dict[str, Any]]:
        try:
            answer = self._logs.filter_log_events(
                logGroupName=self._stage.stack.log_group, startTime=self._began_at
            )
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
