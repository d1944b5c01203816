"""A message that needs several attempts: what each leaves stored, and what the next makes of it."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from countermand.core.errors import Denied, Transient
from countermand.core.model import Mode, Record, StepStatus, Undo, Verdict
from countermand.core.rules.rule import RuleSet, compile_rule
from countermand.core.rules.schema import RuleFile
from countermand.pipeline.facts import grant_key
from countermand.pipeline.recheck import Recheck
from countermand.ports import Conflict, EventLease
from support.fakes import ACCOUNT, ADMIN, NOW, user
from support.stage import LEASE, RULES, Stage, attack

POWER_USER = "arn:aws:iam::aws:policy/PowerUserAccess"
DEAD = Transient("sns:Publish failed: InternalError")


class Killed(BaseException):
    """A worker that dies here: nothing after it happens."""


@pytest.fixture
def enforcing(stage: Stage) -> Stage:
    stage.mode = Mode.ENFORCE
    return stage


def killed(stage: Stage, body: str, where: Callable[..., object], *, after: bool = False) -> None:
    """The worker dies in a call of a port, before it has an effect or after."""
    port, name = where.__self__, where.__name__  # type: ignore[attr-defined]

    def die(*arguments: object, **named: object) -> None:
        if after:
            where(*arguments, **named)
        raise Killed

    setattr(port, name, die)
    with pytest.raises(Killed):
        stage.pipeline().handle(body)
    setattr(port, name, where)
    stage.clock.advance(LEASE.total_seconds() + 1)


def written_but_not_alerted(stage: Stage) -> str:
    """The body of an event whose remediation is done, and whose channel was dead."""
    body = attack()
    stage.notifier.fail["send"] = [DEAD]
    with pytest.raises(Transient, match="sns"):
        stage.pipeline().handle(body)
    return body


def statuses(record: Record) -> list[str]:
    return [str(outcome.status) for outcome in record.outcomes]


# --- what is stored


def test_an_attempt_survives_a_wait(enforcing: Stage) -> None:
    """An attempt that may have written survives a wait."""
    body = attack()
    killed(enforcing, body, enforcing.identities.call, after=True)
    enforcing.identities.fail["read"] = [Denied("iam:GetUser: AccessDenied")]
    with pytest.raises(Transient, match="UNVERIFIED"):
        enforcing.pipeline().handle(body)
    assert statuses(enforcing.record()) == ["started"]
    enforcing.pipeline().handle(body)
    (outcome,) = enforcing.record().outcomes
    assert outcome.status is StepStatus.APPLIED
    assert outcome.inverse is not None
    subjects = [alert.subject for alert in enforcing.notifier.alerts]
    assert ["UNVERIFIED" in subject for subject in subjects] == [True, False]


def test_a_silent_wait_is_stored_too(enforcing: Stage) -> None:
    enforcing.users(user(policy_arns=frozenset()))
    with pytest.raises(Transient, match="not visible"):
        enforcing.pipeline().handle(attack(eventTime=f"{NOW:%Y-%m-%dT%H:%M:%SZ}"))
    assert enforcing.record().decision.verdict is Verdict.WAIT


def test_an_outcome_is_stored_before_the_alert(enforcing: Stage) -> None:
    killed(enforcing, attack(), enforcing.notifier.send)
    assert statuses(enforcing.record()) == ["applied"]


def test_alerts_are_stored_first(enforcing: Stage) -> None:
    """Alerts are stored before the event is done."""
    body = attack()
    killed(enforcing, body, enforcing.ledger.finish)
    notified_at = enforcing.record().timings.notified_at
    enforcing.pipeline().handle(body)
    assert len(enforcing.notifier.alerts) == 1
    assert enforcing.record().timings.notified_at == notified_at is not None


# --- what the next attempt makes of it


def test_a_known_end_is_not_called_a_guess(enforcing: Stage) -> None:
    body = written_but_not_alerted(enforcing)
    (before,) = enforcing.record().outcomes
    enforcing.pipeline().handle(body)
    assert enforcing.record().outcomes == (before,)


def test_an_earlier_write_can_be_undone(enforcing: Stage) -> None:
    """A write can be undone after a later verdict."""
    body = written_but_not_alerted(enforcing)
    first = enforcing.record()
    enforcing.users(user(tags={"SecurityApproved": "true"}))
    enforcing.clock.advance(60)
    enforcing.pipeline().handle(body)
    record = enforcing.record()
    assert record.decision.verdict is Verdict.SKIP
    assert record.outcomes == first.outcomes
    assert record.timings.received_at == first.timings.received_at
    assert record.timings.decided_at == NOW + timedelta(seconds=60)


def test_an_earlier_write_outlives_a_refusal(enforcing: Stage) -> None:
    """A write can be undone after a refused one."""
    body = written_but_not_alerted(enforcing)
    enforcing.users(user())
    enforcing.identities.fail["iam:DetachUserPolicy"] = [Denied("AccessDenied")]
    with pytest.raises(Transient):
        enforcing.pipeline().handle(body)
    record = enforcing.record()
    assert statuses(record) == ["applied", "failed"]
    assert record.outcomes[0].inverse is not None
    assert record.outcome == "failed"


def test_a_write_can_be_undone_after_enforce(enforcing: Stage) -> None:
    """A write can be undone after enforce ended."""
    body = written_but_not_alerted(enforcing)
    enforcing.users(user())
    enforcing.mode = Mode.DRY_RUN
    enforcing.pipeline().handle(body)
    assert statuses(enforcing.record()) == ["applied", "simulated"]


def test_the_same_failure_alerts_once(enforcing: Stage) -> None:
    body = attack()
    enforcing.identities.fail["iam:DetachUserPolicy"] = [Denied("AccessDenied")] * 2
    notified_at = []
    for _ in range(2):
        with pytest.raises(Transient, match="detach_user_policy"):
            enforcing.pipeline().handle(body)
        notified_at.append(enforcing.record().timings.notified_at)
        enforcing.clock.advance(60)
    assert len(enforcing.notifier.alerts) == 1
    assert notified_at[0] == notified_at[1] is not None


def test_an_unreadable_state_backs_off(enforcing: Stage) -> None:
    """An unreadable state uses the worker's backoff."""
    enforcing.identities.fail["read"] = [Denied("iam:GetUser: AccessDenied")]
    with pytest.raises(Transient) as raised:
        enforcing.pipeline().handle(attack())
    assert raised.value.retry_in is None


