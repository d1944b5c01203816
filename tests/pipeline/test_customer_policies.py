"""A customer-managed policy that is attached: what its document gives decides, read live."""

from collections.abc import Mapping
from typing import Any

import pytest

from countermand.core.errors import Denied, Transient
from countermand.core.model import Mode, Verdict
from countermand.pipeline.pipeline import Result
from support.fakes import ACCOUNT, user
from support.stage import Stage, attack

ARN = f"arn:aws:iam::{ACCOUNT}:policy/iam-test-innocent"
ALLOW_ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def policy(**changes: object) -> Mapping[str, object]:
    return {"Version": "2012-10-17", "Statement": [ALLOW_ALL | changes]}


def attached(arn: str = ARN, **changes: Any) -> str:
    return attack(requestParameters={"userName": "iam-test-user", "policyArn": arn}, **changes)


@pytest.fixture
def enforcing(stage: Stage) -> Stage:
    stage.mode = Mode.ENFORCE
    stage.users(user(policy_arns=frozenset({ARN})))
    stage.identities.documents[ARN] = [policy()]
    return stage


def test_a_plainly_named_admin_policy(enforcing: Stage) -> None:
    """The worker reverts an admin policy with a plain name."""
    assert enforcing.pipeline().handle(attached()) is Result.DECIDED
    decision = enforcing.record().decision
    assert decision.leading.finding.rule_id == "customer_policy_attached_to_user"
    assert "allows every action on *" in decision.leading.finding.evidence["summary"]
    assert "allows every action on *" in enforcing.notifier.alerts[0].text
    assert enforcing.identities.writes == ["iam:DetachUserPolicy"]
    assert not enforcing.identities.attached("iam-test-user", ARN)


def test_a_benign_policy_is_only_recorded(enforcing: Stage) -> None:
    enforcing.identities.documents[ARN] = [policy(Action="s3:GetObject")]
    enforcing.pipeline().handle(attached())
    decision = enforcing.record().decision
    assert (decision.verdict, decision.leading.reasons[0].guard) == (Verdict.SKIP, "benign")
    assert enforcing.notifier.alerts == []
    assert enforcing.identities.writes == []


def test_a_boundary_makes_a_policy_benign(
    enforcing: Stage,
) -> None:
    """A policy held back by a boundary is benign."""
    limits = f"arn:aws:iam::{ACCOUNT}:policy/limits"
    enforcing.identities.documents[limits] = [policy(Action="s3:*")]
    enforcing.users(user(policy_arns=frozenset({ARN}), boundary_arn=limits))
    enforcing.pipeline().handle(attached())
    assert enforcing.record().decision.leading.reasons[0].guard == "benign"
    assert enforcing.identities.writes == []


def test_a_policy_under_a_condition_only_alerts(enforcing: Stage) -> None:
    enforcing.identities.documents[ARN] = [policy(Condition={"Bool": {"a": "b"}})]
    enforcing.pipeline().handle(attached())
    decision = enforcing.record().decision
    assert decision.verdict is Verdict.ALERT_ONLY
    assert "under a condition" in decision.reason
    assert len(enforcing.notifier.alerts) == 1
    assert enforcing.identities.writes == []


def test_permissions_on_oneself_escalate(
    enforcing: Stage,
) -> None:
    """Only permissions on oneself are an escalation."""
    for name, guard in (("iam-test-user", "approved"), ("somebody-else", "benign")):
        aim = f"arn:aws:iam::{ACCOUNT}:user/{name}"
        document = policy(Action="iam:PutUserPolicy", Resource=aim)
        enforcing.identities.documents[ARN] = [document]
        enforcing.users(user(policy_arns=frozenset({ARN})))
        enforcing.pipeline().handle(attached(eventID=name))
        decisions = (record.decision for record in enforcing.records())
        guards = {each.event.event_id: each.leading.reasons[0].guard for each in decisions}
        assert guards[name] == guard


def test_a_self_editable_policy_is_an_escalation(enforcing: Stage) -> None:
    """A policy that its holder may rewrite is an escalation."""
    document = policy(Action="iam:CreatePolicyVersion", Resource=ARN)
    enforcing.identities.documents[ARN] = [document]
    enforcing.pipeline().handle(attached())
    assert enforcing.record().decision.approved_for_remediation


@pytest.mark.parametrize("call", ["iam:GetPolicy", "iam:GetPolicyVersion"])
@pytest.mark.parametrize("error", [Transient("throttled"), Denied("not allowed"), KeyError("x")])
def test_an_unreadable_document_is_unverified(
    enforcing: Stage, call: str, error: Exception
) -> None:
    enforcing.identities.fail[call] = [error]
    with pytest.raises(Transient):
        enforcing.pipeline().handle(attached())
    assert enforcing.record().decision.unverified
    assert "UNVERIFIED" in enforcing.notifier.alerts[0].text
    assert enforcing.identities.writes == []
    enforcing.pipeline().handle(attached())
    assert enforcing.identities.writes == ["iam:DetachUserPolicy"]


