"""The truth table of `governance/guards.py`, row by row, and how reasons add up."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from countermand.core.governance.guardrails import Guardrails
from countermand.core.governance.guards import evaluate, screen
from countermand.core.model import (
    Actor,
    Facts,
    Mode,
    Principal,
    Subject,
    SubjectKind,
    Undo,
    Verdict,
)
from countermand.core.policies.escalations import Privilege
from countermand.core.policies.evaluate import NOTHING, Evaluation
from support.fakes import ACCOUNT, ADMIN, NOW, user
from support.findings import MALLORY, a_finding, an_event

OWN_ROLE = f"arn:aws:iam::{ACCOUNT}:role/countermand"
POLICY = Guardrails(
    ACCOUNT,
    "us-east-1",
    own_arns=frozenset({OWN_ROLE}),
    own_calls=frozenset({"iam:DetachUserPolicy"}),
)
EVENT = an_event()
FINDING = a_finding()
FACTS = Facts(now=NOW, principal=user(), grant_present=True)


def role(**changes: Any) -> Principal:
    return user(kind=SubjectKind.ROLE, **changes)


def test_no_denial_approves_the_remediation() -> None:
    assert screen(EVENT, FINDING, POLICY) is None
    ruling = evaluate(EVENT, FINDING, POLICY, FACTS)
    assert ruling.verdict is Verdict.REMEDIATE
    assert [r.text for r in ruling.reasons] == ["Approved for remediation"]
    assert ruling.notify


SESSION = Actor("AssumedRole", f"arn:aws:sts::{ACCOUNT}:assumed-role/countermand/i-1", "", OWN_ROLE)
OWN_USER = Actor("IAMUser", OWN_ROLE, ACCOUNT, "")
LOOK_ALIKE = replace(SESSION, issuer_arn=f"arn:aws:iam::{ACCOUNT}:role/x/countermand")


@pytest.mark.parametrize(
    ("guard", "event", "finding", "verdict", "notify"),
    [
        ("failed_call", {"error_code": "AccessDenied"}, {}, Verdict.SKIP, False),
        ("own_change", {"actor": SESSION, "name": "DetachUserPolicy"}, {}, Verdict.SKIP, False),
        ("own_change", {"actor": SESSION}, {}, Verdict.SKIP, True),
        ("own_change", {"actor": OWN_USER}, {}, Verdict.SKIP, True),
        ("origin", {"account_id": "999999999999"}, {}, Verdict.ALERT_ONLY, True),
        ("origin", {"record_account_id": "999999999999"}, {}, Verdict.ALERT_ONLY, True),
        ("origin", {"region": "eu-west-1"}, {}, Verdict.ALERT_ONLY, True),
        ("broken_check", {}, {"failure": "ValueError: no"}, Verdict.ALERT_ONLY, True),
        ("hidden_target", {}, {"subject": None}, Verdict.ALERT_ONLY, True),
    ],
)
def test_a_screening_guard_needs_no_live_read(
    guard: str, event: dict[str, Any], finding: dict[str, Any], verdict: Verdict, notify: bool
) -> None:
    ruling = screen(replace(EVENT, **event), replace(FINDING, **finding), POLICY)
    assert ruling is not None
    assert (ruling.reasons[0].guard, ruling.verdict, ruling.notify) == (guard, verdict, notify)


@pytest.mark.parametrize(("scope", "approved"), [("*-user", True), ("iam-test-[a-t]*", False)])
def test_a_rule_can_narrow_the_scope(scope: str, approved: bool) -> None:
    ruling = evaluate(EVENT, replace(FINDING, scope=scope), POLICY, FACTS)
    assert (ruling.verdict is Verdict.REMEDIATE) is approved


def test_a_rule_cannot_widen_the_scope() -> None:
    facts = replace(FACTS, principal=user("alice"))
    ruling = evaluate(EVENT, replace(FINDING, scope="*"), POLICY, facts)
    assert [r.guard for r in ruling.reasons] == ["scope"]


def test_a_similar_role_name_is_not_exempt() -> None:
    """A look-alike of the worker role is no exemption."""
    assert screen(replace(EVENT, actor=LOOK_ALIKE), FINDING, POLICY) is None


CONDITIONAL = Evaluation(Privilege.CONDITIONAL_ADMIN, "allows every action under a condition")
UNREADABLE = Evaluation(Privilege.UNREADABLE, "cannot be read")
AWS_ROLE = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/x.amazonaws.com/x"
CREATING, UPLOADING = {"name": "CreateAccessKey"}, {"name": "UploadSSHPublicKey"}
LONG_BEFORE, LONG_AFTER = (NOW + timedelta(minutes=minutes) for minutes in (-6, 6))
JUST_BEFORE = NOW - timedelta(minutes=5, seconds=30)
YOUNG = {"time": NOW - timedelta(seconds=14)}


@pytest.mark.parametrize(
    ("guard", "event", "facts", "verdict", "notify"),
    [
        ("unreadable", {}, {"unreadable": "iam:GetUser failed"}, Verdict.WAIT, True),
        ("not_visible", YOUNG, {"principal": None, "grant_present": False}, Verdict.WAIT, False),
        ("not_visible", YOUNG, {"grant_present": False}, Verdict.WAIT, False),
        ("gone", {}, {"principal": None, "grant_present": False}, Verdict.ALERT_ONLY, True),
        ("recreated", {}, {"principal": user(created=NOW)}, Verdict.ALERT_ONLY, True),
        ("benign", {}, {"evaluation": NOTHING}, Verdict.SKIP, False),
        ("benign", {}, {"evaluation": Evaluation(Privilege.TAKEOVER, "x")}, Verdict.SKIP, False),
        ("benign", {}, {"benign": "x", "grant_present": False}, Verdict.SKIP, False),
        ("not_visible", YOUNG, {"benign": "x", "grant_present": False}, Verdict.WAIT, False),
        ("unreadable", {}, {"unreadable": "x", "evaluation": NOTHING}, Verdict.WAIT, True),
        ("uncertain", {}, {"evaluation": CONDITIONAL}, Verdict.ALERT_ONLY, True),
        ("uncertain", {}, {"evaluation": UNREADABLE}, Verdict.ALERT_ONLY, True),
        ("already_removed", {}, {"grant_present": False}, Verdict.SKIP, True),
        ("scope", {}, {"principal": user("alice")}, Verdict.ALERT_ONLY, True),
        ("scope", {}, {"principal": user("IAM-TEST-user")}, Verdict.ALERT_ONLY, True),
        ("scope", {}, {"principal": user("x", path="/iam-test-/")}, Verdict.ALERT_ONLY, True),
        ("scope", {}, {"principal": user(path="/iam-test-/")}, Verdict.ALERT_ONLY, True),
        (
            "exception",
            {},
            {"principal": user(tags={"SecurityApproved": "true"})},
            Verdict.SKIP,
            True,
        ),
        ("never_touch", {}, {"role_arns": ("arn:x", OWN_ROLE)}, Verdict.ALERT_ONLY, True),
        ("never_touch", {}, {"role_arns": (AWS_ROLE,)}, Verdict.ALERT_ONLY, True),
        ("not_of_event", CREATING, {"created": LONG_BEFORE}, Verdict.ALERT_ONLY, True),
        ("not_of_event", UPLOADING, {"created": LONG_BEFORE}, Verdict.ALERT_ONLY, True),
        ("not_of_event", CREATING, {"created": LONG_AFTER}, Verdict.ALERT_ONLY, True),
        ("approved", CREATING, {"created": NOW}, Verdict.REMEDIATE, True),
        ("approved", CREATING, {"created": JUST_BEFORE}, Verdict.REMEDIATE, True),
        ("approved", {}, {"created": LONG_BEFORE}, Verdict.REMEDIATE, True),
        ("undone", {}, {"undo": Undo(MALLORY, NOW)}, Verdict.ALERT_ONLY, True),
        ("age", {"time": NOW - timedelta(hours=25)}, {}, Verdict.ALERT_ONLY, True),
        ("age", {"time": NOW + timedelta(minutes=6)}, {}, Verdict.ALERT_ONLY, True),
    ],
)
def test_a_guard_on_live_facts_decides(
    guard: str, event: dict[str, Any], facts: dict[str, Any], verdict: Verdict, notify: bool
) -> None:
    ruling = evaluate(replace(EVENT, **event), FINDING, POLICY, replace(FACTS, **facts))
    assert (ruling.reasons[0].guard, ruling.verdict, ruling.notify) == (guard, verdict, notify)


BREAK_GLASS = f"arn:aws:iam::{ACCOUNT}:user/iam-test-rescue"


@pytest.mark.parametrize(
    ("principal", "whose"),
    [
        (role(path="/aws-reserved/sso.amazonaws.com/"), "an AWS-owned role at path /aws-reserved/"),
        (role(path="/aws-service-role/x.amazonaws.com/"), "an AWS-owned role at path /aws-service"),
        (role(arn=OWN_ROLE), "the worker role"),
        (user(arn=BREAK_GLASS), "a break-glass user"),
        (user(arn=f"{BREAK_GLASS}-2"), None),
        (role(arn=f"{OWN_ROLE}-2"), None),
        (role(path="/"), None),
    ],
)
def test_a_protected_principal_is_left_alone(principal: Principal, whose: str | None) -> None:
    """The reason says why the principal is protected, and similar names are not protected."""
    policy = replace(POLICY, break_glass=(BREAK_GLASS,))
    ruling = evaluate(EVENT, FINDING, policy, replace(FACTS, principal=principal))
    if whose is None:
        assert ruling.verdict is Verdict.REMEDIATE
    else:
        assert (ruling.reasons[0].guard, ruling.verdict) == ("never_touch", Verdict.ALERT_ONLY)
        assert ruling.reasons[0].text.startswith(f"Protected: the target is {whose}")
        assert ruling.notify


def test_break_glass_takes_globs() -> None:
    policy = replace(POLICY, break_glass=("arn:aws:iam::*:user/nobody", "*:user/iam-test-res*"))
    ruling = evaluate(EVENT, FINDING, policy, replace(FACTS, principal=user(arn=BREAK_GLASS)))
    assert ruling.reasons[0].text == "Protected: the target is a break-glass user"


def test_an_unreadable_state_is_never_approved() -> None:
    facts = replace(FACTS, unreadable="iam:GetUser failed: Throttling")
    ruling = evaluate(EVENT, FINDING, POLICY, facts)
    assert ruling.verdict is Verdict.WAIT
    assert "UNVERIFIED" in ruling.reasons[0].text


@pytest.mark.parametrize(
    ("tag_key", "verdict"),
    [
        ("SecurityApproved", Verdict.REMEDIATE),
        ("team", Verdict.SKIP),
    ],
)
def test_the_exception_tag_protects_the_rest(tag_key: str, verdict: Verdict) -> None:
    """The exception tag protects everything but itself."""
    tagged = user(tags={"SecurityApproved": "true"})
    facts = replace(FACTS, principal=tagged, params={"tag_key": tag_key})
    assert evaluate(EVENT, FINDING, POLICY, facts).verdict is verdict


def test_an_exception_has_the_promised_reason() -> None:
    facts = replace(FACTS, principal=user(tags={"SecurityApproved": "true"}))
    reason = evaluate(EVENT, FINDING, POLICY, facts).reasons[0].text
    assert reason == "User has approved exception tag: SecurityApproved=true"


@pytest.mark.parametrize(
    "tags",
    [
        {"securityapproved": "true"},
        {"SecurityApproved": "True"},
        {"SecurityApproved": "true "},
        {"SecurityApproved": ""},
        {"Security": "Approved=true"},
    ],
)
def test_the_exception_tag_must_match_exactly(tags: dict[str, str]) -> None:
    ruling = evaluate(EVENT, FINDING, POLICY, replace(FACTS, principal=user(tags=tags)))
    assert ruling.verdict is Verdict.REMEDIATE


def test_the_first_denial_decides() -> None:
    """Each denial is a reason, and the first one decides."""
    principal = user("alice", tags={"SecurityApproved": "true"})
    policy = replace(POLICY, mode=Mode.OBSERVE)
    ruling = evaluate(EVENT, FINDING, policy, replace(FACTS, principal=principal))
    assert [r.guard for r in ruling.reasons] == ["scope", "exception", "mode"]
    assert ruling.verdict is Verdict.ALERT_ONLY


def test_a_certain_admin_policy_is_approved() -> None:
    """The summary of the evaluation becomes evidence."""
    certain = replace(FACTS, evaluation=Evaluation(Privilege.ADMIN, "allows every action"))
    ruling = evaluate(EVENT, FINDING, POLICY, certain)
    assert ruling.verdict is Verdict.REMEDIATE
    assert ruling.finding.evidence == {"policy_arn": ADMIN, "summary": "allows every action"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("iam-test-x", "Approved for remediation"),
        ("innocent", "Policy is out of scope: its name does not match iam-test-*"),
        ("iam-test-/x", "Policy is out of scope: its path is /iam-test-/, only / is in scope"),
    ],
)
def test_a_resolved_policy_must_be_in_scope_too(name: str, reason: str) -> None:
    evidence = {"policy_arn": f"arn:aws:iam::{ACCOUNT}:policy/{name}"}
    finding = replace(FINDING, evidence=evidence, resolve="policy_arn")
    assert evaluate(EVENT, finding, POLICY, FACTS).reasons[0].text == reason


def test_the_scope_of_the_target_is_named_first() -> None:
    """The scopes of the rule and of the policy come after it."""
    evidence = {"policy_arn": f"arn:aws:iam::{ACCOUNT}:policy/innocent"}
    finding = replace(FINDING, evidence=evidence, resolve="policy_arn", scope="nobody")
    facts = replace(FACTS, principal=user("alice"))
    named = evaluate(EVENT, finding, POLICY, facts).reasons[0].text
    assert named == "User is out of scope: its name does not match iam-test-*"
    named = evaluate(EVENT, finding, POLICY, FACTS).reasons[0].text
    assert named == "User is out of scope: its name does not match nobody, the scope of the rule"


def test_a_rule_without_remediation_only_alerts() -> None:
    finding = replace(FINDING, remediation=None, subject=Subject(SubjectKind.ROLE, "iam-test-user"))
    ruling = evaluate(EVENT, finding, POLICY, replace(FACTS, principal=role()))
    assert ruling.verdict is Verdict.ALERT_ONLY
    assert [r.guard for r in ruling.reasons] == ["alert_rule"]


@pytest.mark.parametrize(
    ("service", "rule", "effective"),
    [
        (Mode.ENFORCE, None, Mode.ENFORCE),
        (Mode.ENFORCE, Mode.DRY_RUN, Mode.DRY_RUN),
        (Mode.DRY_RUN, Mode.ENFORCE, Mode.DRY_RUN),
        (Mode.OBSERVE, Mode.ENFORCE, Mode.OBSERVE),
        (Mode.ENFORCE, Mode.OBSERVE, Mode.OBSERVE),
    ],
)
def test_a_rule_can_only_limit_the_mode(service: Mode, rule: Mode | None, effective: Mode) -> None:
    """A rule can limit the mode but not extend it."""
    policy = replace(POLICY, mode=service)
    ruling = evaluate(EVENT, replace(FINDING, mode=rule), policy, FACTS)
    assert ruling.mode is effective
    assert (ruling.verdict is Verdict.REMEDIATE) == (effective is not Mode.OBSERVE)


def undone(minutes: float, by: str = MALLORY) -> Undo:
    """So long after the event."""
    return Undo(by, EVENT.time + timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("undos", "covered"),
    [
        ({"undo": undone(0, "arn:bob")}, True),
        ({"undo": undone(-0.1, "arn:bob")}, False),
        ({"undo": undone(-0.1)}, False),
        ({"undo_by_caller": undone(0)}, True),
        ({"undo_by_caller": undone(5)}, True),
        ({"undo_by_caller": undone(5.1)}, False),
        ({"undo_by_caller": undone(-60)}, True),
        ({"undo_by_caller": undone(-60.1)}, False),
    ],
)
def test_an_undo_covers_events_before_it(undos: dict[str, Any], covered: bool) -> None:
    """It also covers what its caller did on the same target within the hour."""
    ruling = evaluate(EVENT, FINDING, POLICY, replace(FACTS, **undos))
    assert (ruling.reasons[0].guard == "undone") is covered


def test_a_user_created_in_the_same_second_counts() -> None:
    """CloudTrail's times have no fraction of a second."""
    created = EVENT.time + timedelta(milliseconds=900)
    facts = replace(FACTS, principal=user(created=created))
    assert evaluate(EVENT, FINDING, POLICY, facts).verdict is Verdict.REMEDIATE


