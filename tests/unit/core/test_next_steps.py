"""What the reader of an alert does next, for each decision of the table in `core/next_steps.py`."""

import re
import shlex
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermand.actions import ALL
from countermand.core.decide import decide
from countermand.core.model import (
    Call,
    Finding,
    Guard,
    Mode,
    Outcome,
    Reason,
    Record,
    Ruling,
    Step,
    StepStatus,
    Subject,
    SubjectKind,
    Timings,
    Verdict,
)
from countermand.core.next_steps import console_links, next_steps
from countermand.core.rules.rule import RuleInfo
from countermand.core.runbook import steps_of
from support.fakes import ADMIN, NOW
from support.findings import a_finding, an_event
from support.stage import RULES

TAG = ("SecurityApproved", "true")
RUNBOOK = (
    "1. Ask the caller. 2. Detach it: `aws iam detach-user-policy --user-name <user> "
    "--policy-arn <policy_arn>`. 3. Search CloudTrail for <unknown_thing>."
)
FINDING = a_finding(runbook=RUNBOOK, revert_steps=(2,))
DETACH = f"`aws iam detach-user-policy --user-name iam-test-user --policy-arn {ADMIN}`"


def a_record(
    finding: Finding = FINDING,
    verdict: Verdict = Verdict.REMEDIATE,
    status: StepStatus | None = None,
    guard: Guard = Guard.APPROVED,
    **event: Any,
) -> Record:
    ruling = Ruling(finding, verdict, (Reason(guard, "why"),), Mode.ENFORCE, notify=True)
    decision = decide(an_event(**event), [ruling])
    step = Step(Call("detach_user_policy", {}), finding.rule_id, Mode.ENFORCE)
    outcomes = () if status is None else (Outcome(step, status, "detail"),)
    return Record(decision, Timings(received_at=NOW), outcomes)


def steps(record: Record) -> str:
    return "\n".join(next_steps(record, TAG))


@pytest.mark.parametrize(
    ("verdict", "status", "guard", "first", "reverts", "asks"),
    [
        (Verdict.REMEDIATE, StepStatus.FAILED, Guard.APPROVED, "Revert the change", True, True),
        (Verdict.REMEDIATE, StepStatus.SIMULATED, Guard.APPROVED, "Nothing was", True, True),
        (Verdict.REMEDIATE, StepStatus.APPLIED, Guard.APPROVED, "If the change", False, True),
        (Verdict.REMEDIATE, StepStatus.UNCHANGED, Guard.APPROVED, "The change was", False, True),
        (Verdict.REMEDIATE, StepStatus.STARTED, Guard.APPROVED, "The remediation", False, True),
        (Verdict.REMEDIATE, None, Guard.APPROVED, "The remediation", False, True),
        (Verdict.ALERT_ONLY, None, Guard.SCOPE, "Review the change", True, True),
        (Verdict.WAIT, None, Guard.UNREADABLE, "Check the target", True, True),
        (Verdict.WAIT, None, Guard.NOT_VISIBLE, "Review the change", True, True),
        (Verdict.SKIP, None, Guard.EXCEPTION, "None if the reason", False, False),
    ],
)
def test_the_steps_fit_the_decision(
    verdict: Verdict, status: StepStatus | None, guard: Guard, first: str, reverts: bool, asks: bool
) -> None:
    """The truth table of the module: nobody is asked to revert what is reverted."""
    said = steps(a_record(verdict=verdict, status=status, guard=guard))
    assert said.startswith(first)
    assert ("aws iam detach-user-policy" in said) is reverts
    assert ("Ask the caller." in said) is asks


def test_commands_have_the_real_names() -> None:
    said = steps(a_record(verdict=Verdict.ALERT_ONLY, guard=Guard.SCOPE))
    assert DETACH in said
    assert "<unknown_thing>" in said


def test_an_applied_remediation_can_be_undone_or_exempted() -> None:
    record = a_record(status=StepStatus.APPLIED)
    said = steps(record)
    assert f"countermand undo {record.decision.id}" in said
    assert (
        "aws iam tag-user --user-name iam-test-user --tags Key=SecurityApproved,Value=true" in said
    )


