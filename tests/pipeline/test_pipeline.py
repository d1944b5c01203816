"""One message through the real pipeline: what is done, sent and stored."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from countermand.core.errors import Denied, LostLease, Malformed, Transient
from countermand.core.model import (
    Alert,
    Mode,
    Principal,
    Record,
    Severity,
    Subject,
    Undo,
    Verdict,
)
from countermand.core.parse import parse
from countermand.core.rules.rule import RuleSet
from countermand.pipeline.facts import grant_key
from countermand.pipeline.notify import AlertDispatcher
from countermand.pipeline.pipeline import Result
from countermand.pipeline.recheck import Recheck
from countermand.ports import Busy, EventLease
from support.fakes import ACCOUNT, ADMIN, NOW, FakeNotifier, user
from support.stage import LEASE, Stage, attack


def test_a_dry_run_alerts_and_writes_nothing(stage: Stage) -> None:
    result = stage.pipeline().handle(attack())
    record = stage.record()
    assert result is Result.DECIDED
    assert record.decision.approved_for_remediation
    assert record.decision.reason == "Approved for remediation"
    assert record.outcome == "simulated"
    assert stage.identities.writes == []
    assert len(stage.notifier.alerts) == 1
    assert stage.notifier.alerts[0].document["dry_run"] is True


def test_a_dry_run_makes_all_calls_but_the_write(stage: Stage) -> None:
    stage.pipeline().handle(attack(eventID="1"))
    rehearsed = [name for name, _ in stage.identities.calls]
    stage.identities.calls.clear()
    stage.mode = Mode.ENFORCE
    stage.pipeline().handle(attack(eventID="2"))
    enforced = [name for name, _ in stage.identities.calls]
    assert enforced[: len(rehearsed)] == rehearsed
    assert enforced[len(rehearsed)] == "iam:DetachUserPolicy"


def test_enforce_reverts_and_verifies(stage: Stage) -> None:
    """Enforce reverts, verifies and stores the inverse."""
    stage.mode = Mode.ENFORCE
    stage.pipeline().handle(attack())
    (outcome,) = stage.record().outcomes
    assert not stage.identities.attached("iam-test-user")
    assert outcome.status == "applied"
    assert outcome.inverse is not None
    assert outcome.inverse.params == {"user_name": "iam-test-user", "policy_arn": ADMIN}
    assert [recheck.after_seconds for recheck in stage.rechecks.abandon()] == [5, 15]


def test_an_unverified_detach_is_retried(
    stage: Stage,
) -> None:
    """An unverified detach alerts and is retried."""
    stage.mode = Mode.ENFORCE
    stage.identities.sticky = True
    with pytest.raises(Transient, match="detach_user_policy"):
        stage.pipeline().handle(attack())
    assert stage.record().outcome == "failed"
    assert "REMEDIATION FAILED" in stage.notifier.alerts[0].subject


def test_an_alert_only_finding_is_never_reapplied(
    stage: Stage,
) -> None:
    stage.mode = Mode.ENFORCE
    by_root = {"type": "Root", "arn": f"arn:aws:iam::{ACCOUNT}:root", "accountId": ACCOUNT}
    stage.pipeline().handle(attack(userIdentity=by_root, readOnly=False))
    assert {r.finding.rule_id for r in stage.record().decision.rulings} == {
        "admin_policy_attached_to_user",
        "root_acted",
    }
    assert not stage.identities.attached("iam-test-user")
    sent = len(stage.notifier.alerts)
    stage.pipeline().recheck(next_recheck(stage))
    assert len(stage.notifier.alerts) == sent


def test_observe_only_alerts(stage: Stage) -> None:
    stage.mode = Mode.OBSERVE
    stage.pipeline().handle(attack())
    assert stage.record().decision.verdict is Verdict.ALERT_ONLY
    assert stage.identities.writes == []
    assert len(stage.notifier.alerts) == 1


def test_an_exception_alerts_and_is_not_reverted(stage: Stage) -> None:
    stage.mode = Mode.ENFORCE
    stage.users(user(tags={"SecurityApproved": "true"}))
    stage.pipeline().handle(attack())
    assert (
        stage.record().decision.reason == "User has approved exception tag: SecurityApproved=true"
    )
    assert stage.identities.writes == []
    assert stage.notifier.alerts[0].document["approved_for_remediation"] is False


def test_a_failed_call_is_only_recorded(stage: Stage) -> None:
    stage.pipeline().handle(attack(errorCode="AccessDenied", requestParameters=None))
    assert stage.record().decision.verdict is Verdict.SKIP
    assert stage.identities.calls == []
    assert stage.notifier.alerts == []


def test_an_event_of_another_account_is_not_read(stage: Stage) -> None:
    stage.mode = Mode.ENFORCE
    stage.pipeline().handle(attack(recipientAccountId="999999999999"))
    assert stage.record().decision.verdict is Verdict.ALERT_ONLY
    assert stage.identities.calls == []
    assert len(stage.notifier.alerts) == 1


def test_an_unmatched_event_leaves_no_record(stage: Stage) -> None:
    policy = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    request = {"userName": "iam-test-user", "policyArn": policy}
    assert stage.pipeline().handle(attack(requestParameters=request)) is Result.IGNORED
    assert stage.records() == ()


@pytest.mark.parametrize("request_parameters", [{}, {"userName": 7, "policyArn": ADMIN}])
def test_a_call_without_target_is_malformed(stage: Stage, request_parameters: object) -> None:
    """A successful call without a target is malformed."""
    stage.mode = Mode.ENFORCE
    with pytest.raises(Malformed):
        stage.pipeline().handle(attack(requestParameters=request_parameters))
    assert stage.identities.calls == []


OMITTED = {"omitted": True, "reason": "requestParameters too large", "originalSize": 120000}


@pytest.mark.parametrize("request_parameters", [None, OMITTED, OMITTED | {"omitted": "true"}])
def test_omitted_parameters_alert(stage: Stage, request_parameters: object) -> None:
    stage.pipeline().handle(attack(requestParameters=request_parameters))
    assert stage.record().decision.verdict is Verdict.ALERT_ONLY
    assert "does not identify its target" in stage.notifier.alerts[0].text


def test_the_same_event_twice_is_handled_once(
    stage: Stage,
) -> None:
    stage.mode = Mode.ENFORCE
    body = attack()
    results = [stage.pipeline().handle(body) for _ in range(3)]
    assert results == [Result.DECIDED, Result.DUPLICATE, Result.DUPLICATE]
    assert stage.identities.writes == ["iam:DetachUserPolicy"]
    assert len(stage.notifier.alerts) == 1
    assert len(stage.records()) == 1


def test_a_new_envelope_makes_no_new_event(stage: Stage) -> None:
    document = json.loads(attack())
    stage.pipeline().handle(json.dumps(document))
    again = json.dumps(document | {"id": "another", "replay-name": "archive"})
    assert stage.pipeline("worker-2").handle(again) is Result.DUPLICATE


def test_another_payload_under_one_id(
    stage: Stage,
) -> None:
    """The reader learns that one of the two payloads is forged."""
    stage.mode = Mode.ENFORCE
    stage.users(user(), user("iam-test-other"))
    stage.pipeline().handle(attack(eventID="1"))
    request = {"userName": "iam-test-other", "policyArn": ADMIN}
    stage.pipeline().handle(attack(eventID="1", requestParameters=request))
    assert not stage.identities.attached("iam-test-other")
    assert "forged" in stage.notifier.alerts[1].text
    assert len({r.decision.id for r in stage.records()}) == 2


def test_a_leased_event_returns(stage: Stage) -> None:
    """A leased event returns when the lease ends."""
    body = attack()
    pipeline = stage.pipeline("worker-2")
    stage.identities.fail["read"] = [LostLease()]
    with pytest.raises(LostLease):
        stage.pipeline().handle(body)
    with pytest.raises(Transient) as busy:
        pipeline.handle(body)
    assert busy.value.retry_in is not None
    # A second later than the lease ends: earlier would only meet it again.
    assert busy.value.retry_in == LEASE.total_seconds() + 1


# --- live state that cannot be read


def test_an_unreadable_state_writes_nothing(stage: Stage) -> None:
    """An unreadable state alerts and writes nothing."""
    stage.mode = Mode.ENFORCE
    stage.identities.fail["read"] = [Denied("iam:GetUser failed: AccessDenied")]
    with pytest.raises(Transient):
        stage.pipeline().handle(attack())
    assert stage.identities.writes == []
    assert "UNVERIFIED" in stage.notifier.alerts[0].subject
    assert stage.record().decision.verdict is Verdict.WAIT


def test_unverified_alerts_once(
    stage: Stage,
) -> None:
    """Unverified alerts once before the decision."""
    stage.mode = Mode.ENFORCE
    stage.identities.fail["read"] = [Transient("throttled")] * 3
    body = attack()
    for _ in range(3):
        with pytest.raises(Transient):
            stage.pipeline().handle(body)
    assert len(stage.notifier.alerts) == 1
    stage.pipeline().handle(body)
    assert [a.document["outcome"] for a in stage.notifier.alerts] == ["none", "applied"]
    assert stage.record().outcome == "applied"


def test_a_change_not_visible_yet_waits_silently(stage: Stage) -> None:
    stage.mode = Mode.ENFORCE
    stage.users(user(policy_arns=frozenset()))
    body = attack(eventTime=f"{NOW - timedelta(seconds=2):%Y-%m-%dT%H:%M:%SZ}")
    with pytest.raises(Transient) as wait:
        stage.pipeline().handle(body)
    assert wait.value.retry_in == 3  # five seconds after the event
    stage.clock.advance(3)
    with pytest.raises(Transient) as wait:
        stage.pipeline().handle(body)
    assert wait.value.retry_in == 10  # when it must be visible
    assert stage.notifier.alerts == []
    stage.users(user())
    stage.clock.advance(5)
    stage.pipeline().handle(body)
    assert stage.record().outcome == "applied"


def test_a_manual_removal_is_already_removed(stage: Stage) -> None:
    stage.mode = Mode.ENFORCE
    stage.users(user(policy_arns=frozenset()))
    stage.pipeline().handle(attack())
    assert stage.identities.writes == []
    assert "Already removed" in stage.notifier.alerts[0].text


# --- what happens between the decision and the write


def after_the_first_read(stage: Stage, change: Callable[[], None]) -> None:
    read = stage.identities.read
    reads = []

    def read_then_change(subject: Subject) -> Principal | None:
        found = read(subject)
        reads.append(found)
        if len(reads) == 1:
            change()
        return found

    stage.identities.read = read_then_change  # type: ignore[method-assign]


@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.DRY_RUN])
def test_an_earlier_removal_stops_the_write(stage: Stage, mode: Mode) -> None:
    """A removal before the write stops the write."""
    stage.mode = mode
    body = attack()
    after_the_first_read(stage, lambda: stage.users(user(policy_arns=frozenset())))
    with pytest.raises(Transient, match="re-evaluated: Already removed"):
        stage.pipeline().handle(body)
    stage.pipeline().handle(body)
    record = stage.record()
    assert (record.decision.verdict, record.outcomes) == (Verdict.SKIP, ())
    assert stage.identities.writes == []


def test_one_stale_read_does_not_close_the_case(stage: Stage) -> None:
    stage.mode = Mode.ENFORCE
    read, reads = stage.identities.read, [user(), user(policy_arns=frozenset())]

    def stale(subject: Subject) -> Principal | None:
        read(subject)
        return reads.pop(0)

    body = attack()
    stage.identities.read = stale  # type: ignore[method-assign]
    with pytest.raises(Transient, match="re-evaluated"):
        stage.pipeline().handle(body)
    stage.identities.read = read  # type: ignore[method-assign]
    stage.pipeline().handle(body)
    assert not stage.identities.attached("iam-test-user")
    assert stage.record().outcome == "applied"
    assert len(stage.rechecks.abandon()) == 2


@pytest.mark.parametrize(
    "now",
    [
        user(tags={"SecurityApproved": "true"}),
        user(path="/iam-test-/"),
        user(tags={"SecurityApproved": "true"}, policy_arns=frozenset()),
        user(created=NOW),
    ],
    ids=["exception", "moved", "exception-and-removed", "another-user-of-the-name"],
)
def test_a_late_exception_stops_the_write(stage: Stage, now: Principal) -> None:
    stage.mode = Mode.ENFORCE
    body = attack()
    after_the_first_read(stage, lambda: stage.users(now))
    with pytest.raises(Transient, match="re-evaluated") as anew:
        stage.pipeline().handle(body)
    assert anew.value.retry_in == 1
    stage.pipeline().handle(body)
    assert stage.identities.writes == []
    assert not stage.record().decision.approved_for_remediation
    assert len(stage.notifier.alerts) == 1


def test_an_unreadable_target_is_not_written_to(stage: Stage) -> None:
    """The worker does not write to a target that it cannot read again."""
    stage.mode = Mode.ENFORCE
    after_the_first_read(stage, lambda: stage.identities.fail["read"].append(Denied("refused")))
    with pytest.raises(Transient, match="UNVERIFIED"):
        stage.pipeline().handle(attack())
    assert stage.identities.writes == []


def test_a_former_owner_stops_before_its_write(
    stage: Stage,
) -> None:
    stage.mode = Mode.ENFORCE
    body = attack()
    other = stage.open_ledger("worker-2")

    def take_the_event() -> None:
        stage.clock.advance(LEASE.total_seconds() + 1)
        key = f"{ACCOUNT}/{json.loads(body)['detail']['eventID']}"
        assert isinstance(other.acquire(key, digest_of(body), 75), EventLease)

    pipeline = stage.pipeline()
    decided = pipeline.ledger.save

    def save_then_lose(lease: EventLease, record: Record) -> None:
        decided(lease, record)
        if not record.outcomes:
            take_the_event()

    ledger = stage.ledger
    ledger.save = save_then_lose  # type: ignore[method-assign]
    with pytest.raises(LostLease):
        pipeline.handle(body)
    assert stage.identities.writes == []


# --- one half fails, the other does not wait


def test_a_dead_channel_does_not_delay_the_detach(stage: Stage) -> None:
    stage.mode = Mode.ENFORCE
    stage.notifier.fail["send"] = [Transient("sns:Publish failed: InternalError")]
    body = attack()
    with pytest.raises(Transient, match="sns"):
        stage.pipeline().handle(body)
    assert not stage.identities.attached("iam-test-user")
    assert stage.pipeline().handle(body) is Result.DECIDED
    assert stage.identities.writes == ["iam:DetachUserPolicy"]
    assert [a.document["outcome"] for a in stage.notifier.alerts] == ["applied"]


def test_a_failed_detach_alerts(stage: Stage) -> None:
    """A failed detach alerts, and so does its success."""
    stage.mode = Mode.ENFORCE
    stage.identities.fail["iam:DetachUserPolicy"] = [Denied("iam:DetachUserPolicy: AccessDenied")]
    body = attack()
    with pytest.raises(Transient):
        stage.pipeline().handle(body)
    stage.pipeline().handle(body)
    assert [a.document["outcome"] for a in stage.notifier.alerts] == ["failed", "applied"]


# --- workers that die


class Killed(BaseException):
    """A worker that dies here: nothing after it happens."""


def take_over(stage: Stage, body: str) -> Result:
    """What the next worker does once the dead one's lease has ended."""
    stage.clock.advance(LEASE.total_seconds() + 1)
    return stage.pipeline("worker-2").handle(body)


