"""What would be decided on recorded events: nothing is read from AWS and nothing is written.

`readers` finds the records, whatever their layout, encoding and compression. The live state is
assumed to be as the event left it: the target exists, at path `/`, without tags, and has the
grant. What depends on the document of a customer-managed policy stays unverified.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from countermand.core.decide import decide
from countermand.core.envelope import envelope
from countermand.core.errors import Malformed
from countermand.core.governance.guardrails import Guardrails
from countermand.core.governance.guards import evaluate, screen
from countermand.core.model import Decision, Event, Facts, Finding, Principal, Ruling, Subject
from countermand.core.parse import parse
from countermand.core.rules.detect import detect
from countermand.core.rules.rule import RuleSet
from countermand.replay.readers import DIGEST, Source, items, records

type Guarded = Callable[[Event], Guardrails]
"""The guardrails for an event: without a configured account, its own account is guarded."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """One event of a recording: a decision, `ignored` by all rules, or malformed and why."""

    number: int
    event: Event | None
    decision: Decision | None
    malformed: str | None = None
    place: str = ""
    """The source and line of the document, as `FILE:LINE`."""

    @property
    def verdict(self) -> str:
        """The decision's verdict, `ignored`, `malformed`, or `skipped` for a digest file."""
        if self.malformed is not None:
            return "skipped" if self.malformed == DIGEST else "malformed"
        return str(self.decision.verdict) if self.decision else "ignored"


def own_account(event: Event) -> Guardrails:
    """Return the built-in guardrails, around the account and region of the event itself."""
    return Guardrails(event.account_id, event.region)


def replay(
    sources: Iterable[tuple[str, Source]], rules: RuleSet, guarded: Guarded = own_account
) -> Iterator[Replayed]:
    """Decide on each event of each source."""
    number = 0
    for name, source in sources:
        for item in items(source):
            place = f"{name}:{item.line}"
            found = records(item.document) if item.error is None else [Malformed(item.error)]
            for record in found:
                number += 1
                yield _replayed(number, place, record, rules, guarded)


def _replayed(
    number: int,
    place: str,
    record: dict[str, object] | Malformed,
    rules: RuleSet,
    guarded: Guarded,
) -> Replayed:
    try:
        event = _event(record)
        decision = _decide(event, rules, guarded(event))
    except Malformed as error:
        return Replayed(number, None, None, str(error), place)
    return Replayed(number, event, decision, place=place)


def _event(record: dict[str, object] | Malformed) -> Event:
    if isinstance(record, Malformed):
        raise record
    return parse(json.dumps(record if "detail" in record else envelope(record)))


def _decide(event: Event, rules: RuleSet, policy: Guardrails) -> Decision | None:
    rulings = [_rule(event, finding, policy) for finding in detect(event, rules)]
    return decide(event, rulings) if rulings else None


def _rule(event: Event, finding: Finding, policy: Guardrails) -> Ruling:
    ruling = screen(event, finding, policy)
    if ruling is not None or finding.subject is None:
        return ruling or evaluate(event, finding, policy, Facts(now=event.time))
    principal = Principal(
        kind=finding.subject.kind,
        name=finding.subject.name,
        arn=_arn(event, finding.subject),
        unique_id="",
        path="/",
        created=event.time,
        tags={},
    )
    unread = None if finding.resolve is None else "a replay reads no policy"
    facts = Facts(now=event.time, principal=principal, grant_present=True, unreadable=unread)
    return evaluate(event, finding, policy, facts)


def _arn(event: Event, subject: Subject) -> str:
    """Return the ARN that the target has at path `/`, for break-glass."""
    if subject.name.startswith("arn:"):
        return subject.name
    caller = event.actor.arn.split(":")
    partition = caller[1] if len(caller) > 1 else "aws"
    return f"arn:{partition}:iam::{event.account_id}:{subject.kind}/{subject.name}"
