"""One message through the real pipeline: what is done, told and stored."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from countermand.core.errors import Denied, LostClaim, Malformed, Transient
from countermand.core.model import Alert, Mode, Principal, Severity, Subject, Undo, Verdict
from countermand.facts import grant_key
from countermand.pipeline import Result
from countermand.ports import Busy, Claim
from fakes import ACCOUNT, ADMIN, NOW, user
from stage import LEASE, Stage, attack


def test_a_dry_run_decides_rehearses_tells_and_writes_nothing(stage: Stage) -> None:
    handled = stage.pipeline().handle(attack())
    record = stage.record()
    assert handled.result is Result.DECIDED
    assert record.decision.approved_for_remediation
    assert record.decision.reason == "Approved for remediation"
    assert record.outcome == "rehearsed"
    assert stage.identities.writes == []
    assert len(stage.notifier.alerts) == 1
    assert stage.notifier.alerts[0].document["dry_run"] is True


def test_a_dry_run_makes_the_same_calls_as_enforce_up_to_the_write(stage: Stage) -> None:
    stage.pipeline().handle(attack(eventID="1"))
    rehearsed = [name for name, _ in stage.identities.calls]
    stage.identities.calls.clear()
    stage.mode = Mode.ENFORCE
    stage.pipeline().handle(attack(eventID="2"))
    enforced = [name for name, _ in stage.identities.calls]
    assert enforced[: len(rehearsed)] == rehearsed
    assert enforced[len(rehearsed)] == "detach_user_policy"


def test_enforce_takes_the_grant_back_proves_it_and_stores_the_inverse(stage: Stage) -> None:
    stage.mode = Mode.ENFORCE
    handled = stage.pipeline().handle(attack())
    (outcome,) = stage.record().outcomes
    assert not stage.identities.attached("iam-test-user")
    assert outcome.status == "applied"
    assert outcome.inverse is not None
    assert outcome.inverse.params == {"user_name": "iam-test-user", "policy_arn": ADMIN}
    assert handled.recheck is not None


def test_a_detach_that_iam_does_not_show_is_a_failure_that_is_told_and_retried(
    stage: Stage,
) -> None:
    stage.mode = Mode.ENFORCE
    stage.identities.sticky = True
    with pytest.raises(Transient, match="detach_user_policy"):
        stage.pipeline().handle(attack())
    assert stage.record().outcome == "failed"
    assert "REMEDIATION FAILED" in stage.notifier.alerts[0].subject


def test_observe_only_alerts(stage: Stage) -> None:
    stage.mode = Mode.OBSERVE
    stage.pipeline().handle(attack())
    assert stage.record().decision.verdict is Verdict.ALERT_ONLY
    assert stage.identities.writes == []
    assert len(stage.notifier.alerts) == 1


def test_an_exception_is_told_and_not_taken_back(stage: Stage) -> None:
    stage.mode = Mode.ENFORCE
    stage.users(user(tags={"SecurityApproved": "true"}))
    stage.pipeline().handle(attack())
    assert (
        stage.record().decision.reason == "User has approved exception tag: SecurityApproved=true"
    )
    assert stage.identities.writes == []
    assert stage.notifier.alerts[0].document["approved_for_remediation"] is False


def test_a_failed_call_is_recorded_and_neither_read_told_nor_acted_on(stage: Stage) -> None:
    stage.pipeline().handle(attack(errorCode="AccessDenied", requestParameters=None))
    assert stage.record().decision.verdict is Verdict.SKIP
    assert stage.identities.calls == []
    assert stage.notifier.alerts == []


def test_an_event_of_another_account_is_told_and_its_users_are_not_even_read(stage: Stage) -> None:
    stage.mode = Mode.ENFORCE
    stage.pipeline().handle(attack(recipientAccountId="999999999999"))
    assert stage.record().decision.verdict is Verdict.ALERT_ONLY
    assert stage.identities.calls == []
    assert len(stage.notifier.alerts) == 1


def test_an_event_that_no_rule_wants_is_ignored_and_leaves_no_record(stage: Stage) -> None:
    policy = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    request = {"userName": "iam-test-user", "policyArn": policy}
    assert stage.pipeline().handle(attack(requestParameters=request)).result is Result.IGNORED
    assert stage.records() == ()


@pytest.mark.parametrize("request_parameters", [None, {}, {"userName": 7, "policyArn": ADMIN}])
def test_a_successful_call_without_target_is_malformed(
    stage: Stage, request_parameters: object
) -> None:
    stage.mode = Mode.ENFORCE
    with pytest.raises(Malformed):
        stage.pipeline().handle(attack(requestParameters=request_parameters))
    assert stage.identities.calls == []


def test_parameters_that_cloudtrail_left_out_are_told_to_a_human(stage: Stage) -> None:
    omitted = {"omitted": True, "reason": "requestParameters too large", "originalSize": 120000}
    stage.pipeline().handle(attack(requestParameters=omitted))
    assert stage.record().decision.verdict is Verdict.ALERT_ONLY
    assert "hides its target" in stage.notifier.alerts[0].text


def test_the_same_event_twice_gives_one_decision_one_remediation_and_one_alert(
    stage: Stage,
) -> None:
    stage.mode = Mode.ENFORCE
    body = attack()
    results = [stage.pipeline().handle(body).result for _ in range(3)]
    assert results == [Result.DECIDED, Result.DUPLICATE, Result.DUPLICATE]
    assert stage.identities.writes == ["detach_user_policy"]
    assert len(stage.notifier.alerts) == 1
    assert len(stage.records()) == 1


def test_another_envelope_around_the_same_event_is_the_same_event(stage: Stage) -> None:
    document = json.loads(attack())
    stage.pipeline().handle(json.dumps(document))
    again = json.dumps(document | {"id": "another", "replay-name": "archive"})
    assert stage.pipeline("worker-2").handle(again).result is Result.DUPLICATE


def test_the_same_event_id_with_another_payload_is_judged_too_and_called_forged(
    stage: Stage,
) -> None:
    stage.mode = Mode.ENFORCE
    stage.users(user(), user("iam-test-other"))
    stage.pipeline().handle(attack(eventID="1"))
    request = {"userName": "iam-test-other", "policyArn": ADMIN}
    stage.pipeline().handle(attack(eventID="1", requestParameters=request))
    assert not stage.identities.attached("iam-test-other")
    assert "forged" in stage.notifier.alerts[1].text
    assert len({r.decision.id for r in stage.records()}) == 2


def test_an_event_in_another_workers_hands_comes_back_when_the_lease_ends(stage: Stage) -> None:
    body = attack()
    pipeline = stage.pipeline("worker-2")
    stage.identities.fail["read"] = [LostClaim()]
    with pytest.raises(LostClaim):
        stage.pipeline().handle(body)
    with pytest.raises(Transient) as busy:
        pipeline.handle(body)
    assert busy.value.retry_in is not None
    assert 0 < busy.value.retry_in <= LEASE.total_seconds()


# --- live state that cannot be read


def test_unreadable_state_means_no_remediation_and_no_silence(stage: Stage) -> None:
    stage.mode = Mode.ENFORCE
    stage.identities.fail["read"] = [Denied("iam:GetUser failed: AccessDenied")]
    with pytest.raises(Transient):
        stage.pipeline().handle(attack())
    assert stage.identities.writes == []
    assert "UNVERIFIED" in stage.notifier.alerts[0].subject
    assert stage.record().decision.verdict is Verdict.WAIT


def test_unverified_is_told_once_and_the_decision_follows_when_the_read_works(
    stage: Stage,
) -> None:
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


def test_a_grant_that_is_not_visible_yet_is_waited_for_in_silence(stage: Stage) -> None:
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


def test_a_grant_that_a_human_took_back_first_is_told_as_already_removed(stage: Stage) -> None:
    stage.mode = Mode.ENFORCE
    stage.users(user(policy_arns=frozenset()))
    stage.pipeline().handle(attack())
    assert stage.identities.writes == []
    assert "Already removed" in stage.notifier.alerts[0].text


def test_a_grant_that_vanishes_between_decision_and_detach_is_left_alone(stage: Stage) -> None:
    stage.mode = Mode.ENFORCE
    read = stage.identities.read

    def read_then_vanish(subject: Subject) -> Principal | None:
        found = read(subject)
        stage.users(user(policy_arns=frozenset()))
        return found

    stage.identities.read = read_then_vanish  # type: ignore[method-assign]
    stage.pipeline().handle(attack())
    assert stage.identities.writes == []
    assert stage.record().outcome == "unchanged"


# --- one half fails, the other does not wait


def test_a_dead_channel_does_not_delay_the_detach_and_is_told_later(stage: Stage) -> None:
    stage.mode = Mode.ENFORCE
    stage.notifier.fail["send"] = [Transient("sns:Publish failed: InternalError")]
    body = attack()
    with pytest.raises(Transient, match="sns"):
        stage.pipeline().handle(body)
    assert not stage.identities.attached("iam-test-user")
    assert stage.pipeline().handle(body).result is Result.DECIDED
    assert stage.identities.writes == ["detach_user_policy"]
    assert [a.document["outcome"] for a in stage.notifier.alerts] == ["applied"]


def test_a_failed_detach_still_alerts_and_its_success_is_told_too(stage: Stage) -> None:
    stage.mode = Mode.ENFORCE
    stage.identities.fail["detach_user_policy"] = [Denied("iam:DetachUserPolicy: AccessDenied")]
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
    return stage.pipeline("worker-2").handle(body).result


def test_killed_before_the_detach_the_next_worker_judges_anew(stage: Stage) -> None:
    stage.mode = Mode.ENFORCE
    body = attack()
    stage.identities.fail["user_has_policy"] = [Killed()]  # type: ignore[list-item]
    with pytest.raises(Killed):
        stage.pipeline().handle(body)
    stage.users(user(tags={"SecurityApproved": "true"}))
    assert take_over(stage, body) is Result.DECIDED
    assert stage.identities.writes == []
    assert stage.record().decision.verdict is Verdict.SKIP


def test_killed_after_the_detach_the_next_worker_confirms_tells_and_can_undo(
    stage: Stage,
) -> None:
    stage.mode = Mode.ENFORCE
    body = attack()
    # The read that should prove the detach never returns.
    pipeline = stage.pipeline()
    detach = stage.identities.detach_user_policy

    def die_after_detach(user_name: str, policy_arn: str) -> None:
        detach(user_name, policy_arn)
        raise Killed

    stage.identities.detach_user_policy = die_after_detach  # type: ignore[method-assign]
    with pytest.raises(Killed):
        pipeline.handle(body)
    stage.identities.detach_user_policy = detach  # type: ignore[method-assign]
    assert take_over(stage, body) is Result.DECIDED
    record = stage.record()
    assert stage.identities.writes == ["detach_user_policy"]
    assert record.decision.approved_for_remediation
    assert record.outcome == "applied"
    assert record.outcomes[0].inverse is not None
    assert len(stage.notifier.alerts) == 1


def test_killed_after_the_alert_was_sent_there_is_exactly_one_more_of_it(stage: Stage) -> None:
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
    assert stage.identities.writes == ["detach_user_policy"]
    first, second = stage.notifier.alerts
    assert first.document["decision_id"] == second.document["decision_id"]


def test_a_worker_that_lost_its_claim_stops_before_the_next_effect(stage: Stage) -> None:
    stage.mode = Mode.ENFORCE
    body = attack()
    other = stage.open_ledger("worker-2")
    read = stage.identities.read

    def read_slowly(subject: Subject) -> Principal | None:
        stage.clock.advance(LEASE.total_seconds() + 1)
        key = f"{ACCOUNT}/{json.loads(body)['detail']['eventID']}"
        assert not isinstance(other.claim(key, digest_of(body), 75), Busy)
        return read(subject)

    stage.identities.read = read_slowly  # type: ignore[method-assign]
    with pytest.raises(LostClaim):
        stage.pipeline().handle(body)
    assert stage.identities.writes == []
    assert stage.notifier.alerts == []


def digest_of(body: str) -> str:
    return hashlib.sha256(orjson.dumps(json.loads(body)["detail"])).hexdigest()


# --- looking again


def test_a_grant_that_came_back_is_judged_anew_and_taken_back_again(stage: Stage) -> None:
    stage.mode = Mode.ENFORCE
    handled = stage.pipeline().handle(attack())
    assert handled.recheck is not None
    stage.users(user())
    stage.clock.advance(5)
    stage.pipeline().recheck(handled.recheck, 5)
    assert stage.identities.writes == ["detach_user_policy"] * 2
    assert "was back 5 s after" in stage.notifier.alerts[1].text


def test_a_grant_that_stays_away_is_looked_at_and_left_alone(stage: Stage) -> None:
    stage.mode = Mode.ENFORCE
    handled = stage.pipeline().handle(attack())
    assert handled.recheck is not None
    stage.pipeline().recheck(handled.recheck, 5)
    assert len(stage.records()) == 1


def test_what_a_human_undid_is_not_taken_back_again(stage: Stage) -> None:
    stage.mode = Mode.ENFORCE
    handled = stage.pipeline().handle(attack())
    record = stage.record()
    (ruling,) = record.decision.rulings
    assert ruling.principal is not None
    grant = grant_key(ACCOUNT, ruling.principal, ruling.finding)
    stage.ledger.mark_undone(record.decision.id, Undo("arn:alice", stage.clock.now()), [grant])
    stage.users(user())
    assert handled.recheck is not None
    stage.pipeline().recheck(handled.recheck, 5)
    assert stage.identities.attached("iam-test-user")
    assert len(stage.notifier.alerts) == 1


# --- rules that break


def test_a_rule_whose_check_breaks_alerts_and_is_counted(stage: Stage) -> None:
    pipeline = stage.pipeline()

    def broken(_event: object) -> None:
        raise ZeroDivisionError("division by zero")

    rules = tuple(replace(rule, check=broken) for rule in pipeline.rules.rules)
    broken_rules = type(pipeline.rules)(rules)
    replace(pipeline, rules=broken_rules).handle(attack())
    record = stage.record()
    assert record.decision.verdict is Verdict.ALERT_ONLY
    assert "ZeroDivisionError" in record.decision.reason
    assert record.decision.leading.finding.severity is Severity.CRITICAL
    failures = stage.metrics.rule_failures.labels(rule_id="admin_policy_attached_to_user")
    assert failures._value.get() == 1


def test_leases_in_hand_are_renewed_while_their_steps_run(stage: Stage) -> None:
    pipeline = stage.pipeline()
    claim = pipeline.claims.take("k", "digest")
    assert isinstance(claim, Claim)
    with pipeline.claims.held(claim):
        stage.clock.advance(50)
        pipeline.claims.renew_all()
        stage.clock.advance(50)
        assert isinstance(stage.open_ledger("worker-2").claim("k", "digest", 75), Busy)
