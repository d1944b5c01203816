"""What `undo` shows before it asks."""

from dataclasses import replace
from pathlib import Path

import pytest

from countermand.cli.undo import show_plan, show_undone
from countermand.core.model import Mode
from countermand.operations.undo import plan_undo
from support.fakes import ADMIN, user
from support.stage import Stage, attack


def test_the_plan_names_calls_changes_and_person(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = Stage(tmp_path)
    stage.mode = Mode.ENFORCE
    stage.pipeline().handle(attack())
    stage.users(replace(user(policy_arns=frozenset()), tags={"a\x1b[2J": "b\nc"}))
    record = stage.record()
    show_plan(plan_undo(record.decision.id, stage.ledger, stage.identities), "arn:ana")
    show_undone(record)
    shown = capsys.readouterr().out
    for part in (record.decision.id, ADMIN, "arn:ana", "iam-test-user", "Changed since", "Done:"):
        assert part in shown
    assert "tag a\\u001b[2J of user iam-test-user: b\\u000ac, was not set" in shown
    stage.close()
