"""The alert about a decision: complete, and safe whatever names an attacker chooses."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermand.core.decide import decide
from countermand.core.model import (
    Actor,
    Alert,
    Call,
    Event,
    Finding,
    Guard,
    Mode,
    Outcome,
    Principal,
    Reason,
    Record,
    Ruling,
    Severity,
    Step,
    StepStatus,
    Subject,
    SubjectKind,
    Timings,
    Verdict,
)
from countermand.core.report import alert, notification_key, plain, summary
from support.fakes import ACCOUNT, ADMIN, NOW, user
from support.findings import MALLORY, a_finding, an_event

API = "https://countermand.example.com"
EVENT = an_event(id=f"{ACCOUNT}/7c2f9d1e", event_id="7c2f9d1e")
FINDING = a_finding()
CALL = Call("detach_user_policy", {"user_name": "iam-test-user", "policy_arn": ADMIN})
APPROVED = (Reason(Guard.APPROVED, "Approved for remediation"),)

HOSTILE_NAMES = [
    "two\nlines",
    "carriage\rreturn\r\nSubject: forged",
    "tab\tbell\x07backspace\x08escape\x1b[2J\x00",
    "\u202eresu-tset-mai",
    "zero\u200bwidth\ufeff",
    "line\u2028separator\u0085next",
    "<script>alert(1)</script>",
    "[link](https://evil.example)",
    "https://evil.example/login",
    "${7*7}{{7*7}}%n%s$(id)`id`",
    "\U0001f600" * 40,
    "'; drop table records; --",
    "x" * 10_000,
    "\n" * 10_000,
    "\ud800",
    "\x7f\x80\x9f",
    "",
    " ",
]


def record(
    *,
    verdict: Verdict = Verdict.REMEDIATE,
    reasons: tuple[Reason, ...] = APPROVED,
    mode: Mode = Mode.DRY_RUN,
    status: StepStatus | None = StepStatus.SIMULATED,
    event: Event = EVENT,
    finding: Finding = FINDING,
    principal: Principal | None = None,
    annotations: tuple[str, ...] = (),
    detail: str = "in detail",
) -> Record:
    ruling = Ruling(finding, verdict, reasons, mode, True, principal, CALL.params)
    decision = decide(event, [ruling])
    step = Step(CALL, finding.rule_id, mode)
    outcomes = () if status is None else (Outcome(step, status, detail),)
    return Record(decision, Timings(received_at=NOW), outcomes, annotations=annotations)


def notified(**changes: Any) -> Alert:
    return alert(record(**changes), API)


def named(name: str) -> dict[str, Any]:
    """Everything that the author of an event may choose."""
    return {
        "event": replace(EVENT, actor=Actor(name, name, ACCOUNT, name), name=name, region=name),
        "finding": replace(
            FINDING, subject=Subject(SubjectKind.USER, name), evidence={"policy_arn": name}
        ),
        "reasons": (Reason(Guard.SCOPE, f"out of scope: {name}"), Reason(Guard.AGE, name)),
        "annotations": (name,),
        "detail": name,
    }


# --- untrusted names


def is_safe_for_sns(subject: str) -> bool:
    printable = re.fullmatch(r"[ -~]{1,99}", subject) is not None
    return printable and subject[0].isprintable() and subject[0] != " "


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=range(len(HOSTILE_NAMES)))
@pytest.mark.parametrize("status", [*StepStatus, None])
def test_a_subject_is_safe_for_any_hostile_name(name: str, status: StepStatus | None) -> None:
    """It is short printable ASCII."""
    assert is_safe_for_sns(notified(status=status, **named(name)).subject)


@given(name=st.text(), title=st.text(min_size=1), severity=st.sampled_from(Severity))
def test_a_subject_is_safe_for_any_name_and_title(
    name: str, title: str, severity: Severity
) -> None:
    finding = replace(
        FINDING, subject=Subject(SubjectKind.USER, name), title=title, severity=severity
    )
    assert is_safe_for_sns(notified(finding=finding).subject)


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=range(len(HOSTILE_NAMES)))
def test_a_name_adds_no_lines_to_the_email(name: str) -> None:
    benign = notified(**named("benign")).text
    text = notified(**named(name)).text
    assert re.fullmatch(r"[ -~\n]*", text)
    assert text.count("\n") == benign.count("\n")
    assert len(text) < 20_000


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=range(len(HOSTILE_NAMES)))
def test_the_email_links_only_to_the_decision(name: str) -> None:
    links = re.findall(r"\S*://\S*", notified(**named(name)).text)
    assert [link.startswith(f"{API}/decisions/d-") for link in links] == [True]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("iam-test-user", "iam-test-user"),
        ("a\nb", "a\\u000ab"),
        ("\u202e", "\\u202e"),
        ("http://evil", "http[:]//evil"),
        ("ftp://a://b", "ftp[:]//a[:]//b"),
        ("<b>&amp;", "<b>&amp;"),
        ("${7*7}", "${7*7}"),
        ("x" * 256, "x" * 256),
        ("x" * 257, "x" * 256 + "..."),
        ("\ud800", "\\ud800"),
        ("", ""),
    ],
)
def test_an_untrusted_string_is_shown_plainly(name: str, shown: str) -> None:
    assert plain(name) == shown


@given(st.text())
def test_any_string_becomes_one_line(name: str) -> None:
    """Any string becomes one line without a link."""
    shown = plain(name)
    assert re.fullmatch(r"[ -~]*", shown)
    assert "://" not in shown


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=range(len(HOSTILE_NAMES)))
def test_the_document_keeps_names_exactly(name: str) -> None:
    text = json.dumps(notified(**named(name)).document)
    assert text.isascii()
    document = json.loads(text)
    assert document["target_user"] == name
    assert document["policy_arn"] == name
    assert document["actor_arn"] == name


def test_attributes_hold_no_hostile_text() -> None:
    """No attribute holds text that an attacker controls."""
    assert notified(**named("\n")).attributes == notified().attributes


# --- what the alert says


def test_the_parts_of_the_subject() -> None:
    """The subject has severity, target and result."""
    assert notified().subject == (
        "[CRITICAL] iam-test-user: Administrator policy attached to a user"
        " - would be reverted (dry run)"
    )


@pytest.mark.parametrize("status", [*StepStatus, None])
def test_a_long_title_is_cut_before_the_result(status: StepStatus | None) -> None:
    changed = record(status=status, finding=replace(FINDING, title="Attached " * 13))
    subject = alert(changed, API).subject
    assert subject.startswith("[CRITICAL] iam-test-user: Attached")
    assert subject.endswith(f" - {summary(changed)}")


def test_the_email_has_all_that_a_reader_needs() -> None:
    principal = user()
    text = notified(principal=principal, annotations=("The change was reapplied",)).text
    for needed in (
        "Call:     AttachUserPolicy, severity critical",
        "Rule:     admin_policy_attached_to_user",
        f"Actor:    {MALLORY}",
        f"Target:   user {principal.arn}",
        f"Policy:   {ADMIN}",
        "Time:     2026-11-23 12:00:00 UTC",
        f"Account:  {ACCOUNT}, region us-east-1",
        "Decision: remediate, mode dry-run",
        "Reason:   Approved for remediation",
        "Step:     detach_user_policy: simulated, in detail",
        "Note:     The change was reapplied",
        "Next steps",
    ):
        assert needed in text
    decision_id = record().decision.id
    assert f"\nDecision {decision_id}\n{API}/decisions/{decision_id}\n" in text


def test_the_email_shows_all_evidence() -> None:
    seen = {"group_name": "admins", "summary": "allows iam:* on *", "version_id": "v7"}
    told_of = notified(finding=replace(FINDING, evidence=seen))
    for row in ("Group:    admins", "Summary:  allows iam:* on *", "Version id: v7"):
        assert row in told_of.text
    assert told_of.document["evidence"] == seen


@pytest.mark.parametrize(
    ("verdict", "shown"),
    [(Verdict.REMEDIATE, True), (Verdict.ALERT_ONLY, True), (Verdict.SKIP, False)],
)
def test_the_email_lists_the_runbook_steps(verdict: Verdict, shown: bool) -> None:
    runbook = "1. Ask the\ncaller. 2. Search CloudTrail."
    text = notified(finding=replace(FINDING, runbook=runbook), verdict=verdict).text
    assert ("  2. Ask the\\u000acaller.\n  3. Search CloudTrail.\n" in text) is shown


def test_the_email_gives_the_other_reasons_too() -> None:
    reasons = (Reason(Guard.SCOPE, "out of scope"), Reason(Guard.AGE, "too old"))
    text = notified(verdict=Verdict.ALERT_ONLY, reasons=reasons, status=None).text
    assert "Reason:   out of scope" in text
    assert "Also:     too old" in text


def seen_by(title: str, verdict: Verdict, subject: Subject | None, severity: Severity) -> Ruling:
    finding = replace(FINDING, title=title, subject=subject, severity=severity)
    return Ruling(finding, verdict, APPROVED, Mode.DRY_RUN, notify=True)


def test_the_email_names_other_findings() -> None:
    """The email names the findings of other rules."""
    rulings = [
        seen_by(
            "IAM user created",
            Verdict.ALERT_ONLY,
            Subject(SubjectKind.USER, "bob\nTarget: x"),
            Severity.LOW,
        ),
        seen_by("Nothing", Verdict.SKIP, None, Severity.CRITICAL),
        seen_by(
            "Root acted",
            Verdict.ALERT_ONLY,
            Subject(SubjectKind.ACCOUNT, ACCOUNT),
            Severity.HIGH,
        ),
    ]
    text = alert(Record(decide(EVENT, rulings), Timings(received_at=NOW)), API).text
    assert f"  Target:   account {ACCOUNT}\n" in text
    assert "  Also:     IAM user created: user bob\\u000aTarget: x\n" in text
    assert text.count("  Also:") == 1


def test_other_findings_do_not_flood_the_email() -> None:
    """Many other findings do not flood the email."""
    bob = Subject(SubjectKind.USER, "bob")
    rulings = [seen_by(f"rule {n}", Verdict.ALERT_ONLY, bob, Severity.LOW) for n in range(300)]
    text = alert(Record(decide(EVENT, rulings), Timings(received_at=NOW)), API).text
    assert text.count("  Also:") == 5


def test_an_unread_target_keeps_its_name() -> None:
    """An unread target has the name in the event."""
    assert "Target:   user iam-test-user" in notified().text


def test_a_hidden_target_is_said_to_be_hidden() -> None:
    finding = replace(FINDING, subject=None, evidence={})
    hidden = notified(finding=finding, verdict=Verdict.ALERT_ONLY, status=None)
    assert "hidden target" in hidden.subject
    assert "Target:   hidden by the event" in hidden.text
    assert "Policy:" not in hidden.text
    assert hidden.document["target_user"] is None
    assert hidden.document["policy_arn"] is None


@pytest.mark.parametrize(
    ("actor", "shown"),
    [
        (Actor("IAMUser", MALLORY, ACCOUNT, ""), MALLORY),
        (Actor("AWSService", "", "", ""), "AWSService"),
        (Actor("", "", "", ""), "unknown"),
    ],
)
def test_the_email_names_the_actor(actor: Actor, shown: str) -> None:
    """The email names the actor as the event does."""
    assert f"Actor:    {shown}\n" in notified(event=replace(EVENT, actor=actor)).text


UNREADABLE = (Reason(Guard.UNREADABLE, "UNVERIFIED: live state unreadable (AccessDenied)"),)


@pytest.mark.parametrize(
    ("changes", "done", "advice"),
    [
        ({}, "would be reverted (dry run)", "set COUNTERMAND_MODE=enforce"),
        ({"status": StepStatus.APPLIED, "mode": Mode.ENFORCE}, "reverted", "countermand undo d-"),
        (
            {"status": StepStatus.FAILED, "mode": Mode.ENFORCE},
            "REMEDIATION FAILED, act now",
            "Revert the change manually: Countermand tried and failed",
        ),
        (
            {"status": StepStatus.UNCHANGED, "mode": Mode.ENFORCE},
            "already removed",
            "The change was gone before Countermand could revert it.",
        ),
        (
            {"status": None, "verdict": Verdict.ALERT_ONLY, "reasons": (Reason(Guard.AGE, "old"),)},
            "alert only",
            "Review the change: Countermand changed nothing.",
        ),
        (
            {"status": None, "verdict": Verdict.SKIP, "reasons": (Reason(Guard.EXCEPTION, "tag"),)},
            "not reverted",
            "None if the reason above is right",
        ),
        (
            {"status": None, "verdict": Verdict.WAIT, "reasons": UNREADABLE},
            "UNVERIFIED, live state unreadable",
            "Check the target in IAM now",
        ),
        ({"status": None}, "approved for remediation", "Countermand retries"),
    ],
    ids=[
        "simulated",
        "applied",
        "failed",
        "unchanged",
        "alert",
        "skip",
        "unverified",
        "unfinished",
    ],
)
def test_every_outcome_has_its_advice(changes: dict[str, Any], done: str, advice: str) -> None:
    """Every outcome has its words and its advice."""
    said = notified(**changes)
    assert said.subject.endswith(f" - {done}")
    assert said.text.splitlines()[0].endswith(f": {done}.")
    assert advice in said.text.partition("Next steps")[2]


def test_the_email_offers_undo_only_after_a_write() -> None:
    for status in {*StepStatus, None} - {StepStatus.APPLIED}:
        assert "countermand undo" not in notified(status=status, mode=Mode.ENFORCE).text


def test_the_document_has_every_promised_key() -> None:
    document = notified(principal=user()).document
    decision = record().decision
    assert {key: document[key] for key in PROMISED} == {
        "event_name": "AttachUserPolicy",
        "actor_arn": MALLORY,
        "target_user": "iam-test-user",
        "policy_arn": ADMIN,
        "dry_run": True,
        "approved_for_remediation": True,
        "decision_reason": "Approved for remediation",
        "decision_id": decision.id,
        "event_id": "7c2f9d1e",
        "event_time": "2026-11-23T12:00:00+00:00",
        "account_id": ACCOUNT,
        "region": "us-east-1",
        "rule_id": "admin_policy_attached_to_user",
        "severity": "critical",
        "mode": "dry-run",
        "outcome": "simulated",
    }
    assert document["target_arn"] == user().arn
    assert document["decision_url"] == f"{API}/decisions/{decision.id}"


PROMISED = (
    "event_name",
    "actor_arn",
    "target_user",
    "policy_arn",
    "dry_run",
    "approved_for_remediation",
    "decision_reason",
    "decision_id",
    "event_id",
    "event_time",
    "account_id",
    "region",
    "rule_id",
    "severity",
    "mode",
    "outcome",
)


@pytest.mark.parametrize(
    ("mode", "dry_run"), [(Mode.OBSERVE, True), (Mode.DRY_RUN, True), (Mode.ENFORCE, False)]
)
def test_everything_but_enforce_is_a_dry_run(mode: Mode, *, dry_run: bool) -> None:
    assert notified(mode=mode).document["dry_run"] is dry_run


def test_attributes_serve_filters() -> None:
    """The attributes serve subscription filters."""
    assert notified().attributes == {
        "severity": "critical",
        "rule_id": "admin_policy_attached_to_user",
        "verdict": "remediate",
        "account_id": ACCOUNT,
    }


def test_the_notification_key() -> None:
    """The notification key is the outcome or the guard."""
    assert notification_key(record()) == "simulated"
    scope = (Reason(Guard.SCOPE, "out of scope"),)
    other = record(verdict=Verdict.ALERT_ONLY, reasons=scope, status=None)
    assert notification_key(other) == "alert_only/scope"
    assert (
        notification_key(record(verdict=Verdict.WAIT, reasons=UNREADABLE, status=None))
        == "unverified"
    )


def test_the_same_record_gives_the_same_alert() -> None:
    assert notified() == notified()
