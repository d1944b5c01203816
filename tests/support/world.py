"""An account on moto with a worker: the whole pipeline, on a clock that moves."""

import json
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from countermand.actions import ALL
from countermand.aws.iam import IamIdentities
from countermand.core.envelope import attach_event, envelope
from countermand.core.governance.guardrails import Guardrails
from countermand.core.model import Mode, Record
from countermand.ledger.sqlite import SqliteLedger
from countermand.metrics import Metrics
from countermand.pipeline.correlation import Correlator
from countermand.pipeline.facts import FactReader
from countermand.pipeline.history import History
from countermand.pipeline.leases import Leases
from countermand.pipeline.notify import AlertDispatcher
from countermand.pipeline.pipeline import Pipeline
from countermand.pipeline.recheck import Rechecker
from countermand.pipeline.remediate import Remediator
from countermand.pipeline.schedule import Schedule
from countermand.ports import Cloud, DecisionQuery
from support.accounts import ADMIN, Account
from support.fakes import FakeNotifier
from support.stage import DEADLINE, LEASE, RULES
from support.steps import MOTO_ACCOUNT


class MovedClock:
    """The time of moto, which dates what it makes, moved by what a test waits for."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def monotonic(self) -> float:
        return self.now().timestamp()

    def sleep(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)


class Meddling:
    """A cloud in which somebody changes something right before the nth call of one kind."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._due: dict[str, tuple[int, Callable[[], object]]] = {}

    def before(self, operation: str, number: int, change: Callable[[], object]) -> None:
        self._due[operation] = number, change

    def _count(self, operation: str) -> None:
        if operation in self._due:
            number, change = self._due.pop(operation)
            if number == 1:
                change()
            else:
                self._due[operation] = number - 1, change

    def call(self, operation: str, **request: Any) -> Any:
        self._count(operation)
        return self._cloud.call(operation, **request)

    def items(self, operation: str, key: str, **request: Any) -> Any:
        self._count(operation)
        return self._cloud.items(operation, key, **request)

    def each(self, operation: str, key: str, **request: Any) -> Any:
        return self._cloud.each(operation, key, **request)


class World(Account):
    """An account with a worker that enforces, or only simulates."""

    def __init__(self, endpoint: str, folder: Path, mode: Mode = Mode.ENFORCE) -> None:
        super().__init__(endpoint)
        self.clock, metrics, self.meddling = MovedClock(), Metrics(), Meddling(self.cloud)
        self.ledger = SqliteLedger(folder / "l.sqlite3", self.clock, "worker-1", retention_days=30)
        break_glass = (f"arn:aws:iam::{MOTO_ACCOUNT}:role/break-glass-*",)
        guardrails = Guardrails(
            MOTO_ACCOUNT, "us-east-1", mode, resource_scope="*", break_glass=break_glass
        )
        cloud, ledger, clock = self.meddling, self.ledger, self.clock
        self.history = History(cloud, ledger, clock, guardrails, lambda: RULES)
        facts = FactReader(IamIdentities(self.iam), cloud, ALL, ledger, self.history, clock)
        self.pipeline = Pipeline(
            rules=lambda: RULES,
            guardrails=guardrails,
            facts=facts,
            remediator=Remediator(ALL, cloud, clock, metrics),
            dispatcher=AlertDispatcher([FakeNotifier()], "http://api", metrics),
            ledger=ledger,
            clock=clock,
            metrics=metrics,
            leases=Leases(ledger, clock, LEASE, DEADLINE),
            history=self.history,
            rechecker=Rechecker(lambda: RULES, facts, clock, Schedule(clock)),
            correlator=Correlator(lambda: RULES, guardrails, ledger),
        )

    def snapshot(self) -> None:
        self.history.refresh()
        self.clock.sleep(2)

    def handle(self, name: str, *, answer: object = None, **request: object) -> Record:
        """The decision on an event."""
        self.receive(name, answer=answer, **request)
        (found,) = self.ledger.find(DecisionQuery(limit=1)).records
        return found

    def receive(self, name: str, *, answer: object = None, **request: object) -> None:
        """An event of this very second, handled when IAM must show what it did."""
        at = self.clock.now()
        record = attach_event(MOTO_ACCOUNT, "x") | {
            "eventName": name,
            "requestParameters": request,
            "responseElements": answer,
            "eventTime": f"{at:%Y-%m-%dT%H:%M:%SZ}",
            "eventID": str(uuid.uuid4()),
        }
        self.clock.sleep(20)
        self.pipeline.handle(json.dumps(envelope(record)))

    def version(self, text: str, *, default: bool = True) -> str:
        answer = self.iam.create_policy_version(
            PolicyArn=self.policy_arn, PolicyDocument=text, SetAsDefault=default
        )
        return str(answer["PolicyVersion"]["VersionId"])

    def default_version(self) -> str:
        return str(self.iam.get_policy(PolicyArn=self.policy_arn)["Policy"]["DefaultVersionId"])

    def admin_version(self) -> Mapping[str, Any]:
        """The arguments of `handle` for a version that gives all and is in force."""
        answer = {"policyVersion": {"versionId": self.version(ADMIN)}}
        return {"policyArn": self.policy_arn, "setAsDefault": True, "answer": answer}
