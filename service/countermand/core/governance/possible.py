"""The decisions that a rule can lead to: what the metrics show as 0 before the first one.

The table of `guards.py` gives each guard its verdict. A guard that waits decides nothing yet.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from countermand.core.model import Guard, Mode, Severity, Verdict

VERDICTS = {
    Guard.FAILED_CALL: Verdict.SKIP,
    Guard.OWN_CHANGE: Verdict.SKIP,
    Guard.ORIGIN: Verdict.ALERT_ONLY,
    Guard.BROKEN_CHECK: Verdict.ALERT_ONLY,
    Guard.HIDDEN_TARGET: Verdict.ALERT_ONLY,
    Guard.UNREADABLE: Verdict.WAIT,
    Guard.NOT_VISIBLE: Verdict.WAIT,
    Guard.GONE: Verdict.ALERT_ONLY,
    Guard.RECREATED: Verdict.ALERT_ONLY,
    Guard.BENIGN: Verdict.SKIP,
    Guard.ALREADY_REMOVED: Verdict.SKIP,
    Guard.ALERT_RULE: Verdict.ALERT_ONLY,
    Guard.NEVER_TOUCH: Verdict.ALERT_ONLY,
    Guard.UNCERTAIN: Verdict.ALERT_ONLY,
    Guard.IRREVERSIBLE: Verdict.ALERT_ONLY,
    Guard.NOT_OF_EVENT: Verdict.ALERT_ONLY,
    Guard.SCOPE: Verdict.ALERT_ONLY,
    Guard.EXCEPTION: Verdict.SKIP,
    Guard.UNDONE: Verdict.ALERT_ONLY,
    Guard.AGE: Verdict.ALERT_ONLY,
    Guard.MODE: Verdict.ALERT_ONLY,
    Guard.APPROVED: Verdict.REMEDIATE,
}


class DecisionLabels(NamedTuple):
    """What a decision is counted by."""

    rule_id: str
    severity: str
    verdict: str
    guard: str
    mode: str


def possible_decisions(
    rule_id: str, severity: Severity, mode: Mode, *, remediates: bool
) -> Iterator[DecisionLabels]:
    """Yield the decisions that a rule can lead in this mode of worker and rule."""
    for guard in _possible_guards(mode, remediates=remediates):
        if (verdict := VERDICTS[guard]) is not Verdict.WAIT:
            yield DecisionLabels(rule_id, severity, verdict, guard, mode)


def _possible_guards(mode: Mode, *, remediates: bool) -> Iterable[Guard]:
    guards = list(Guard)
    if not remediates:
        # The guard `alert_rule` denies each change that came so far.
        return guards[: guards.index(Guard.ALERT_RULE) + 1]
    never = Guard.APPROVED if mode is Mode.OBSERVE else Guard.MODE
    return [guard for guard in guards if guard not in {Guard.ALERT_RULE, never}]
