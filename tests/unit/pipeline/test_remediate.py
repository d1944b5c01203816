"""Steps: the truth table of `act.py`, row by row."""

from dataclasses import replace
from datetime import timedelta

import pytest

from countermand.actions import ALL, OWN_CALLS
from countermand.core.errors import Denied, LostLease, Permanent, Transient
from countermand.core.model import (
    Call,
    Mode,
    Step,
    StepStatus,
    Subject,
    SubjectKind,
)
from countermand.metrics import Metrics
from countermand.pipeline.remediate import Remediator
from countermand.ports import Action, Plan
from support.fakes import ADMIN, NOW, FakeIdentities, FrozenClock, user
from support.findings import a_finding

CALL = Call("detach_user_policy", {"user_name": "iam-test-user", "policy_arn": ADMIN})


def step(mode: Mode = Mode.ENFORCE) -> Step:
    return Step(CALL, "admin_policy_attached_to_user", mode)


class Scene:
    def __init__(self, *, granted: bool = True) -> None:
        policies = frozenset({ADMIN, "arn:other"} if granted else {"arn:other"})
        self.identities = FakeIdentities(user(policy_arns=policies))
        self.metrics = Metrics()
        self.remediator = Remediator(ALL, self.identities, FrozenClock(), self.metrics)

    def counted(self, status: str) -> float:
        labels = {"action": "detach_user_policy", "status": status}
        value = self.metrics.registry.get_sample_value("countermand_remediations_total", labels)
        return value or 0.0


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.DRY_RUN])
def test_whatever_is_not_enforce_calls_nothing(mode: Mode) -> None:
    scene = Scene()
    outcome = scene.remediator.run(step(mode))
    assert (outcome.status, outcome.inverse) == (StepStatus.SIMULATED, None)
    assert scene.identities.calls == []


def test_enforce_writes_and_verifies() -> None:
    """Enforce writes, verifies and keeps the inverse."""
    scene = Scene()
    outcome = scene.remediator.run(step())
    assert outcome.status is StepStatus.APPLIED
    assert outcome.inverse == Call("undo_detach_user_policy", CALL.params)
    assert outcome.at == NOW
    assert [name for name, _ in scene.identities.calls] == [
        "iam:DetachUserPolicy",
        "iam:ListAttachedUserPolicies",
    ]


def test_a_change_that_was_gone_has_no_inverse() -> None:
    scene = Scene(granted=False)
    outcome = scene.remediator.run(step())
    assert (outcome.status, outcome.inverse) == (StepStatus.UNCHANGED, None)


def test_only_the_policy_of_the_step_is_removed() -> None:
    """The step leaves every other policy in place."""
    scene = Scene()
    scene.remediator.run(step())
    assert scene.identities.attached("iam-test-user", "arn:other")
    assert not scene.identities.attached("iam-test-user", ADMIN)


def test_a_write_is_verified_at_once() -> None:
    """A write is verified as soon as IAM shows it."""
    scene = Scene()
    scene.identities.stale_reads = 2
    outcome = scene.remediator.run(step())
    assert outcome.status is StepStatus.APPLIED
    assert outcome.at == NOW + timedelta(seconds=3)


def test_a_write_that_never_shows_is_a_failure() -> None:
    """A write that IAM never shows is a failure that can be undone."""
    scene = Scene()
    scene.identities.sticky = True
    outcome = scene.remediator.run(step())
    assert outcome.status is StepStatus.FAILED
    assert outcome.inverse is not None
    assert not outcome.final
    assert len(scene.identities.called("iam:ListAttachedUserPolicies")) == 4


def test_a_started_step_has_its_inverse() -> None:
    scene = Scene()
    outcome = scene.remediator.started(step())
    assert (outcome.status, outcome.final) == (StepStatus.STARTED, False)
    assert outcome.inverse == Call("undo_detach_user_policy", CALL.params)
    assert scene.identities.calls == []


@pytest.mark.parametrize(
    ("error", "may_have_written"),
    [
        (Denied("refused"), False),
        (Permanent("refused"), False),
        (Transient("refused"), True),
        (ZeroDivisionError("refused"), True),
    ],
)
def test_a_failed_call_may_have_an_inverse(error: Exception, may_have_written: bool) -> None:
    """A failed call has an inverse if it may have written."""
    scene = Scene()
    scene.identities.fail["iam:DetachUserPolicy"] = [error]
    outcome = scene.remediator.run(step())
    assert outcome.status is StepStatus.FAILED
    assert ("refused" in outcome.detail) != isinstance(error, ZeroDivisionError)
    assert (outcome.inverse is not None) == may_have_written


@pytest.mark.parametrize("error", [Denied("refused"), Permanent("refused"), Transient("refused")])
def test_a_proof_that_cannot_be_read_is_a_failure(error: Exception) -> None:
    scene = Scene()
    scene.identities.fail["iam:ListAttachedUserPolicies"] = [error]
    assert scene.remediator.run(step()).status is StepStatus.FAILED


def test_a_lost_lease_stops_everything() -> None:
    scene = Scene()
    scene.identities.fail["iam:DetachUserPolicy"] = [LostLease()]
    with pytest.raises(LostLease):
        scene.remediator.run(step())


def test_every_outcome_is_counted() -> None:
    scene = Scene()
    scene.remediator.run(step(Mode.DRY_RUN))
    scene.remediator.run(step())
    scene.remediator.run(step())
    scene.remediator.confirm(step())
    for status, number in (("simulated", 1), ("applied", 2), ("unchanged", 1), ("failed", 0)):
        assert scene.counted(status) == number