def test_a_kill_before_the_detach_is_resumed(stage: Stage) -> None:
    """An event whose worker was killed before the detach is evaluated again."""
    stage.mode = Mode.ENFORCE
    body = attack()
    stage.identities.fail["iam:DetachUserPolicy"] = [Killed()]  # type: ignore[list-item]
    with pytest.raises(Killed):
        stage.pipeline().handle(body)
    stage.users(user(tags={"SecurityApproved": "true"}))
    assert stage.record().outcome == "started"
    assert take_over(stage, body) is Result.DECIDED
    assert stage.identities.attached("iam-test-user")
    assert stage.record().decision.verdict is Verdict.SKIP


def test_killed_after_the_detach_it_is_confirmed(
    stage: Stage,
) -> None:
    stage.mode = Mode.ENFORCE
    body = attack()
    # The read that should prove the detach never returns.
    pipeline = stage.pipeline()
    call = stage.identities.call

    def die_after_detach(operation: str, **request: str) -> None:
        call(operation, **request)
        raise Killed

    stage.identities.call = die_after_detach  # type: ignore[method-assign]
    with pytest.raises(Killed):
        pipeline.handle(body)
    stage.identities.call = call  # type: ignore[method-assign]
    assert take_over(stage, body) is Result.DECIDED
    record = stage.record()
    assert stage.identities.writes == ["iam:DetachUserPolicy"]
    assert record.decision.approved_for_remediation
    assert record.outcome == "applied"
    assert record.outcomes[0].inverse is not None
    assert len(stage.notifier.alerts) == 1


