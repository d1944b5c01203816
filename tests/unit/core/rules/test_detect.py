"""Detecting: the truth table of `core/detect.py`, and what a rule says it saw."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from countermand.core.errors import Malformed
from countermand.core.model import Event, Finding, Subject, SubjectKind
from countermand.core.parse import parse
from countermand.core.rules.detect import detect
from countermand.core.rules.rule import Rule, RuleSet, compile_rule
from countermand.core.rules.schema import RuleFile
from support.fakes import ACCOUNT
from support.stage import RULES, attack

TEMPLATE = next(rule for rule in RULES.rules if rule.id == "user_created").file


def rule(identity: str = "watched", **changes: Any) -> Rule:
    """A rule on AttachUserPolicy about its user, that only alerts."""
    when = {
        "source": ["aws.iam"],
        "detail": {"eventSource": ["iam.amazonaws.com"], "eventName": ["AttachUserPolicy"]},
    }
    fields = TEMPLATE.model_dump(mode="json") | {"id": identity, "when": when, "evidence": {}}
    fields |= {"subject": {"user": "detail.requestParameters.userName"}, "check": None}
    return compile_rule(RuleFile.model_validate(fields | changes))


def event(**request: object) -> Event:
    return parse(attack(requestParameters=request))


def found(given: Event, *rules: Rule) -> tuple[Finding, ...]:
    return detect(given, RuleSet(rules))


def subject_of(given: Event, one: Rule) -> Subject | None:
    (finding,) = found(given, one)
    return finding.subject


# --- the target


@pytest.mark.parametrize("request_parameters", [None, {"omitted": True}])
def test_a_target_that_the_event_hides_is_nobody(request_parameters: object) -> None:
    hidden = parse(attack(requestParameters=request_parameters))
    assert subject_of(hidden, rule()) is None


@pytest.mark.parametrize("request_parameters", [None, {"omitted": True}])
def test_a_target_elsewhere_stays_visible(
    request_parameters: object,
) -> None:
    """A target outside the parameters stays visible."""
    hidden = parse(attack(requestParameters=request_parameters))
    account = rule(subject={"account": "detail.recipientAccountId"})
    assert subject_of(hidden, account) == Subject(SubjectKind.ACCOUNT, ACCOUNT)


def test_the_first_path_to_a_target_counts() -> None:
    """The first path that names the target counts."""
    paths = ["detail.requestParameters.other", "detail.requestParameters.userName"]
    assert subject_of(event(userName="bob"), rule(subject={"user": paths})) == Subject(
        SubjectKind.USER, "bob"
    )


@pytest.mark.parametrize("spelling", ["userName", "UserName"])
def test_a_parameter_may_begin_with_either_case(spelling: str) -> None:
    assert subject_of(event(**{spelling: "bob"}), rule()) == Subject(SubjectKind.USER, "bob")


@pytest.mark.parametrize(
    ("kind", "length", "fits"),
    [("group", 128, True), ("group", 129, False), ("policy", 2048, True), ("policy", 2049, False)],
)
def test_a_name_has_a_maximum_length(kind: str, length: int, fits: bool) -> None:
    """A name has at most the characters that AWS allows."""
    named, one = (
        event(userName="x" * length),
        rule(subject={kind: "detail.requestParameters.userName"}),
    )
    if fits:
        assert subject_of(named, one) == Subject(SubjectKind(kind), "x" * length)
    else:
        with pytest.raises(Malformed, match=f"must name the {kind} in at most {length - 1}"):
            found(named, one)


@pytest.mark.parametrize("name", ["", 7, None, ["bob"], {"bob": 1}])
def test_an_event_that_names_nobody_is_malformed(name: object) -> None:
    with pytest.raises(Malformed, match=r"detail\.requestParameters\.userName must name the user"):
        found(event(userName=name), rule())


def test_a_role_of_another_account_is_no_target() -> None:
    role = rule(subject={"role": "detail.requestParameters.userName"})
    own = event(userName=f"arn:aws:iam::{ACCOUNT}:role/team/job")
    assert subject_of(own, role) == Subject(SubjectKind.ROLE, "job")
    with pytest.raises(Malformed):
        found(event(userName="arn:aws:iam::999999999999:role/job"), role)


# --- one rule and the others


def test_a_malformed_target_stops_no_other_rule() -> None:
    given = event(groupName="g")
    other = rule("other", subject={"group": "detail.requestParameters.groupName"})
    for rules in ([rule(), other], [other, rule()]):
        assert [finding.rule_id for finding in found(given, *rules)] == ["other"]


def refuse(_event: Event, _evidence: Mapping[str, str]) -> Mapping[str, str] | None:
    raise Malformed("policyDocument is not JSON")


def break_down(_event: Event, _evidence: Mapping[str, str]) -> Mapping[str, str] | None:
    raise ZeroDivisionError("division by zero")


def test_a_check_can_find_the_event_malformed() -> None:
    """A check that finds the event malformed says so."""
    refusing = replace(rule(), check=refuse)
    with pytest.raises(Malformed, match="policyDocument is not JSON"):
        found(event(userName="bob"), refusing)
    assert [f.rule_id for f in found(event(userName="bob"), refusing, rule("other"))] == ["other"]


def test_a_broken_rule_makes_a_finding() -> None:
    """It stops no other rule."""
    broken = replace(rule(evidence={"policy": "detail.requestParameters.p"}), check=break_down)
    first, second = found(event(userName="bob", p="x"), broken, rule("other"))
    assert (first.failure, first.evidence) == ("ZeroDivisionError: division by zero", {})
    assert first.subject == Subject(SubjectKind.USER, "bob")
    assert (second.rule_id, second.failure) == ("other", None)


def test_a_pattern_that_breaks_is_a_finding_too() -> None:
    def matches(_body: object) -> bool:
        raise RecursionError("too deep")

    (finding,) = found(event(userName="bob"), replace(rule(), matches=matches))
    assert finding.failure == "RecursionError: too deep"


# --- what it saw


def test_evidence_is_text_as_json_writes_it() -> None:
    values = {"text": "x", "yes": True, "no": False, "number": 7, "zero": 0}
    others = {"none": None, "list": ["x"], "object": {"a": 1}, "fraction": 0.5}
    paths = {name: f"detail.requestParameters.{name}" for name in values | others}
    (finding,) = found(event(userName="bob", **values, **others), rule(evidence=paths))
    assert finding.evidence == {
        "text": "x",
        "yes": "true",
        "no": "false",
        "number": "7",
        "zero": "0",
    }