def test_an_interrupted_attempt_is_confirmed() -> None:
    """An interrupted attempt is confirmed without a read."""
    scene = Scene(granted=False)
    outcome = scene.remediator.confirm(step())
    assert outcome.status is StepStatus.APPLIED
    assert outcome.inverse == Call("undo_detach_user_policy", CALL.params)
    assert scene.identities.calls == []


def test_the_inverse_puts_back_what_the_step_took() -> None:
    scene = Scene()
    before = dict(scene.identities.principals)
    inverse = scene.remediator.run(step()).inverse
    assert inverse is not None
    scene.remediator.undo(inverse)
    assert scene.identities.principals == before


def test_an_undo_that_iam_refuses_raises() -> None:
    scene = Scene()
    scene.identities.fail["iam:AttachUserPolicy"] = [Denied("iam:AttachUserPolicy failed")]
    with pytest.raises(Denied):
        scene.remediator.undo(Call("undo_detach_user_policy", CALL.params))


# --- every action

SERVICES = {
    *("cloudtrail", "ec2", "eks", "events", "iam", "identitystore", "lambda", "rolesanywhere"),
    "sso",
}


@pytest.mark.parametrize("name", ALL)
def test_an_action_is_found_by_its_name(name: str) -> None:
    action: Action = ALL[name]
    assert action.info.name == name
    assert action.info.description.endswith(".")
    for permission in (*action.info.reads, *action.info.writes, *action.info.undo_calls):
        assert permission.partition(":")[0] in SERVICES
        assert "*" not in permission


def test_the_permissions_of_the_worker_are_known() -> None:
    """The actions that write permissions are these, and no others."""
    could_grant = (
        "iam:Attach",
        "iam:Put",
        "iam:Create",
        "iam:UpdateAssume",
        "iam:UpdateLoginProfile",
        "iam:UpdateOpenIDConnectProvider",
        "iam:UpdateSAMLProvider",
    )
    needed = {
        name: {p for p in action.info.writes if p.startswith(could_grant)}
        for name, action in ALL.items()
    }
    assert {name: granting for name, granting in needed.items() if granting} == {
        "deny_role_by_boundary": {"iam:PutRolePermissionsBoundary"},
        "deny_user_by_boundary": {"iam:PutUserPermissionsBoundary"},
        "deny_without_mfa": {"iam:PutUserPolicy"},
        "reattach_role_deny_policy": {"iam:AttachRolePolicy"},
        "reattach_user_deny_policy": {"iam:AttachUserPolicy"},
        "restore_group_inline_policy": {"iam:PutGroupPolicy"},
        "restore_oidc_thumbprints": {"iam:UpdateOpenIDConnectProviderThumbprint"},
        "restore_role_inline_policy": {"iam:PutRolePolicy"},
        "restore_role_permissions_boundary": {"iam:PutRolePermissionsBoundary"},
        "restore_role_trust_policy": {"iam:UpdateAssumeRolePolicy"},
        "restore_saml_metadata": {"iam:UpdateSAMLProvider"},
        "restore_user_inline_policy": {"iam:PutUserPolicy"},
        "restore_user_permissions_boundary": {"iam:PutUserPermissionsBoundary"},
        "revoke_role_sessions": {"iam:PutRolePolicy"},
        "revoke_user_sessions": {"iam:PutUserPolicy"},
        "scramble_login_profile": {"iam:UpdateLoginProfile"},
    }


@pytest.mark.parametrize(
    "name",
    ["deny_without_mfa", "revoke_role_sessions", "revoke_user_sessions", "scramble_login_profile"],
)
def test_an_action_can_be_too_broad(name: str) -> None:
    """An action says that its call is too broad."""
    assert "The call could grant" in ALL[name].info.description


def test_a_grant_to_the_worker_role_alerts() -> None:
    assert "iam:DetachUserPolicy" in OWN_CALLS
    assert not OWN_CALLS & {
        "iam:PutGroupPolicy",
        "iam:PutRolePolicy",
        "iam:PutUserPolicy",
        "iam:UpdateAccessKey",
        "iam:UpdateAssumeRolePolicy",
    }


def test_writes_only_restrict_or_restore() -> None:
    """Writes to other services only restrict or restore."""
    takes = ("Delete", "Detach", "Disable", "Disassociate", "Remove")
    needed = {
        p
        for action in ALL.values()
        for p in action.info.writes
        if not p.startswith("iam:") and not p.partition(":")[2].startswith(takes)
    }
    assert needed == {
        "cloudtrail:PutEventSelectors",
        "cloudtrail:StartLogging",
        "cloudtrail:UpdateTrail",
        "events:EnableRule",
        "lambda:PutFunctionConcurrency",
        "sso:ProvisionPermissionSet",
    }


def test_a_trail_narrowed_by_the_worker_alerts() -> None:
    """A trail that the worker role narrowed alerts."""
    assert "cloudtrail:StartLogging" in OWN_CALLS
    assert "cloudtrail:PutEventSelectors" not in OWN_CALLS


@pytest.mark.parametrize("kind", [SubjectKind.USER, SubjectKind.ROLE, SubjectKind.GROUP])
def test_the_parameters_of_a_step(kind: SubjectKind) -> None:
    """The parameters are the target and what the rule saw."""
    identities, action = FakeIdentities(), ALL[f"detach_{kind}_policy"]
    evidence = {"policy_arn": ADMIN}
    subject = Subject(kind, "iam-test-x")
    finding = a_finding(subject=subject, evidence=evidence, remediation=action.info.name)
    granted = user("iam-test-x", kind=kind)
    wanted = {f"{kind}_name": "iam-test-x", "policy_arn": ADMIN}
    assert action.plan(identities, finding, granted) == Plan(wanted)
    assert action.plan(identities, finding, replace(granted, policy_arns=frozenset())) is None
    assert identities.calls == []
