"""What would be decided on recorded events: nothing is read from AWS and nothing is written.

Reads EventBridge envelopes, raw CloudTrail records and trail files (`{"Records": [...]}`), as one
document or one a line, plain or gzip. The live state is assumed to be as the event left it: the
target exists, at path `/`, without tags, and has the grant. What depends on the document of a
customer-managed policy stays unverified.
"""

import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from gzip import GzipFile
from io import BufferedReader

from countermand.core.decide import decide
from countermand.core.envelope import envelope
from countermand.core.errors import Malformed
from countermand.core.governance.guardrails import Guardrails
from countermand.core.governance.guards import evaluate, screen
from countermand.core.model import Decision, Event, Facts, Finding, Principal, Ruling
from countermand.core.parse import load_strictly, parse
from countermand.core.rules.detect import detect
from countermand.core.rules.rule import RuleSet

_GZIP_MAGIC = b"\x1f\x8b"
_OPENINGS = (b"{", b"[")


@dataclass(frozen=True, slots=True)
class Replayed:
    """One event of the recording: a decision, `ignored` by all rules, or malformed and why."""

    number: int
    event: Event | None
    decision: Decision | None
    malformed: str | None = None

    @property
    def verdict(self) -> str:
        """The decision's verdict, `ignored` or `malformed`."""
        if self.malformed is not None:
            return "malformed"
        return str(self.decision.verdict) if self.decision else "ignored"


def replay(
    stream: BufferedReader, rules: RuleSet, policy: Guardrails | None = None
) -> Iterator[Replayed]:
    """Decide on each event; without a policy, each event's own account and region are guarded."""
    for number, document in enumerate(_documents(stream), start=1):
        try:
            event = _event(document)
            guarded = policy or Guardrails(event.account_id, event.region)
            yield Replayed(number, event, _decide(event, rules, guarded))
        except Malformed as error:
            yield Replayed(number, None, None, str(error))


def _documents(stream: BufferedReader) -> Iterator[object]:
    """The events of a recording, with a `Malformed` in the place of what is none."""
    plain: Iterable[bytes] = stream
    if stream.peek(2)[:2] == _GZIP_MAGIC:
        plain = GzipFile(fileobj=stream)
    try:
        yield from _lines(iter(plain))
    except (OSError, EOFError, zlib.error) as error:
        yield Malformed(f"the recording cannot be read to its end: {error}")


def _lines(lines: Iterator[bytes]) -> Iterator[object]:
    for line in lines:
        if line.rstrip() in _OPENINGS:
            # Not one document a line: then the rest is one document.
            yield from _records(_json(line + b"".join(lines)))
        elif line.strip():
            yield from _records(_json(line))


def _json(text: bytes) -> object:
    try:
        return load_strictly(text)
    except Malformed as error:
        return error


def _records(document: object) -> list[object]:
    records = document.get("Records") if isinstance(document, dict) else document
    return records if isinstance(records, list) else [document]


def _event(document: object) -> Event:
    if isinstance(document, Malformed):
        raise document
    if isinstance(document, dict) and "detail" not in document:
        document = envelope(document)
    return parse(json.dumps(document))


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
        arn="",
        unique_id="",
        path="/",
        created=event.time,
        tags={},
    )
    unread = None if finding.resolve is None else "a replay reads no policy"
    facts = Facts(now=event.time, principal=principal, grant_present=True, unreadable=unread)
    return evaluate(event, finding, policy, facts)