def test_a_policy_that_is_not_visible_yet_waits(enforcing: Stage) -> None:
    del enforcing.identities.documents[ARN]
    young = f"{enforcing.clock.now():%Y-%m-%dT%H:%M:%SZ}"
    with pytest.raises(Transient, match="not visible in IAM yet"):
        enforcing.pipeline().handle(attached(eventTime=young))
    assert enforcing.notifier.alerts == []


def test_a_deleted_policy_is_already_removed(enforcing: Stage) -> None:
    del enforcing.identities.documents[ARN]
    enforcing.pipeline().handle(attached())
    assert enforcing.record().decision.leading.reasons[0].guard == "already_removed"


def test_events_that_cost_no_read(enforcing: Stage) -> None:
    """A failed call and another account cost no read."""
    enforcing.pipeline().handle(attached(errorCode="AccessDenied"))
    enforcing.pipeline().handle(attached(eventID="2", recipientAccountId="999999999999"))
    assert enforcing.identities.calls == []


def test_a_policy_out_of_scope_only_alerts(enforcing: Stage) -> None:
    other = f"arn:aws:iam::{ACCOUNT}:policy/innocent"
    enforcing.users(user(policy_arns=frozenset({other})))
    enforcing.identities.documents[other] = [policy()]
    enforcing.pipeline().handle(attached(other))
    assert "Policy is out of scope" in enforcing.record().decision.reason
    assert enforcing.identities.writes == []


def test_a_fixed_document_is_kept(
    enforcing: Stage,
) -> None:
    """A document fixed before the write is kept."""
    call = enforcing.identities.call

    def call_then_change(operation: str, **request: Any) -> Any:
        answer = call(operation, **request)
        if operation == "iam:GetPolicyVersion":
            enforcing.identities.documents[ARN] = [policy(Action="s3:GetObject")]
        return answer

    enforcing.identities.call = call_then_change  # type: ignore[method-assign]
    with pytest.raises(Transient, match="re-evaluated"):
        enforcing.pipeline().handle(attached())
    assert enforcing.identities.writes == []


def test_a_recheck_finds_a_reattached_policy(enforcing: Stage) -> None:
    pipeline = enforcing.pipeline()
    pipeline.handle(attached())
    enforcing.users(user(policy_arns=frozenset({ARN})))
    enforcing.clock.advance(5)
    recheck = enforcing.rechecks.next(0.001)
    assert recheck is not None
    pipeline.recheck(recheck)
    assert enforcing.identities.writes == ["iam:DetachUserPolicy"] * 2
    enforcing.rechecks.abandon()


AMPLIFY = "arn:aws:iam::aws:policy/AdministratorAccess-Amplify"


def test_a_managed_admin_policy_is_not_read(
    enforcing: Stage,
) -> None:
    """An AWS-managed admin policy is reverted without a read."""
    enforcing.users(user(policy_arns=frozenset({AMPLIFY})))
    enforcing.pipeline().handle(attached(AMPLIFY))
    decision = enforcing.record().decision
    assert decision.leading.finding.rule_id == "escalation_policy_attached_to_user"
    assert enforcing.identities.writes == ["iam:DetachUserPolicy"]
    assert "iam:GetPolicy" not in str(enforcing.identities.calls)


@pytest.mark.parametrize("name", ["ReadOnlyAccess", "AWSLambda_FullAccess", "job-function/Billing"])
def test_another_aws_managed_policy_is_ignored(enforcing: Stage, name: str) -> None:
    enforcing.pipeline().handle(attached(f"arn:aws:iam::aws:policy/{name}"))
    assert enforcing.notifier.alerts == []
    assert enforcing.identities.calls == []


def test_wildcards_that_cost_too_much_only_alert(
    enforcing: Stage,
) -> None:
    patterns = [f"*{number}?*a?*r?*n?*!?*" for number in range(200)]
    hostile = {"Effect": "Allow", "Action": "*", "Resource": patterns}
    document = {"Version": "2012-10-17", "Statement": [hostile, ALLOW_ALL]}
    enforcing.identities.documents[ARN] = [document]
    enforcing.pipeline().handle(attached())
    assert enforcing.record().decision.verdict is Verdict.ALERT_ONLY
    assert "takes too long to" in enforcing.record().decision.reason
    assert len(enforcing.notifier.alerts) == 1
    assert enforcing.identities.writes == []
