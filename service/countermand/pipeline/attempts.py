"""What one attempt at an event leaves to the next, in the record that both share.

A message can come back at any point: the worker died, IAM refused a write, or a notifier failed.
The next attempt evaluates the live state again and never replays a stored decision. It keeps only
what explains the live state or can be undone.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from countermand.core.model import Decision, Event, Guard, Outcome, Record, Step

_FIRST_RETRY = timedelta(seconds=5)

type Confirm = Callable[[Step], Outcome]
"""Gives the outcome of an interrupted step whose change is gone."""


def open_record(
    earlier: Record | None, record: Record, confirm: Confirm
) -> tuple[Record, Sequence[Step]]:
    """Return the record to continue with, and the steps to take.

    |   | earlier attempt               | decision now    | record                  | steps   |
    |---|-------------------------------|-----------------|-------------------------|---------|
    | 1 | none                          | any             | new                     | its own |
    | 2 | may have written, end unknown | already removed | the earlier, confirmed  | none    |
    | 3 | wrote                         | already removed | the earlier             | none    |
    | 4 | any other                     | any             | new, with the writes    | its own |
    |   |                               |                 | and the sent alerts     |         |
    """
    decision = record.decision
    if earlier is None:  # row 1
        return record, decision.steps
    if _explains_removal(earlier, decision):  # rows 2 and 3
        known = (_with_known_end(outcome, confirm) for outcome in earlier.outcomes)
        return replace(earlier, outcomes=tuple(known)), ()
    continued = replace(  # row 4
        record,
        outcomes=tuple(filter(_wrote, earlier.outcomes)),
        notified=earlier.notified,
        timings=replace(earlier.timings, decided_at=record.timings.decided_at),
    )
    return continued, decision.steps


def with_outcome(record: Record, outcome: Outcome) -> Record:
    """Add the new outcome of a step to the record.

    An earlier write of the same step stays until the step has written again, because it can be
    undone.
    """
    others = (
        o for o in record.outcomes if o.step != outcome.step or (_wrote(o) and not _wrote(outcome))
    )
    return replace(record, outcomes=(*others, outcome))


def kept(earlier: Record | None, waiting: Record) -> Record:
    """Return the record to store while nothing can be decided.

    An earlier write survives the wait, because it explains later why a change is gone.
    """
    if earlier is None or not _may_have_written(earlier):
        return waiting
    return replace(earlier, notified=waiting.notified)


def until_visible(event: Event, now: datetime, settle: timedelta) -> float:
    """Return the seconds to the next attempt at a change that IAM does not show yet.

    One attempt comes early, and one when IAM must show everything. There are no more, because each
    attempt costs one of the message's receives.
    """
    age = now - event.time
    due = _FIRST_RETRY if age < _FIRST_RETRY else settle
    # An event may be dated some minutes ahead, but the message must not wait for that.
    return min(max(1.0, (due - age).total_seconds()), settle.total_seconds())


def _may_have_written(record: Record) -> bool:
    return any(outcome.inverse is not None for outcome in record.outcomes)


def _explains_removal(earlier: Record, decision: Decision) -> bool:
    removed = decision.leading.reasons[0].guard is Guard.ALREADY_REMOVED
    return removed and _may_have_written(earlier)


def _with_known_end(outcome: Outcome, confirm: Confirm) -> Outcome:
    interrupted = outcome.inverse is not None and not outcome.final
    return confirm(outcome.step) if interrupted else outcome


def _wrote(outcome: Outcome) -> bool:
    return outcome.final and outcome.inverse is not None