def test_a_group_has_no_exception() -> None:
    """IAM cannot tag groups."""
    group = replace(FINDING, subject=Subject(SubjectKind.GROUP, "admins"))
    assert "To exempt" not in steps(a_record(group, status=StepStatus.APPLIED))


@pytest.mark.parametrize(
    "name",
    ["a b", "$(id)", "`id`", "-rf", "--profile", "x;y", "a'b", 'a"b', "a\nb", "é", "x" * 300, "",
     "https://evil.example", "a|b", "a>b", "a*", "~root", "a\\b", "a&b", "!x", "#x", "{a,b}"],
)  # fmt: skip
def test_a_name_that_a_shell_reads_is_not_filled_in(name: str) -> None:
    hostile = replace(
        FINDING, subject=Subject(SubjectKind.USER, name), evidence={"policy_arn": name}
    )
    for verdict, status in ((Verdict.ALERT_ONLY, None), (Verdict.REMEDIATE, StepStatus.APPLIED)):
        said = steps(a_record(hostile, verdict, status))
        assert "To exempt" not in said
    assert "--user-name <user> --policy-arn <policy_arn>" in steps(
        a_record(hostile, Verdict.ALERT_ONLY)
    )


@given(st.text(), st.text())
def test_a_filled_command_stays_one_command(user: str, policy: str) -> None:
    finding = replace(
        FINDING, subject=Subject(SubjectKind.USER, user), evidence={"policy_arn": policy}
    )
    said = steps(a_record(finding, Verdict.ALERT_ONLY, guard=Guard.SCOPE))
    found = re.search(r"`(aws iam detach-user-policy [^`]*)`", said)
    assert found is not None
    words = shlex.split(found[1])
    assert words[:4] == ["aws", "iam", "detach-user-policy", "--user-name"]
    assert words[5] == "--policy-arn"
    assert len(words) == 7


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-west-1", "console.aws.amazon.com"),
        ("cn-north-1", "console.amazonaws.cn"),
        ("us-gov-west-1", "console.amazonaws-us-gov.com"),
        ("eusc-de-east-1", "console.amazonaws-eusc.eu"),
        ("us-iso-east-1", None),
        ("us-isob-east-1", None),
        ("evil.example/#", None),
        ("", None),
    ],
)
def test_a_link_leads_to_the_console_of_the_partition(region: str, host: str | None) -> None:
    links = console_links(a_record(region=region, event_id="7c2f"))
    if host is None:
        assert links == []
    else:
        assert links == [
            f"https://{host}/iam/home#/users/details/iam-test-user",
            f"https://{region}.{host}/cloudtrailv2/home?region={region}#/events/7c2f",
        ]


@given(st.text(), st.text(), st.text())
def test_no_name_leads_a_link_elsewhere(name: str, region: str, event_id: str) -> None:
    finding = replace(FINDING, subject=Subject(SubjectKind.USER, name))
    for link in console_links(a_record(finding, region=region, event_id=event_id)):
        assert re.fullmatch(
            r"https://([a-z0-9-]+\.)?console\.(aws\.amazon\.com|amazonaws[a-z.-]+)/[ -~]+", link
        )


def kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()


REVERTING = [rule.info for rule in RULES.every if rule.info.remediation is not None]
WITHOUT = {"console_login_without_mfa", "new_user_made_powerful"}
"""Their remediation denies what follows, and the runbook's commands undo what happened."""


@pytest.mark.parametrize("info", REVERTING, ids=lambda info: info.id)
def test_a_rule_marks_the_steps_that_revert(info: RuleInfo) -> None:
    """They are the steps with a command that the action of the rule makes too."""
    assert info.remediation is not None
    calls = {kebab(call.partition(":")[2]) for call in ALL[info.remediation].info.writes}
    numbered = enumerate(steps_of(info.runbook), 1)
    same = {n for n, s in numbered if calls & set(re.findall(r"`aws [a-z0-9-]+ ([a-z0-9-]+)", s))}
    assert set(info.revert_steps) == same
    assert bool(same) is (info.id not in WITHOUT)
