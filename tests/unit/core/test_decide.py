"""Several rulings on one event become one decision."""

from dataclasses import replace
from itertools import permutations

import pytest

from countermand.core.decide import decide
from countermand.core.model import (
    Guard,
    Mode,
    Reason,
    Ruling,
    Severity,
    Verdict,
    decision_id,
)
from support.fakes import ACCOUNT, ADMIN
from support.findings import a_finding, an_event

EVENT = an_event()
STRONGEST_FIRST = [Verdict.WAIT, Verdict.REMEDIATE, Verdict.ALERT_ONLY, Verdict.SKIP]


def ruling(
    verdict: Verdict,
    rule_id: str = "a_rule",
    *,
    mode: Mode = Mode.ENFORCE,
    remediation: str | None = "detach_user_policy",
    notify: bool = True,
    policy_arn: str = ADMIN,
) -> Ruling:
    finding = a_finding(
        rule_id=rule_id,
        severity=Severity.HIGH,
        evidence={"policy_arn": policy_arn},
        remediation=remediation,
    )
    reasons = (Reason(Guard.APPROVED, f"because of {rule_id}"),)
    return Ruling(finding, verdict, reasons, mode, notify, params=finding.evidence)


def of_severity(severity: Severity, mode: Mode) -> Ruling:
    alert = ruling(Verdict.ALERT_ONLY, mode=mode)
    return replace(alert, finding=replace(alert.finding, severity=severity))


@pytest.mark.parametrize("verdicts", list(permutations(STRONGEST_FIRST)))
def test_the_strongest_verdict_leads_in_any_order(verdicts: tuple[Verdict, ...]) -> None:
    for count in range(1, len(verdicts) + 1):
        rulings = [ruling(verdict, f"rule_{verdict}") for verdict in verdicts[:count]]
        decision = decide(EVENT, rulings)
        strongest = min(verdicts[:count], key=STRONGEST_FIRST.index)
        assert decision.verdict is strongest
        assert decision.leading.finding.rule_id == f"rule_{strongest}"
        assert decision.reason == f"because of rule_{strongest}"
        assert decision.rulings == tuple(rulings)


@pytest.mark.parametrize("severities", list(permutations(Severity)))
def test_the_worst_severity_leads(severities: tuple[Severity, ...]) -> None:
    """Among equal verdicts the worst severity leads."""
    rulings = [
        of_severity(severity, Mode.ENFORCE if severity is Severity.CRITICAL else Mode.OBSERVE)
        for severity in severities
    ]
    decision = decide(EVENT, rulings)
    assert decision.leading.finding.severity is Severity.CRITICAL
    assert decision.mode is Mode.ENFORCE


def test_of_equals_the_first_leads() -> None:
    decision = decide(EVENT, [ruling(Verdict.SKIP, "one"), ruling(Verdict.SKIP, "two")])
    assert decision.leading.finding.rule_id == "one"


def test_an_approved_finding_becomes_a_step() -> None:
    (step,) = decide(EVENT, [ruling(Verdict.REMEDIATE)]).steps
    assert step.call.action == "detach_user_policy"
    assert step.call.params == {"policy_arn": ADMIN}
    assert step.rule_id == "a_rule"
    assert step.mode is Mode.ENFORCE


@pytest.mark.parametrize("verdict", [Verdict.WAIT, Verdict.ALERT_ONLY, Verdict.SKIP])
def test_what_is_not_approved_has_no_steps(verdict: Verdict) -> None:
    decision = decide(EVENT, [ruling(verdict)])
    assert decision.steps == ()
    assert not decision.approved_for_remediation


def test_a_waiting_finding_stops_the_revert() -> None:
    """While one finding waits, nothing is reverted."""
    decision = decide(EVENT, [ruling(Verdict.REMEDIATE), ruling(Verdict.WAIT)])
    assert decision.verdict is Verdict.WAIT
    assert decision.steps == ()


def test_only_approved_findings_give_steps() -> None:
    other = ruling(Verdict.ALERT_ONLY, "other", policy_arn="arn:other")
    (step,) = decide(EVENT, [other, ruling(Verdict.REMEDIATE)]).steps
    assert step.rule_id == "a_rule"


def test_two_rules_can_share_one_step() -> None:
    both = [ruling(Verdict.REMEDIATE, "one"), ruling(Verdict.REMEDIATE, "two")]
    (step,) = decide(EVENT, both).steps
    assert step.rule_id == "one"


def test_two_rules_can_add_two_steps() -> None:
    both = [
        ruling(Verdict.REMEDIATE, "one"),
        ruling(Verdict.REMEDIATE, "two", policy_arn="arn:other"),
    ]
    assert [step.rule_id for step in decide(EVENT, both).steps] == ["one", "two"]


def test_each_step_keeps_the_mode_of_its_own_rule() -> None:
    both = [
        ruling(Verdict.REMEDIATE, "one", mode=Mode.DRY_RUN),
        ruling(Verdict.REMEDIATE, "two", policy_arn="arn:other"),
    ]
    decision = decide(EVENT, both)
    assert [step.mode for step in decision.steps] == [Mode.DRY_RUN, Mode.ENFORCE]
    assert decision.mode is Mode.DRY_RUN


@pytest.mark.parametrize(("first", "second"), [(True, False), (False, True)])
def test_one_ruling_is_enough_to_notify(*, first: bool, second: bool) -> None:
    rulings = [ruling(Verdict.SKIP, notify=first), ruling(Verdict.SKIP, "other", notify=second)]
    assert decide(EVENT, rulings).notify


def test_a_decision_may_notify_nobody() -> None:
    assert not decide(EVENT, [ruling(Verdict.SKIP, notify=False)]).notify


def test_an_unreadable_state_is_unverified() -> None:
    """An unreadable state is an unverified decision."""
    unread = replace(ruling(Verdict.WAIT), reasons=(Reason(Guard.UNREADABLE, "UNVERIFIED"),))
    assert decide(EVENT, [ruling(Verdict.REMEDIATE), unread]).unverified
    assert not decide(EVENT, [ruling(Verdict.WAIT)]).unverified


def test_a_decision_is_named_after_its_event() -> None:
    once, again = (decide(EVENT, [ruling(v)]) for v in (Verdict.SKIP, Verdict.REMEDIATE))
    assert once.id == again.id == decision_id(EVENT.id)
    assert decision_id(f"{ACCOUNT}/2") != once.id
    assert decision_id("111122223334/1") != once.id
    assert len(once.id) == 22
    assert once.id.startswith("d-")
