"""What an event leaves behind for the stories that it may belong to."""

from dataclasses import replace
from datetime import timedelta

import pytest

from countermand.actions import ALL
from countermand.core.correlate import completed, traces
from countermand.core.model import Actor, Event, Finding, Severity, Subject, SubjectKind
from countermand.core.rule import CorrelationFile, RuleSet, compile_correlation
from countermand.rulebook import BUILT_IN, load_rules
from fakes import ACCOUNT, NOW

(STORY,) = [r for r in load_rules(ALL, BUILT_IN).correlations if r.id == "opened_role_assumed"]
FIRST, LAST = "role_trust_opened", "role_assumed_from_another_account"


def story(minutes: int) -> RuleSet:
    document = STORY.file.model_dump()
    document["correlate"]["within_minutes"] = minutes
    return RuleSet([], [compile_correlation(CorrelationFile.model_validate(document))])


def event(minutes: float) -> Event:
    made = Event("k", "e", ACCOUNT, "us-east-1", "s", "n", NOW, Actor("IAMUser", "arn", "", ""))
    return replace(made, time=NOW + timedelta(minutes=minutes))


def finding(rule_id: str) -> Finding:
    return Finding(rule_id, "title", Severity.HIGH, Subject(SubjectKind.ROLE, "r"), {})


@pytest.mark.parametrize("within", [1, 10, 60, 720, 1440])
def test_a_flood_of_one_rule_does_not_fill_the_set_before_the_others_come(within: int) -> None:
    sets: dict[str, set[str]] = {}
    for step in range(4 * within):
        (trace,) = traces(event(step / 2), [finding(FIRST)], story(within))
        sets.setdefault(trace.sets[0], set()).add(trace.member)
    assert max(len(members) for members in sets.values()) <= 120
    assert len(sets) <= 4


@pytest.mark.parametrize(("minutes", "whole"), [(0, True), (700, True), (-700, True), (760, False)])
def test_what_lies_within_twelve_hours_is_one_story(minutes: float, whole: bool) -> None:
    rules = story(720)
    (first,) = traces(event(0), [finding(FIRST)], rules)
    (last,) = traces(event(minutes), [finding(LAST)], rules)
    assert first.sets[0] in last.sets or not whole
    assert (completed(last, [first.member]) is not None) is whole
    assert (completed(first, [last.member]) is not None) is whole
