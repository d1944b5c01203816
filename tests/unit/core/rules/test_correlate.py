"""The markers that an event adds to the sequences it may belong to."""

from dataclasses import replace
from datetime import timedelta

import pytest

from countermand.actions import ALL
from countermand.core.model import Actor, Event, Finding, Severity, Subject, SubjectKind
from countermand.core.rules.correlate import Marker, completed, markers_of
from countermand.core.rules.correlate import sequence as whole_story
from countermand.core.rules.rule import RuleSet, compile_correlation
from countermand.core.rules.schema import CorrelationFile
from countermand.rules.rulebook import BUILT_IN, load_rules
from support.fakes import ACCOUNT, NOW

BUILT_IN_STORIES = {r.id: r for r in load_rules(ALL, BUILT_IN).correlations}
STORY, PROBING = BUILT_IN_STORIES["opened_role_assumed"], BUILT_IN_STORIES["denied_calls_repeated"]
FIRST, LAST = "role_trust_opened", "role_assumed_from_another_account"


def sequence(minutes: int) -> RuleSet:
    document = STORY.file.model_dump()
    document["correlate"]["within_minutes"] = minutes
    return RuleSet([], [compile_correlation(CorrelationFile.model_validate(document))])


def event(minutes: float) -> Event:
    made = Event(
        id="k",
        event_id="e",
        account_id=ACCOUNT,
        region="us-east-1",
        source="s",
        name="n",
        time=NOW,
        actor=Actor("IAMUser", "arn", "", ""),
    )
    return replace(made, time=NOW + timedelta(minutes=minutes))


def finding(rule_id: str) -> Finding:
    return Finding(
        rule_id=rule_id,
        title="title",
        severity=Severity.HIGH,
        subject=Subject(SubjectKind.ROLE, "r"),
        evidence={},
    )


@pytest.mark.parametrize("within", [1, 10, 60, 720, 1440])
def test_a_flood_does_not_fill_a_window(within: int) -> None:
    """A flood of one rule does not fill a window."""
    sets: dict[str, set[str]] = {}
    for step in range(4 * within):
        (marker,) = markers_of(event(step / 2), [finding(FIRST)], sequence(within))
        sets.setdefault(marker.windows[0], set()).add(marker.value)
    assert max(len(members) for members in sets.values()) <= 120
    assert len(sets) <= 4


@pytest.mark.parametrize(("minutes", "whole"), [(0, True), (700, True), (-700, True), (760, False)])
def test_a_sequence_spans_twelve_hours(minutes: float, whole: bool) -> None:
    """Events within twelve hours are one sequence."""
    rules = sequence(720)
    (first,) = markers_of(event(0), [finding(FIRST)], rules)
    (last,) = markers_of(event(minutes), [finding(LAST)], rules)
    assert first.windows[0] in last.windows or not whole
    assert (completed(last, [first.value]) is not None) is whole
    assert (completed(first, [last.value]) is not None) is whole


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
def test_a_step_needs_its_rule_and_its_subject(
    about: dict[str, object], changed: dict[str, object], counts: bool
) -> None:
    seen = replace(finding(FIRST), **about)  # type: ignore[arg-type]
    left = [*markers_of(replace(event(0), **changed), [seen], sequence(10))]  # type: ignore[arg-type]
    assert [marker.value.partition("@")[0] for marker in left] == ([FIRST] if counts else [])


def test_the_subject_is_the_same_in_any_case() -> None:
    (lower,) = markers_of(event(0), [finding(FIRST)], sequence(10))
    shouted = replace(finding(LAST), subject=Subject(SubjectKind.ROLE, "R"))
    (upper,) = markers_of(event(0), [shouted], sequence(10))
    assert lower.windows == upper.windows


def test_a_sequence_is_the_same_in_any_order() -> None:
    (first,) = markers_of(event(0), [finding(FIRST)], sequence(10))
    (last,) = markers_of(event(3), [finding(LAST)], sequence(10))
    asked = replace(event(3), request={"roleName": "r"}, body={"detail": {"x": 1}})
    notified = []
    for marker, other in ((first, last), (last, first)):
        began = completed(marker, [other.value])
        assert began is not None
        whole, found = whole_story(asked, marker, began)
        assert (whole.error_code, whole.request) == (None, None)
        assert whole.body == {"detail": {"story": whole.id}}
        notified.append((whole.id, found))
    assert notified[0] == notified[1]
    identity, found = notified[0]
    assert identity == f"{ACCOUNT}:opened_role_assumed:role/r@{NOW:%Y%m%dT%H%M}"
    assert found.evidence["summary"].endswith(f" and {LAST}, within 10 minutes")
    assert (found.rule_id, found.remediation) == (STORY.id, "deny_role_by_boundary")


def denied(number: int, **changed: object) -> Event:
    call = {"id": f"k{number}", "error_code": "AccessDenied"} | changed
    return replace(event(number / 10), **call)  # type: ignore[arg-type]


def probes(*events: Event) -> list[Marker]:
    rules = RuleSet([], [PROBING])
    return [marker for each in events for marker in markers_of(each, [finding(FIRST)], rules)]


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
def test_only_calls_denied_by_permissions_count(code: str | None, counts: bool) -> None:
    assert bool(probes(denied(0, error_code=code))) is counts


def test_a_denied_call_needs_a_rule_and_a_caller() -> None:
    assert not [*markers_of(denied(0), [], RuleSet([], [PROBING]))]
    assert not probes(denied(0, actor=Actor("IAMUser", "", "", "")))


def test_five_denied_calls_are_a_sequence() -> None:
    """The same event delivered five times counts once."""
    (*others, last) = probes(*(denied(number) for number in range(5)))
    members = [marker.value for marker in others]
    began = completed(last, members)
    assert began is not None
    assert completed(last, members[1:]) is None
    assert completed(last, [last.value] * 9) is None
    _, found = whole_story(denied(4), last, began)
    assert found.evidence == {"summary": "5 or more denied calls within 10 minutes"}
    assert found.subject == Subject(SubjectKind.RESOURCE, "arn")


def test_the_sessions_of_one_role_are_one_caller() -> None:
    """Two users are two callers."""
    sessions = [Actor("AssumedRole", f"arn:s{n}", "", "arn:role") for n in range(2)]
    users = [Actor("IAMUser", f"arn:u{n}", "", "") for n in range(2)]
    for callers, number in ((sessions, 1), (users, 2)):
        left = probes(*(denied(0, actor=caller) for caller in callers))
        assert len({marker.windows[0] for marker in left}) == number


def test_continued_probing_is_one_sequence_a_span() -> None:
    left = probes(*(denied(number) for number in range(9)))
    began = {completed(marker, [t.value for t in left]) for marker in left}
    assert len(began) == 1