def test_a_kill_after_the_alert_repeats_it(stage: Stage) -> None:
    """An alert whose worker was killed after it is sent once more."""
    stage.mode = Mode.ENFORCE
    body = attack()
    send = stage.notifier.send

    def die_after_send(alert: Alert) -> str:
        send(alert)
        raise Killed

    stage.notifier.send = die_after_send  # type: ignore[method-assign]
    with pytest.raises(Killed):
        stage.pipeline().handle(body)
    stage.notifier.send = send  # type: ignore[method-assign]
    take_over(stage, body)
    assert stage.identities.writes == ["iam:DetachUserPolicy"]
    first, second = stage.notifier.alerts
    assert first.document["decision_id"] == second.document["decision_id"]


def test_a_worker_without_lease_stops_at_once(stage: Stage) -> None:
    stage.mode = Mode.ENFORCE
    body = attack()
    other = stage.open_ledger("worker-2")
    read = stage.identities.read

    def read_slowly(subject: Subject) -> Principal | None:
        stage.clock.advance(LEASE.total_seconds() + 1)
        key = f"{ACCOUNT}/{json.loads(body)['detail']['eventID']}"
        assert not isinstance(other.acquire(key, digest_of(body), 75), Busy)
        return read(subject)

    stage.identities.read = read_slowly  # type: ignore[method-assign]
    with pytest.raises(LostLease):
        stage.pipeline().handle(body)
    assert stage.identities.writes == []
    assert stage.notifier.alerts == []


