"""The real pipeline, rules, actions and SQLite ledger, with fakes for AWS and a frozen clock."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from countermand.actions import ALL
from countermand.core.envelope import attach_event, envelope
from countermand.core.governance.guardrails import Guardrails
from countermand.core.model import Mode, Principal, Record
from countermand.ledger.sqlite import SqliteLedger
from countermand.metrics import Metrics
from countermand.pipeline.correlation import Correlator
from countermand.pipeline.facts import FactReader
from countermand.pipeline.history import History
from countermand.pipeline.leases import Leases
from countermand.pipeline.notify import AlertDispatcher
from countermand.pipeline.pipeline import Pipeline
from countermand.pipeline.recheck import Recheck, Rechecker
from countermand.pipeline.remediate import Remediator
from countermand.pipeline.schedule import Schedule
from countermand.ports import DecisionQuery
from countermand.rules.rulebook import BUILT_IN, decisions_of, load_rules
from support.fakes import ACCOUNT, NOW, FakeIdentities, FakeNotifier, FrozenClock, user

LEASE = timedelta(seconds=75)
DEADLINE = timedelta(seconds=240)
RULES = load_rules(ALL, BUILT_IN)


class Stage:
    """Everything around one pipeline, for a test to set up and look at."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FrozenClock()
        self.identities = FakeIdentities(user())
        self.notifier = FakeNotifier()
        self.metrics = Metrics()
        self.rechecks: Schedule[Recheck] = Schedule(self.clock)
        self.mode = Mode.DRY_RUN
        self._ledgers: list[SqliteLedger] = []
        self.ledger = self.open_ledger("worker-1")

    def open_ledger(self, owner: str) -> SqliteLedger:
        path = self.folder / "ledger.sqlite3"
        ledger = SqliteLedger(path, self.clock, owner, retention_days=400, exclusive=False)
        self._ledgers.append(ledger)
        return ledger

    def users(self, *principals: Principal) -> None:
        self.identities.principals = {(p.kind, p.name): p for p in principals}

    def pipeline(self, owner: str | None = None) -> Pipeline:
        """A worker's pipeline; another owner is another replica."""
        ledger = self.open_ledger(owner) if owner else self.ledger
        own_role = f"arn:aws:iam::{ACCOUNT}:role/countermand"
        guardrails = Guardrails(
            ACCOUNT,
            "us-east-1",
            self.mode,
            own_arns=frozenset({own_role}),
            own_calls=frozenset({"iam:DetachUserPolicy"}),
        )
        history = History(self.identities, ledger, self.clock, guardrails, lambda: RULES)
        facts = FactReader(self.identities, self.identities, ALL, ledger, history, self.clock)
        return Pipeline(
            rules=lambda: RULES,
            guardrails=guardrails,
            facts=facts,
            remediator=Remediator(ALL, self.identities, self.clock, self.metrics),
            dispatcher=AlertDispatcher([self.notifier], "http://api", self.metrics),
            ledger=ledger,
            clock=self.clock,
            metrics=self.metrics,
            leases=Leases(ledger, self.clock, LEASE, DEADLINE),
            history=history,
            rechecker=Rechecker(lambda: RULES, facts, self.clock, self.rechecks),
            correlator=Correlator(lambda: RULES, guardrails, ledger),
        )

    def close(self) -> None:
        for ledger in self._ledgers:
            ledger.close()

    def assert_decisions_were_foreseen(self) -> None:
        """Each decision that was counted is one that the metrics show as 0 from the start."""
        foreseen = {labels for mode in Mode for labels in decisions_of(RULES, mode)}
        built_in = {rule.id for rule in RULES.every}
        counted = {labels for labels in self.metrics.decisions._metrics if labels[0] in built_in}
        assert not counted - foreseen

    def records(self, **filters: Any) -> tuple[Record, ...]:
        return self.ledger.find(DecisionQuery(**filters)).records

    def record(self) -> Record:
        (record,) = self.records()
        return record


def attack(**changes: Any) -> str:
    """The body of an AttachUserPolicy event for iam-test-user, half a minute before NOW."""
    record = attach_event(ACCOUNT, "iam-test-user")
    record["eventTime"] = f"{NOW - timedelta(seconds=30):%Y-%m-%dT%H:%M:%SZ}"
    record |= changes
    return json.dumps(envelope(record), separators=(",", ":"))
