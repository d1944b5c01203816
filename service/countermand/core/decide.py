"""Fourth stage: the rulings on one event become one decision, with the steps to take.

One message is one decision: the strongest verdict leads, in this order.

    wait        something could not be read or seen yet; nothing may be done before it is
    remediate   at least one finding is approved
    alert_only  a human must look
    skip        nothing to do

Of equal verdicts the worst severity leads, because alerts are filtered by it: what root did is no
small thing only because a lesser rule saw it too. The first of those that are as bad leads.
"""

from collections.abc import Sequence

from countermand.core.model import Call, Decision, Event, Ruling, Step, Verdict

_STRONGEST_FIRST = (Verdict.WAIT, Verdict.REMEDIATE, Verdict.ALERT_ONLY, Verdict.SKIP)


def decide(event: Event, rulings: Sequence[Ruling]) -> Decision:
    """Merge the rulings (at least one); two rules that want the same step give it once."""
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