# --- several steps


def two_rules() -> RuleSet:
    """Two rules on one event, each with a grant of its own: `otherArn` and `policyArn`."""
    template = next(rule for rule in RULES.rules if rule.id == "admin_policy_attached_to_user")
    fields = template.file.model_dump(mode="json")
    when = json.loads(json.dumps(fields["when"]))
    when["detail"]["requestParameters"] = {"otherArn": [POWER_USER]}
    evidence = {"policy_arn": "detail.requestParameters.otherArn"}
    changed = {"id": "other", "when": when, "evidence": evidence, "check": None}
    other = RuleFile.model_validate(fields | changed)
    return RuleSet([compile_rule(other), template])


def test_each_step_is_evaluated_again_on_its_own(enforcing: Stage) -> None:
    enforcing.users(user(policy_arns=frozenset({ADMIN, POWER_USER})))
    request = {"userName": "iam-test-user", "policyArn": ADMIN, "otherArn": POWER_USER}
    pipeline = replace(enforcing.pipeline(), rules=two_rules)
    pipeline.handle(attack(requestParameters=request))
    assert statuses(enforcing.record()) == ["applied", "applied"]
    assert not enforcing.identities.attached("iam-test-user", POWER_USER)
    assert not enforcing.identities.attached("iam-test-user", ADMIN)


