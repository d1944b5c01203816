"""Fourth stage: the rulings on one event become one decision, with the steps to take.

One message is one decision: the strongest verdict leads, in this order.

    wait        something could not be read or seen yet; nothing may be done before it is
    remediate   at least one finding is approved
    alert_only  a human must look
    skip        nothing to do
"""

from collections.abc import Callable, Mapping, Sequence

from countermand.core.model import Call, Decision, Event, Finding, Ruling, Step, Verdict

_STRONGEST_FIRST = (Verdict.WAIT, Verdict.REMEDIATE, Verdict.ALERT_ONLY, Verdict.SKIP)

type Params = Callable[[Finding], Mapping[str, str]]
"""The parameters of a finding's remediation; the actions know them."""


def decide(event: Event, rulings: Sequence[Ruling], params: Params) -> Decision:
    """Merge the rulings (at least one); two rules that want the same step give it once."""
    leading = rulings[0] if len(rulings) == 1 else min(rulings, key=_strength)
    steps = _steps(rulings, params) if leading.verdict is Verdict.REMEDIATE else ()
    return Decision(
        event=event,
        rulings=tuple(rulings),
        verdict=leading.verdict,
        steps=steps,
        mode=leading.mode,
    )


def _strength(ruling: Ruling) -> int:
    return _STRONGEST_FIRST.index(ruling.verdict)


def _steps(rulings: Sequence[Ruling], params: Params) -> tuple[Step, ...]:
    steps: list[Step] = []
    for ruling in rulings:
        action = ruling.finding.remediation
        if ruling.verdict is Verdict.REMEDIATE and action is not None:
            call = Call(action, params(ruling.finding))
            if call not in [step.call for step in steps]:
                steps.append(Step(call, ruling.finding.rule_id, ruling.mode))
    return tuple(steps)