TRAIL_ARN = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/audit"


def test_a_policy_path_may_contain_policy() -> None:
    """A policy path may contain the word "policy"."""
    name = f"arn:aws:iam::{ACCOUNT}:policy/x:policy/iam-test-p"
    finding = replace(FINDING, subject=Subject(SubjectKind.POLICY, name))
    ruling = evaluate(EVENT, finding, POLICY, Facts(now=NOW, grant_present=True))
    assert ruling.reasons[0].guard == "scope"


def test_account_settings_need_the_account_scope() -> None:
    finding = replace(FINDING, subject=Subject(SubjectKind.ACCOUNT, ACCOUNT))
    facts = Facts(now=NOW, grant_present=True)
    for scope, inside in (("", False), ("*", True), (ACCOUNT, True), ("444455556666", False)):
        ruling = evaluate(EVENT, finding, replace(POLICY, account_scope=scope), facts)
        assert (ruling.reasons[0].guard != "scope") is inside


@pytest.mark.parametrize(
    ("scope", "name", "inside"),
    [
        ("", "audit", False),
        ("", TRAIL_ARN, False),
        ("audit", "audit", True),
        ("audit", TRAIL_ARN, True),
        ("aud*", "arn:aws:lambda:us-east-1:1:function:audit", True),
        ("idp.org/*", f"arn:aws:iam::{ACCOUNT}:oidc-provider/idp.org/id/1", True),
        ("trail*", TRAIL_ARN, False),
        ("other", TRAIL_ARN, False),
        (TRAIL_ARN, TRAIL_ARN, True),
        ("arn:*:trail/*", TRAIL_ARN, True),
        ("arn:*", "audit", False),
        ("arn:*:trail/other", TRAIL_ARN, False),
        ("*", "arn:aws:odd", True),
        ("odd", "arn:aws:odd", False),
    ],
)
def test_the_scope_is_a_name_or_an_arn(scope: str, name: str, inside: bool) -> None:
    """The resource scope is a name or a whole ARN."""
    finding = replace(FINDING, subject=Subject(SubjectKind.RESOURCE, name))
    facts = Facts(now=NOW, grant_present=True)
    ruling = evaluate(EVENT, finding, replace(POLICY, resource_scope=scope), facts)
    assert (ruling.verdict is Verdict.REMEDIATE) is inside
    assert inside or [reason.guard for reason in ruling.reasons] == ["scope"]
