"""What an event leaves behind for the stories that it may belong to."""

from dataclasses import replace
from datetime import timedelta

import pytest

from countermand.actions import ALL
from countermand.core.model import Actor, Event, Finding, Severity, Subject, SubjectKind
from countermand.core.rules.correlate import Trace, completed, traces
from countermand.core.rules.correlate import story as whole_story
from countermand.core.rules.rule import CorrelationFile, RuleSet, compile_correlation
from countermand.rules.rulebook import BUILT_IN, load_rules
from support.fakes import ACCOUNT, NOW

BUILT_IN_STORIES = {r.id: r for r in load_rules(ALL, BUILT_IN).correlations}
STORY, PROBING = BUILT_IN_STORIES["opened_role_assumed"], BUILT_IN_STORIES["denied_calls_repeated"]
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


@pytest.mark.parametrize(
    ("about", "changed", "counts"),
    [
        ({}, {}, True),
        ({"rule_id": "trail_stopped"}, {}, False),
        ({"failure": "ValueError: no"}, {}, False),
        ({"subject": None}, {}, False),
        ({"subject": Subject(SubjectKind.USER, "r")}, {}, False),
        ({}, {"error_code": "AccessDenied"}, False),
    ],
)
def test_a_step_is_a_finding_of_its_rule_about_the_subject_of_the_story(
    about: dict[str, object], changed: dict[str, object], counts: bool
) -> None:
    seen = replace(finding(FIRST), **about)  # type: ignore[arg-type]
    left = [*traces(replace(event(0), **changed), [seen], story(10))]  # type: ignore[arg-type]
    assert [trace.member.partition("@")[0] for trace in left] == ([FIRST] if counts else [])


def test_the_subject_is_the_same_in_any_case() -> None:
    (lower,) = traces(event(0), [finding(FIRST)], story(10))
    shouted = replace(finding(LAST), subject=Subject(SubjectKind.ROLE, "R"))
    (upper,) = traces(event(0), [shouted], story(10))
    assert lower.sets == upper.sets


def test_what_stands_for_the_whole_is_the_same_whichever_came_last() -> None:
    (first,) = traces(event(0), [finding(FIRST)], story(10))
    (last,) = traces(event(3), [finding(LAST)], story(10))
    asked = replace(event(3), request={"roleName": "r"}, body={"detail": {"x": 1}})
    told = []
    for trace, other in ((first, last), (last, first)):
        began = completed(trace, [other.member])
        assert began is not None
        whole, found = whole_story(asked, trace, began)
        assert (whole.error_code, whole.request) == (None, None)
        assert whole.body == {"detail": {"story": whole.id}}
        told.append((whole.id, found))
    assert told[0] == told[1]
    identity, found = told[0]
    assert identity == f"{ACCOUNT}:opened_role_assumed:role/r@{NOW:%Y%m%dT%H%M}"
    assert found.evidence["claim"].endswith(f" and {LAST}, within 10 minutes")
    assert (found.rule_id, found.remediation) == (STORY.id, "deny_role_by_boundary")


def denied(number: int, **changed: object) -> Event:
    call = {"id": f"k{number}", "error_code": "AccessDenied"} | changed
    return replace(event(number / 10), **call)  # type: ignore[arg-type]


def probes(*events: Event) -> list[Trace]:
    rules = RuleSet([], [PROBING])
    return [trace for each in events for trace in traces(each, [finding(FIRST)], rules)]


@pytest.mark.parametrize(
    ("code", "counts"),
    [
        ("AccessDenied", True),
        ("AccessDeniedException", True),
        ("UnauthorizedOperation", True),
        ("Client.UnauthorizedOperation", True),
        ("ThrottlingException", False),
        (None, False),
    ],
)
def test_a_call_counts_that_was_denied_for_lack_of_a_permission(
    code: str | None, counts: bool
) -> None:
    assert bool(probes(denied(0, error_code=code))) is counts


def test_a_call_that_no_rule_is_about_or_that_nobody_made_does_not_count() -> None:
    assert not [*traces(denied(0), [], RuleSet([], [PROBING]))]
    assert not probes(denied(0, actor=Actor("IAMUser", "", "", "")))


def test_five_denied_calls_of_one_caller_are_a_story_and_the_same_call_five_times_is_none() -> None:
    (*others, last) = probes(*(denied(number) for number in range(5)))
    members = [trace.member for trace in others]
    began = completed(last, members)
    assert began is not None
    assert completed(last, members[1:]) is None
    assert completed(last, [last.member] * 9) is None
    _, found = whole_story(denied(4), last, began)
    assert found.evidence == {"claim": "5 or more denied calls within 10 minutes"}
    assert found.subject == Subject(SubjectKind.RESOURCE, "arn")


def test_the_sessions_of_one_role_are_one_caller_and_two_users_are_two() -> None:
    sessions = [Actor("AssumedRole", f"arn:s{n}", "", "arn:role") for n in range(2)]
    users = [Actor("IAMUser", f"arn:u{n}", "", "") for n in range(2)]
    for callers, number in ((sessions, 1), (users, 2)):
        left = probes(*(denied(0, actor=caller) for caller in callers))
        assert len({trace.sets[0] for trace in left}) == number


def test_one_who_goes_on_probing_is_one_story_a_span() -> None:
    left = probes(*(denied(number) for number in range(9)))
    began = {completed(trace, [t.member for t in left]) for trace in left}
    assert len(began) == 1