# --- forged copies


def test_a_forged_copy_alerts_before_iam_shows_it(enforcing: Stage) -> None:
    now = f"{NOW:%Y-%m-%dT%H:%M:%SZ}"
    enforcing.users(user(policy_arns=frozenset()))
    with pytest.raises(Transient, match="not visible"):
        enforcing.pipeline().handle(attack(eventID="one", eventTime=now))
    assert enforcing.notifier.alerts == []
    with pytest.raises(Transient, match="not visible"):
        enforcing.pipeline().handle(attack(eventID="one", eventTime=now, userAgent="other"))
    (alert,) = enforcing.notifier.alerts
    assert "one of them is forged" in alert.text


def test_a_conflict_without_end_is_not_followed(enforcing: Stage) -> None:
    def always(_key: str, _digest: str, _seconds: float) -> EventLease | Conflict:
        return Conflict()

    enforcing.ledger.acquire = always  # type: ignore[method-assign,assignment]
    with pytest.raises(Transient, match="in conflict itself"):
        enforcing.pipeline().handle(attack())
    assert enforcing.identities.writes == []


# --- rechecks


def test_an_older_undo_approves_no_new_change(enforcing: Stage) -> None:
    """An older undo does not approve a reapplied change."""
    enforcing.pipeline().handle(attack())
    record = enforcing.record()
    (ruling,) = record.decision.rulings
    assert ruling.principal is not None
    grant = grant_key(ACCOUNT, ruling.principal.unique_id, ruling.finding)
    undo = Undo("arn:alice", record.decision.event.time - timedelta(hours=2))
    enforcing.ledger.mark_undone(record.decision.id, undo, [grant])
    enforcing.users(user())
    enforcing.clock.advance(5)
    recheck = enforcing.rechecks.next(0.001)
    assert recheck is not None
    enforcing.pipeline().recheck(recheck)
    assert not enforcing.identities.attached("iam-test-user")


def test_an_unreadable_recheck_is_retried(enforcing: Stage) -> None:
    """An unreadable recheck is tried for 5 minutes."""
    enforcing.pipeline().handle(attack())
    enforcing.clock.advance(5)
    recheck = enforcing.rechecks.next(0.001)
    enforcing.rechecks.abandon()
    enforcing.identities.fail["read"] = [Transient("throttled")] * 20
    began, tried = enforcing.clock.monotonic(), []
    while recheck is not None:
        tried.append(enforcing.clock.monotonic() - began)
        enforcing.pipeline().recheck(recheck)
        recheck = next_when_due(enforcing)
    assert tried == [0, 5, 20, 80, 320]


def next_when_due(stage: Stage) -> Recheck | None:
    """Move the clock, second by second, to the next recheck."""
    for _ in range(600):
        recheck = stage.rechecks.next(0.0001)
        if recheck is not None:
            return recheck
        stage.clock.advance(1)
    return None


# --- what is counted


def counted(stage: Stage, name: str) -> float:
    return stage.metrics.registry.get_sample_value(f"countermand_{name}") or 0.0


def test_every_message_is_counted_and_timed(enforcing: Stage) -> None:
    body = attack()
    enforcing.pipeline().handle(body)
    enforcing.pipeline().handle(body)
    enforcing.pipeline().handle(body.replace("AttachUserPolicy", "ListUsers"))
    enforcing.mode = Mode.DRY_RUN
    enforcing.users(user())
    enforcing.pipeline().handle(attack(eventID="another"))
    assert counted(enforcing, "events_ignored_total") == 1
    assert counted(enforcing, "events_duplicate_total") == 1
    assert counted(enforcing, "event_to_receipt_seconds_count") == 4
    assert counted(enforcing, "receipt_to_decision_seconds_count") == 2
    assert counted(enforcing, "event_to_remediation_seconds_count") == 1
    assert counted(enforcing, "event_to_remediation_seconds_sum") == 30