def digest_of(body: str) -> str:
    detail = json.dumps(json.loads(body)["detail"], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(detail.encode()).hexdigest()


# --- rechecks


def next_recheck(stage: Stage) -> Recheck:
    """Five seconds later."""
    stage.clock.advance(5)
    recheck = stage.rechecks.next(0.001)
    assert recheck is not None
    return recheck


def test_a_reapplied_change_is_reverted_again(stage: Stage) -> None:
    stage.mode = Mode.ENFORCE
    stage.pipeline().handle(attack())
    stage.users(user())
    stage.pipeline().recheck(next_recheck(stage))
    assert stage.identities.writes == ["iam:DetachUserPolicy"] * 2
    assert "The change was back 5 s after its remediation" in stage.notifier.alerts[1].text


def test_a_change_that_stays_away_is_left_alone(stage: Stage) -> None:
    stage.mode = Mode.ENFORCE
    stage.pipeline().handle(attack())
    stage.pipeline().recheck(next_recheck(stage))
    assert len(stage.records()) == 1


def test_a_denied_write_schedules_no_recheck(stage: Stage) -> None:
    """Nothing was written, so nothing can come back, and no second alert says that it did."""
    stage.mode = Mode.ENFORCE
    stage.identities.fail["iam:DetachUserPolicy"] = [Denied("iam:DetachUserPolicy: AccessDenied")]
    with pytest.raises(Transient):
        stage.pipeline().handle(attack())
    assert stage.rechecks.abandon() == []
    assert len(stage.notifier.alerts) == 1


def test_a_change_that_keeps_coming_back_ends(stage: Stage) -> None:
    """Each revert schedules two rechecks; without a limit, their number would double each time."""
    stage.mode = Mode.ENFORCE
    stage.pipeline().handle(attack())
    runs = 0
    stage.clock.sleep(20)
    while (recheck := stage.rechecks.next(0.001)) is not None:
        stage.users(user())  # somebody attached the policy again
        stage.pipeline().recheck(recheck)
        runs += 1
        stage.clock.sleep(20)
    assert runs <= 30


def test_a_dry_run_schedules_no_recheck(stage: Stage) -> None:
    stage.pipeline().handle(attack())
    assert stage.rechecks.abandon() == []


def test_a_dead_channel_does_not_stop_rechecks(stage: Stage) -> None:
    stage.mode = Mode.ENFORCE
    stage.notifier.fail["send"] = [Transient("sns:Publish failed: InternalError")]
    with pytest.raises(Transient):
        stage.pipeline().handle(attack())
    stage.users(user())
    stage.pipeline().recheck(next_recheck(stage))
    assert not stage.identities.attached("iam-test-user")


def test_a_returned_message_is_remediated_again(stage: Stage) -> None:
    stage.mode = Mode.ENFORCE
    stage.notifier.fail["send"] = [Transient("sns:Publish failed: InternalError")]
    body = attack()
    with pytest.raises(Transient):
        stage.pipeline().handle(body)
    stage.users(user())
    assert stage.pipeline().handle(body) is Result.DECIDED
    assert stage.identities.writes == ["iam:DetachUserPolicy"] * 2
    assert [o.status for o in stage.record().outcomes] == ["applied"]


def test_the_second_recheck_is_its_own_event(stage: Stage) -> None:
    """The second recheck is an event of its own."""
    stage.mode = Mode.ENFORCE
    stage.pipeline().handle(attack())
    for _ in range(2):
        stage.users(user())
        stage.pipeline().recheck(next_recheck(stage))
        assert not stage.identities.attached("iam-test-user")
    assert len(stage.records()) == 3


def test_an_unreadable_recheck_is_retried(stage: Stage) -> None:
    stage.mode = Mode.ENFORCE
    stage.pipeline().handle(attack())
    stage.users(user())
    recheck = next_recheck(stage)
    stage.rechecks.abandon()
    stage.identities.fail["read"] = [Transient("throttled")]
    stage.pipeline().recheck(recheck)
    assert stage.identities.attached("iam-test-user")
    stage.pipeline().recheck(next_recheck(stage))
    assert not stage.identities.attached("iam-test-user")


def test_an_unreadable_recheck_ends_in_an_alert(stage: Stage) -> None:
    """A recheck that never reads ends with an alert."""
    stage.mode = Mode.ENFORCE
    stage.pipeline().handle(attack())
    recheck: Recheck | None = next_recheck(stage)
    stage.rechecks.abandon()
    stage.identities.fail["read"] = [Transient("throttled")] * 20
    while recheck is not None:
        stage.pipeline().recheck(recheck)
        stage.clock.advance(300)
        recheck = stage.rechecks.next(0.001)
    assert "UNVERIFIED" in stage.notifier.alerts[-1].subject
    assert len(stage.notifier.alerts) == 2


def test_a_recheck_whose_alert_fails_continues(stage: Stage) -> None:
    stage.mode = Mode.ENFORCE
    stage.pipeline().handle(attack())
    stage.users(user())
    recheck = next_recheck(stage)
    stage.rechecks.abandon()
    stage.notifier.fail["send"] = [Transient("sns:Publish failed: InternalError")]
    stage.pipeline().recheck(recheck)
    assert len(stage.notifier.alerts) == 1
    later = next(again for again in stage.rechecks.abandon() if again.attempt > 1)
    stage.pipeline().recheck(later)
    assert len(stage.notifier.alerts) == 2
    assert stage.identities.writes == ["iam:DetachUserPolicy"] * 2


def test_an_undone_remediation_is_not_repeated(stage: Stage) -> None:
    stage.mode = Mode.ENFORCE
    stage.pipeline().handle(attack())
    record = stage.record()
    (ruling,) = record.decision.rulings
    assert ruling.principal is not None
    grant = grant_key(ACCOUNT, ruling.principal.unique_id, ruling.finding)
    stage.ledger.mark_undone(record.decision.id, Undo("arn:alice", stage.clock.now()), [grant])
    stage.users(user())
    stage.pipeline().recheck(next_recheck(stage))
    assert stage.identities.attached("iam-test-user")
    assert len(stage.notifier.alerts) == 1


# --- what only an attacker would send


def test_a_very_large_integer_is_accepted(stage: Stage) -> None:
    """An integer of more than 64 bits is as good as any."""
    body = attack().replace('"requestParameters":{', '"requestParameters":{"n":' + "9" * 20 + ",")
    assert stage.pipeline().handle(body) is Result.DECIDED


def test_a_denied_copy_of_an_event_alerts(stage: Stage) -> None:
    stage.pipeline().handle(attack(eventID="1"))
    stage.pipeline().handle(attack(eventID="1", errorCode="AccessDenied"))
    assert len(stage.notifier.alerts) == 2
    assert "forged" in stage.notifier.alerts[1].text


def test_parameters_marked_as_omitted_name_nobody(stage: Stage) -> None:
    stage.mode = Mode.ENFORCE
    request = {"omitted": True, "userName": "iam-test-user", "policyArn": ADMIN}
    stage.pipeline().handle(attack(requestParameters=request))
    assert stage.record().decision.verdict is Verdict.ALERT_ONLY
    assert stage.identities.calls == []


def test_an_event_from_the_future_alerts_at_once(stage: Stage) -> None:
    stage.mode = Mode.ENFORCE
    stage.users(user(policy_arns=frozenset()))
    ahead = NOW + timedelta(hours=1)
    stage.pipeline().handle(attack(eventTime=f"{ahead:%Y-%m-%dT%H:%M:%SZ}"))
    assert stage.record().decision.verdict is not Verdict.WAIT
    assert len(stage.notifier.alerts) == 1


def test_an_event_slightly_ahead_waits_no_longer(
    stage: Stage,
) -> None:
    stage.users(user(policy_arns=frozenset()))
    ahead = NOW + timedelta(minutes=4)
    with pytest.raises(Transient) as wait:
        stage.pipeline().handle(attack(eventTime=f"{ahead:%Y-%m-%dT%H:%M:%SZ}"))
    assert wait.value.retry_in == 15


def by_our_role(**changes: object) -> str:
    arn = f"arn:aws:iam::{ACCOUNT}:role/countermand"
    return attack(
        userIdentity={
            "type": "AssumedRole",
            "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/countermand/worker",
            "accountId": ACCOUNT,
            "sessionContext": {"sessionIssuer": {"arn": arn}},
        },
        **changes,
    )


def test_a_foreign_call_of_the_worker_role_alerts(stage: Stage) -> None:
    stage.mode = Mode.ENFORCE
    stage.pipeline().handle(by_our_role())
    assert stage.record().decision.verdict is Verdict.SKIP
    assert "credentials may be compromised" in stage.notifier.alerts[0].text
    assert stage.identities.calls == []


def test_a_bug_in_a_notifier_silences_no_other(stage: Stage) -> None:
    other = FakeNotifier("mail")
    pipeline = stage.pipeline()
    dispatcher = AlertDispatcher([stage.notifier, other], "http://api", stage.metrics)
    stage.notifier.fail["send"] = [ZeroDivisionError()]
    with pytest.raises(Transient, match="sns"):
        replace(pipeline, dispatcher=dispatcher).handle(attack())
    assert len(other.alerts) == 1


# --- rules that break


def test_a_broken_check_alerts(stage: Stage) -> None:
    """A rule whose check breaks alerts and is counted."""
    pipeline = stage.pipeline()

    def broken(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    rules = RuleSet(replace(rule, check=broken) for rule in pipeline.rules().rules)
    replace(pipeline, rules=lambda: rules).handle(attack())
    record = stage.record()
    assert record.decision.verdict is Verdict.ALERT_ONLY
    assert "ZeroDivisionError" in record.decision.reason
    assert record.decision.leading.finding.severity is Severity.CRITICAL
    name, labels = "countermand_rule_failures_total", {"rule_id": "admin_policy_attached_to_user"}
    assert stage.metrics.registry.get_sample_value(name, labels) == 1


def test_leases_are_renewed_during_steps(stage: Stage) -> None:
    """Leases are renewed while their steps run."""
    pipeline = stage.pipeline()
    event = parse(attack())
    lease = pipeline.leases.take(event)
    assert isinstance(lease, EventLease)
    with pipeline.leases.held(lease):
        stage.clock.advance(50)
        pipeline.leases.renew_all()
        stage.clock.advance(50)
        assert isinstance(stage.pipeline("worker-2").leases.take(event), Busy)
