"""Fourth stage: the rulings on one event become one decision, with the steps to take.

One message is one decision: the strongest verdict leads, in this order.

    wait        something is unreadable or not visible yet: do nothing before it is
    remediate   at least one finding is approved
    alert_only  a person must review the change
    skip        there is nothing to do

Among equal verdicts, the worst severity leads, because subscriptions filter alerts by severity.
Among equal severities, the first ruling leads.
"""

from collections.abc import Sequence

from countermand.core.model import Call, Decision, Event, Ruling, Step, Verdict

_STRONGEST_FIRST = (Verdict.WAIT, Verdict.REMEDIATE, Verdict.ALERT_ONLY, Verdict.SKIP)


def decide(event: Event, rulings: Sequence[Ruling]) -> Decision:
    """Merge one or more rulings. Two rules that want the same step share it."""
    leading = rulings[0] if len(rulings) == 1 else min(rulings, key=_strength)
    steps = _steps(rulings) if leading.verdict is Verdict.REMEDIATE else ()
    return Decision(event, tuple(rulings), leading.verdict, steps, leading.mode)


def _strength(ruling: Ruling) -> tuple[int, int]:
    return _STRONGEST_FIRST.index(ruling.verdict), ruling.finding.severity.rank


def _steps(rulings: Sequence[Ruling]) -> tuple[Step, ...]:
    steps: list[Step] = []
    for ruling in rulings:
        action = ruling.finding.remediation
        if ruling.verdict is Verdict.REMEDIATE and action is not None:
            call = Call(action, ruling.params)
            if call not in [step.call for step in steps]:
                steps.append(Step(call, ruling.finding.rule_id, ruling.mode))
    return tuple(steps)
