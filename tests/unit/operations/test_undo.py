"""Undo: every stored inverse is run, then the undo is stored; and nothing is undone twice."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from countermand.api.views import decision_view
from countermand.core.errors import Denied, Permanent, Transient
from countermand.core.model import Mode, Record, Undo
from countermand.operations.undo import Undoing, UndoPlan, plan_undo, undo
from countermand.pipeline.facts import grant_key, undoer_key
from countermand.ports import EventLease
from support.fakes import ACCOUNT, ADMIN, NOW, user
from support.stage import LEASE, Stage, attack

ALICE = Undo(f"arn:aws:sts::{ACCOUNT}:assumed-role/security/alice", NOW + timedelta(hours=1))


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    stage.mode = Mode.ENFORCE
    yield stage
    stage.close()


def reverted(stage: Stage) -> Record:
    stage.pipeline().handle(attack())
    record = stage.record()
    assert not stage.identities.attached("iam-test-user")
    return record


def undone(stage: Stage, decision_id: str, by: Undo = ALICE) -> Record:
    return undo(decision_id, stage.ledger, stage.identities, stage.pipeline().remediator, by)


def test_undo_restores_and_records_who_did_it(stage: Stage) -> None:
    record = reverted(stage)
    answer = undone(stage, record.decision.id)
    assert stage.identities.attached("iam-test-user")
    assert answer.undo == ALICE
    assert stage.record() == answer
    (ruling,) = record.decision.rulings
    assert ruling.principal is not None
    assert (
        stage.ledger.undo_of(grant_key(ACCOUNT, ruling.principal.unique_id, ruling.finding))
        == ALICE
    )


def test_undo_covers_one_principal_and_one_policy(stage: Stage) -> None:
    record = reverted(stage)
    undone(stage, record.decision.id)
    (ruling,) = record.decision.rulings
    assert ruling.principal is not None
    recreated = replace(ruling.principal, unique_id="AIDAANOTHER")
    assert stage.ledger.undo_of(grant_key(ACCOUNT, recreated.unique_id, ruling.finding)) is None
    other = replace(ruling.finding, evidence={"policy_arn": "arn:other"})
    assert stage.ledger.undo_of(grant_key(ACCOUNT, ruling.principal.unique_id, other)) is None


def test_an_undo_covers_only_remediated_targets(stage: Stage) -> None:
    by_root = {"type": "Root", "arn": f"arn:aws:iam::{ACCOUNT}:root", "accountId": ACCOUNT}
    stage.pipeline().handle(attack(userIdentity=by_root, readOnly=False))
    record = stage.record()
    assert {r.finding.rule_id for r in record.decision.rulings} > {"root_acted"}
    undone(stage, record.decision.id)
    assert stage.ledger.undo_of(undoer_key(ACCOUNT, user().unique_id, ALICE.by)) == ALICE
    assert stage.ledger.undo_of(undoer_key(ACCOUNT, user().unique_id, "arn:bob")) is None
    assert stage.ledger.undo_of(undoer_key(ACCOUNT, ACCOUNT, ALICE.by)) is None


def test_undo_refuses_a_recreated_user(stage: Stage) -> None:
    record = reverted(stage)
    stage.users(user(unique_id="AIDAANOTHER", policy_arns=frozenset()))
    with pytest.raises(Permanent, match="deleted and recreated"):
        undone(stage, record.decision.id)
    assert not stage.identities.attached("iam-test-user")
    assert stage.record().undo is None


def test_undo_refuses_a_deleted_user(stage: Stage) -> None:
    record = reverted(stage)
    stage.users()
    with pytest.raises(Permanent, match="no longer exists"):
        undone(stage, record.decision.id)


def test_an_unknown_decision_cannot_be_undone(stage: Stage) -> None:
    with pytest.raises(Permanent, match="no decision d-unknown"):
        undone(stage, "d-unknown")
    assert stage.identities.calls == []


def test_nothing_is_undone_twice(stage: Stage) -> None:
    decision_id = reverted(stage).decision.id
    undone(stage, decision_id)
    stage.identities.calls.clear()
    with pytest.raises(Permanent, match=f"was undone by {ALICE.by}"):
        undone(stage, decision_id, Undo("arn:bob", NOW))
    assert stage.identities.calls == []


@pytest.mark.parametrize("mode", [Mode.DRY_RUN, Mode.OBSERVE])
def test_what_was_never_done_cannot_be_undone(stage: Stage, mode: Mode) -> None:
    stage.mode = mode
    stage.pipeline().handle(attack())
    with pytest.raises(Permanent, match="nothing to undo"):
        undone(stage, stage.record().decision.id)
    assert stage.identities.writes == []


def test_what_was_written_twice_is_put_back_once(stage: Stage) -> None:
    body = attack()
    stage.notifier.fail["send"] = [Transient("sns:Publish failed: InternalError")]
    with pytest.raises(Transient, match="sns"):
        stage.pipeline().handle(body)
    stage.users(user())
    stage.identities.fail["iam:DetachUserPolicy"] = [Transient("the answer was lost")]
    with pytest.raises(Transient):
        stage.pipeline().handle(body)
    record = stage.record()
    assert [str(o.status) for o in record.outcomes] == ["applied", "failed"]
    assert all(o.inverse is not None for o in record.outcomes)
    undone(stage, record.decision.id)
    assert stage.identities.writes.count("iam:AttachUserPolicy") == 1


def test_a_refused_undo_can_be_tried_again(stage: Stage) -> None:
    decision_id = reverted(stage).decision.id
    stage.identities.fail["iam:AttachUserPolicy"] = [Denied("iam:AttachUserPolicy: AccessDenied")]
    with pytest.raises(Denied):
        undone(stage, decision_id)
    assert stage.record().undo is None
    assert undone(stage, decision_id).undo == ALICE


def test_every_step_of_a_decision_is_undone(stage: Stage) -> None:
    record = reverted(stage)
    (outcome,) = record.outcomes
    assert outcome.inverse is not None
    params = {"user_name": "iam-test-user", "policy_arn": "arn:other"}
    second = replace(outcome, inverse=replace(outcome.inverse, params=params))
    event = replace(record.decision.event, id=f"{ACCOUNT}/two-steps")
    lease = stage.ledger.acquire(event.id, "digest", LEASE.total_seconds())
    assert isinstance(lease, EventLease)
    both = replace(
        record, decision=replace(record.decision, event=event), outcomes=(outcome, second)
    )
    stage.ledger.finish(lease, both)
    undone(stage, both.decision.id)
    assert stage.identities.attached("iam-test-user", ADMIN)
    assert stage.identities.attached("iam-test-user", "arn:other")


def test_a_redelivered_event_respects_the_undo(stage: Stage) -> None:
    record = reverted(stage)
    undone(stage, record.decision.id)
    stage.identities.calls.clear()
    again = attack(eventID="another", eventTime=f"{NOW:%Y-%m-%dT%H:%M:%SZ}")
    stage.clock.advance(3600)
    stage.pipeline().handle(again)
    assert stage.identities.writes == []
    assert "undid the remediation" in stage.records()[0].decision.reason


def test_an_attack_after_an_undo_is_reverted(stage: Stage) -> None:
    record = reverted(stage)
    undone(stage, record.decision.id, Undo(ALICE.by, NOW + timedelta(seconds=10)))
    stage.users(user())
    stage.clock.advance(3600)
    later = NOW + timedelta(seconds=3500)
    stage.pipeline().handle(attack(eventID="2", eventTime=f"{later:%Y-%m-%dT%H:%M:%SZ}"))
    assert not stage.identities.attached("iam-test-user")


# --- what a person sees first


def planned(stage: Stage) -> UndoPlan:
    decision_id = stage.record().decision.id
    return plan_undo(decision_id, stage.ledger, stage.identities)


def test_a_plan_shows_the_calls_and_writes_nothing(stage: Stage) -> None:
    reverted(stage)
    before = list(stage.identities.writes)
    (call,) = planned(stage).calls
    assert call.params["policy_arn"] == ADMIN
    assert list(stage.identities.writes) == before
    assert planned(stage).changes == ()  # its own effect is no surprise
    assert stage.record().undo is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"policy_arns": frozenset({"arn:other"})}, "arn:other was attached to user iam-test-user"),
        ({"tags": {"team": "red"}}, "tag team of user iam-test-user: red, was not set"),
        ({"boundary_arn": "arn:limit"}, "boundary of user iam-test-user: arn:limit, was not set"),
    ],
    ids=["policy", "tag", "boundary"],
)
def test_a_plan_says_what_changed_since(stage: Stage, changed: dict[str, Any], said: str) -> None:
    reverted(stage)
    stage.users(replace(user(policy_arns=frozenset()), **changed))
    assert planned(stage).changes == (said,)


def test_a_plan_of_nothing_to_undo_is_refused(stage: Stage) -> None:
    record = reverted(stage)
    undone(stage, record.decision.id)
    with pytest.raises(Permanent, match="was undone by"):
        planned(stage)


def test_the_reason_of_an_undo_is_kept(stage: Stage) -> None:
    record = reverted(stage)
    remediator = stage.pipeline().remediator
    undoing = Undoing(stage.ledger, stage.identities, remediator, stage.clock, ALICE.by)
    assert undoing.plan(record.decision.id).record == record
    answer = undoing.run(record.decision.id, "INC-1\ud800")
    assert answer.undo is not None
    assert stage.record().undo == Undo(ALICE.by, stage.clock.now(), "INC-1\\ud800")
    assert decision_view(stage.record()).undo is not None
