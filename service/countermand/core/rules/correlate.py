"""Several events that mean more together: a new user who becomes powerful, a caller who probes.

Each event that a rule matched adds markers to correlation windows in the ledger. A window is an
unordered set for one correlation, one subject and one span of time. The event that arrives last,
on any replica, finds the markers of the others there and completes the sequence.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from countermand.core.model import Event, Finding, Subject, SubjectKind
from countermand.core.rules.rule import Correlation, RuleSet
from countermand.core.rules.schema import By, Correlate

_DENIED = ("AccessDenied", "UnauthorizedOperation", "Client.UnauthorizedOperation")
_MINUTE = 60
_MOST_GRAINS = 60


@dataclass(frozen=True, slots=True)
class Marker:
    """What one event adds to the windows of one correlation."""

    correlation: Correlation
    subject: Subject
    """What the event has in common with the others."""
    windows: tuple[str, ...]
    """Names of the windows: its own first, then those of the spans before and after."""
    value: str
    """`what@unix time`"""


def markers_of(event: Event, findings: Sequence[Finding], rules: RuleSet) -> Iterator[Marker]:
    """Yield a marker for each correlation that an event could belong to."""
    for correlation in rules.correlations:
        for what, subject in _parts(event, findings, correlation):
            span = correlation.file.correlate.within_minutes * _MINUTE
            time = int(event.time.timestamp())
            time -= time % _grain(correlation.file.correlate)
            sequence_key = (
                f"{event.account_id}/{correlation.id}/{subject.kind}/{subject.name.lower()}"
            )
            spans = (time // span + offset for offset in (0, -1, 1))
            windows = tuple(f"{sequence_key}/{number * span}" for number in spans)
            yield Marker(correlation, subject, windows, f"{what}@{time}")


def completed(marker: Marker, members: Iterable[str]) -> datetime | None:
    """Return when the completed sequence began, rounded to the window; None: it is incomplete."""
    correlate = marker.correlation.file.correlate
    seen = sorted({_split(member) for member in (*members, marker.value)})
    own, span = _split(marker.value)[0], correlate.within_minutes * _MINUTE
    for begin, _ in seen:
        if not own - span <= begin <= own:
            continue
        within = {what for time, what in seen if begin <= time <= begin + span}
        if correlate.denied_calls is not None:
            whole = len(within) >= correlate.denied_calls
        else:
            whole = all(within & set(step) for step in correlate.steps)
        if whole:
            # Rounded, so that a caller who keeps probing makes one sequence a span, not one a call.
            return datetime.fromtimestamp(begin - begin % span, UTC)
    return None


def sequence(event: Event, marker: Marker, began: datetime) -> tuple[Event, Finding]:
    """Make the event and finding of a sequence: the same ones, whichever event came last."""
    correlation, subject = marker.correlation, marker.subject
    key = f"{event.account_id}:{correlation.id}:{subject.kind}/{subject.name}@{began:%Y%m%dT%H%M}"
    # The ledger keeps a digest of the body: renaming `story` would look like a forged payload.
    whole = replace(event, id=key, error_code=None, request=None, body={"detail": {"story": key}})
    correlate = correlation.file.correlate
    minutes = f"within {correlate.within_minutes} minutes"
    if correlate.denied_calls is not None:
        seen = f"{correlate.denied_calls} or more denied calls {minutes}"
    else:
        seen = f"{' and '.join(' or '.join(step) for step in correlate.steps)}, {minutes}"
    return whole, correlation.info.finding(subject, {"summary": seen})


def _parts(
    event: Event, findings: Sequence[Finding], correlation: Correlation
) -> Iterator[tuple[str, Subject]]:
    """Yield what the event contributes, and the subject to which."""
    correlate = correlation.file.correlate
    if correlate.denied_calls is not None:
        if findings and event.error_code is not None and event.error_code.startswith(_DENIED):
            common = _common(correlation, event, findings[0])
            if common is not None:
                yield hashlib.sha256(event.id.encode()).hexdigest()[:16], common
        return
    wanted = {rule_id for step in correlate.steps for rule_id in step}
    for finding in findings if event.error_code is None else ():
        if finding.rule_id in wanted and finding.failure is None:
            common = _common(correlation, event, finding)
            if common is not None:
                yield finding.rule_id, common


def _common(correlation: Correlation, event: Event, finding: Finding) -> Subject | None:
    if correlation.file.correlate.by is By.ACTOR:
        caller = event.actor.issuer_arn or event.actor.arn
        return Subject(SubjectKind.RESOURCE, caller) if caller else None
    subject = finding.subject
    return subject if subject is not None and subject.kind is correlation.subject_kind else None


def _grain(correlate: Correlate) -> int:
    """Return the seconds to which the times of markers are rounded."""
    # A flood of one rule must not fill the window before the other steps arrive. Denied calls are
    # counted instead, and each one needs a marker of its own.
    return _MINUTE * max(1, correlate.within_minutes // _MOST_GRAINS) if correlate.steps else 1


def _split(member: str) -> tuple[int, str]:
    what, _, time = member.rpartition("@")
    return int(time), what
