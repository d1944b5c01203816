"""Every rule against `cases/<rule_id>.yaml`, which names records that it matches and ignores."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from countermand.actions import ALL
from countermand.core.envelope import attach_event, envelope
from countermand.core.errors import Malformed
from countermand.core.model import Finding, Subject, SubjectKind
from countermand.core.parse import parse
from countermand.core.rules.detect import detect
from countermand.core.rules.pattern import compile_pattern
from countermand.core.rules.routing import Route, RouteState, routes_of, routing_pattern
from countermand.core.rules.rule import Rule, RuleSet, compile_rule
from countermand.core.rules.schema import RuleFile
from countermand.deployment.routing import routing_patterns
from countermand.rules.rulebook import BUILT_IN, load_rules
from support.fakes import ACCOUNT

CASES = Path(__file__).parent / "cases"
RULES = load_rules(ALL, BUILT_IN)
RULE_IDS = [rule.file.id for rule in RULES.rules]
EVENTBRIDGE_PATTERN_CHARACTERS = 2048
LONGEST_CASE_NAME = 60
STS = {"source": ["aws.sts"]}

type CloudTrailRecord = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One named record of a case file."""

    rule_id: str
    kind: str
    name: str
    record: CloudTrailRecord

    @property
    def id(self) -> str:
        return f"{self.rule_id}-{self.kind}-{self.name}"


@cache
def cases_of(rule_id: str) -> tuple[Case, ...]:
    path = CASES / f"{rule_id}.yaml"
    if not path.is_file():
        return ()
    document = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    assert set(document) == {"matches", "ignores"}, path
    return tuple(Case(rule_id, kind, **case) for kind in document for case in document[kind])


def matching(rule_id: str) -> tuple[CloudTrailRecord, ...]:
    """The records that a rule matches."""
    return tuple(case.record for case in cases_of(rule_id) if case.kind == "matches")


ALL_CASES = tuple(case for rule_id in RULE_IDS for case in cases_of(rule_id))
MATCHES = [pytest.param(case, id=case.id) for case in ALL_CASES if case.kind == "matches"]
IGNORES = [pytest.param(case, id=case.id) for case in ALL_CASES if case.kind == "ignores"]


def findings(record: CloudTrailRecord, rules: RuleSet = RULES) -> tuple[Finding, ...]:
    """What the rules say about a record that comes the way all do: wrapped, as text."""
    return detect(parse(json.dumps(envelope(record))), rules)


def rule_ids(record: CloudTrailRecord, rules: RuleSet = RULES) -> list[str]:
    return [finding.rule_id for finding in findings(record, rules)]


def leaves(value: object) -> Iterator[object]:
    """All texts, numbers and so on of a JSON value."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from leaves(item)
    else:
        yield value


def rule_file(rule_id: str, when: dict[str, Any], **other: object) -> Rule:
    """A rule about users like the built-in one, on other events."""
    (base,) = [r.file for r in RULES.rules if r.file.id == "admin_policy_attached_to_user"]
    changed = base.model_dump() | {"id": rule_id, "when": when} | other
    return compile_rule(RuleFile.model_validate(changed))


def about_iam_call(rule_id: str, *names: str) -> Rule:
    detail = {"eventSource": ["iam.amazonaws.com"], "eventName": list(names)}
    return rule_file(rule_id, {"detail": detail})


AMONG_300 = RuleSet(
    [*RULES.rules, *(about_iam_call(f"other_call_{n}", f"OtherCall{n}") for n in range(300))]
)


@pytest.mark.parametrize("rule_id", RULE_IDS)
def test_every_rule_has_cases_of_both_kinds(rule_id: str) -> None:
    """Each rule has a record that it matches and one that it ignores."""
    kinds = {case.kind for case in cases_of(rule_id)}
    assert kinds == {"matches", "ignores"}, f"add a record to {CASES / rule_id}.yaml"


def test_every_case_file_belongs_to_a_rule() -> None:
    """No case file outlives its rule."""
    assert {path.name for path in CASES.iterdir()} == {f"{rule_id}.yaml" for rule_id in RULE_IDS}


def test_every_case_has_a_name_of_its_own() -> None:
    """A failure names its case, so that the names of a rule are short and unique."""
    assert [case.id for case in ALL_CASES if len(case.name) > LONGEST_CASE_NAME] == []
    assert len({(case.rule_id, case.name) for case in ALL_CASES}) == len(ALL_CASES)


@pytest.mark.parametrize("case", MATCHES)
def test_a_rule_matches(case: Case) -> None:
    """A rule has a finding on each record under `matches`."""
    assert case.rule_id in rule_ids(case.record)


@pytest.mark.parametrize("case", IGNORES)
def test_a_rule_ignores(case: Case) -> None:
    """A rule has no finding on the records under `ignores`."""
    assert case.rule_id not in rule_ids(case.record)


@pytest.mark.parametrize("case", MATCHES)
def test_a_denied_call_is_not_malformed(case: Case) -> None:
    """AWS hides its target and answer; a rule that breaks on it would fill the dead letters."""
    hidden = {"requestParameters": None, "responseElements": None, "errorCode": "AccessDenied"}
    assert isinstance(findings(case.record | hidden), tuple)


@pytest.mark.parametrize("case", MATCHES)
def test_a_finding_names_its_target(case: Case) -> None:
    """Target and evidence are values of the record, unless CloudTrail omitted the request."""
    (finding,) = [f for f in findings(case.record) if f.rule_id == case.rule_id]
    request = case.record["requestParameters"]
    (rule,) = [rule for rule in RULES.rules if rule.id == case.rule_id]
    if finding.subject is None:
        assert request is None or "omitted" in request
        assert finding.evidence == {}
    else:
        values = set(leaves(case.record))
        names = {text.rpartition("/")[2] for text in map(str, values) if text.startswith("arn:")}
        assert finding.subject.name in values | names
        assert {name for name, _ in rule.evidence} >= finding.evidence.keys() - {
            "summary",
            "policy_arn",
        }
        shown = values | {json.dumps(value) for value in values if isinstance(value, int)}
        assert {text for name, text in finding.evidence.items() if name != "summary"} <= shown


def test_the_cases_look_like_real_records() -> None:
    """Each record has all keys that CloudTrail writes."""
    optional = {"readOnly"}  # older records do not have it
    wanted = attach_event(ACCOUNT, "someone").keys() - optional
    assert [case.id for case in ALL_CASES if not wanted <= case.record.keys()] == []


@pytest.mark.parametrize("rule_id", RULE_IDS)
def test_the_cases_of_a_rule_are_different_events(rule_id: str) -> None:
    """No two cases of a rule have the same event ID."""
    event_ids = [case.record["eventID"] for case in cases_of(rule_id)]
    assert len(set(event_ids)) == len(event_ids)


@pytest.mark.parametrize("rule", RULES.rules, ids=RULE_IDS)
def test_a_rule_has_what_its_alert_needs(rule: Rule) -> None:
    """Each rule has texts in ASCII, a technique, a reference, and only a known action."""
    file = rule.file
    for text in (file.title, file.description, file.false_positives, file.runbook):
        assert text.isascii()
        assert text.strip() == text
        assert text
    assert file.mitre
    assert file.references
    assert file.remediate is None or file.remediate in ALL


def test_no_two_rules_share_a_title() -> None:
    """A title identifies a rule, also one that correlates."""
    titles = [rule.title for rule in RULES.every]
    assert sorted(titles) == sorted(set(titles))


# --- a principal that the event names by its ARN


ROLE = f"arn:aws:iam::{ACCOUNT}:role/"


@pytest.mark.parametrize(
    ("arn", "name"),
    [
        (f"{ROLE}iam-test-role", "iam-test-role"),
        (f"{ROLE}team/a/iam-test-role", "iam-test-role"),
        ("iam-test-role", "iam-test-role"),
        ("arn:aws:iam::444455556666:role/iam-test-role", None),
        ("arn:aws:iam:::role/iam-test-role", None),
        ("arn:", None),
        (ROLE, None),
        (f"{ROLE}{'x' * 129}", None),
        ([f"{ROLE}iam-test-role"], None),
    ],
)
def test_a_role_is_named_within_this_account(arn: object, name: str | None) -> None:
    """An event may name a role by its ARN or name; an ARN of another account is malformed."""
    (assumed, *_) = matching("role_assumed_from_another_account")
    record = assumed | {"requestParameters": {"roleArn": arn}}
    if name is None:
        with pytest.raises(Malformed, match="roleArn must name the role"):
            findings(record)
    else:
        (finding,) = findings(record)
        assert finding.subject == Subject(SubjectKind.ROLE, name)


# --- what EventBridge is asked to send


READ_ONLY_CALLS = {
    case.record["eventName"]
    for case in ALL_CASES
    if case.kind == "matches" and case.record.get("readOnly")
}


def delivered(record: CloudTrailRecord, rules: RuleSet = RULES) -> list[str]:
    """The EventBridge rules that deliver a record."""
    return [
        name
        for name, route in routes_of(rules).items()
        if compile_pattern(route.pattern)(envelope(record))
        and (route.state is RouteState.WITH_READS or not record.get("readOnly"))
    ]


def test_each_routing_pattern_fits_eventbridge() -> None:
    """No pattern of a source is longer than AWS allows."""
    for route in routing_patterns(RULES).values():
        text = json.dumps(route["pattern"], separators=(",", ":"))
        assert len(text) <= EVENTBRIDGE_PATTERN_CHARACTERS


@pytest.mark.parametrize("case", MATCHES)
def test_what_a_rule_matches_is_delivered(case: Case) -> None:
    """An EventBridge rule delivers each match, also of a read-only call."""
    assert delivered(case.record)


@pytest.mark.parametrize("rule", RULES.rules, ids=RULE_IDS)
def test_a_rule_about_read_only_calls_says_so(rule: Rule) -> None:
    """A rule has `reads` exactly if a record of one of its calls is read-only."""
    wanted = rule.file.when["detail"].get("eventName", ())
    assert rule.file.reads == bool(READ_ONLY_CALLS.intersection(wanted))


def test_ordinary_sessions_are_not_delivered() -> None:
    """Sessions of the own account, identity calls and tokens with MFA stay away."""
    (record, *_) = matching("role_assumed_from_another_account")
    assert delivered(record) == ["rule-role_assumed_from_another_account"]
    own = {**record["userIdentity"], "type": "AssumedRole"}
    assert delivered(record | {"userIdentity": own}) == []
    assert delivered(record | {"eventName": "GetCallerIdentity"}) == []
    (token, *_) = matching("session_token_issued_without_mfa")
    with_mfa = {"serialNumber": "arn:aws:iam::111122223333:mfa/somebody"}
    assert delivered(token | {"requestParameters": with_mfa}) == []


def test_a_rule_without_source_has_its_own_route() -> None:
    """A rule that names no source gets an EventBridge rule of its own, without reads."""
    when = {"detail": {"userIdentity": {"type": ["Root"]}}}
    routes = routes_of(RuleSet([*RULES.rules, rule_file("root_did_it", when)]))
    assert routes["rule-root_did_it"] == Route(when)
    assert {n: r for n, r in routes.items() if n != "rule-root_did_it"} == routes_of(RULES)


def test_a_rule_that_restores_shares_its_route() -> None:
    """The route of a rule with `restores` also brings the calls that set the value before."""
    when = {"detail": {"eventSource": ["iam.amazonaws.com"], "eventName": ["PutRolePolicy"]}}
    rule = rule_file("policy_put", when, restores="inline_policy")
    (route,) = routes_of(RuleSet([rule])).items()
    assert route[0] == "any"
    assert "DeleteRolePolicy" in route[1].pattern["detail"]["eventName"]


def test_a_rule_about_reads_restores_nothing() -> None:
    """`reads` and `restores` exclude each other, because a read replaces nothing."""
    with pytest.raises(ValidationError, match="`reads` and `restores` exclude each other"):
        rule_file("policy_read", {"source": ["aws.iam"]}, reads=True, restores="inline_policy")


def test_a_rule_about_reads_has_its_own_route() -> None:
    """A rule with `reads` does not share the route of its source."""
    rules = [rule_file("sts", STS, reads=True), rule_file("other_one", STS)]
    assert list(routes_of(RuleSet(rules))) == ["rule-sts", "sts"]


def test_what_no_rule_wants_is_not_delivered() -> None:
    """Other calls and other services stay away."""
    record = attach_event(ACCOUNT, "someone")
    assert delivered(record) == ["iam"]
    assert delivered(record | {"eventName": "ListUsers"}) == []
    assert delivered(record | {"eventSource": "s3.amazonaws.com"}) == []


def test_a_routing_pattern_joins_its_rules() -> None:
    """A routing pattern lists each value that one of its rules lists."""
    rules = RuleSet(
        rule_file(f"rule_{name}", {"detail": {"eventName": [name]}}) for name in ("b", "a")
    )
    assert routing_pattern(rules) == {"detail": {"eventName": ["a", "b"]}}


def test_an_open_rule_opens_its_routing_pattern() -> None:
    """A routing pattern does not limit what one of its rules leaves open."""
    open_rule = rule_file("any_iam_call", {"source": ["aws.iam"], "detail": {"errorCode": ["x"]}})
    assert routes_of(RuleSet([*RULES.rules, open_rule]))["iam"] == Route({"source": ["aws.iam"]})


# --- the index


def test_300_other_rules_change_no_finding() -> None:
    """Rules about other calls leave the findings of all cases as they are."""
    changed = [
        case.id for case in ALL_CASES if findings(case.record, AMONG_300) != findings(case.record)
    ]
    assert changed == []


def test_300_other_rules_are_not_asked() -> None:
    """The index finds the candidates by call, however many rules there are."""
    event = parse(json.dumps(envelope(attach_event(ACCOUNT, "someone"))))
    assert AMONG_300.candidates(event) == RULES.candidates(event)
    assert len(AMONG_300.rules) == len(RULES.rules) + 300


def test_a_rule_about_root_sees_only_root() -> None:
    """A rule about any call of root costs the calls of others nothing."""

    def asked(kind: str) -> list[str]:
        record = attach_event(ACCOUNT, "someone")
        record["userIdentity"] |= {"type": kind}
        return [rule.id for rule in RULES.candidates(parse(json.dumps(envelope(record))))]

    assert asked("Root") == [*asked("IAMUser"), "root_acted"]
    assert "root_acted" not in asked("AssumedRole")


def test_a_call_of_root_has_both_findings() -> None:
    """A call of root that another rule matches has the findings of both."""
    *_, created = matching("root_acted")
    assert rule_ids(created) == ["user_created", "root_acted"]
    assert sorted(delivered(created)) == ["iam", "rule-root_acted"]


@pytest.mark.parametrize(
    "when",
    [
        {"detail": {"eventSource": ["iam.amazonaws.com"], "eventName": [{"prefix": "Attach"}]}},
        {"detail": {"eventSource": ["iam.amazonaws.com"]}},
        {"detail": {"eventName": ["AttachUserPolicy"]}},
        {"source": ["aws.iam"]},
        {"$or": [{"source": ["aws.iam"]}, {"source": ["aws.sts"]}]},
    ],
)
def test_a_rule_without_index_sees_every_event(when: dict[str, Any]) -> None:
    """A rule whose calls are not plain values is asked about every event."""
    rules = RuleSet([*RULES.rules, rule_file("open_rule", when)])
    found = rule_ids(attach_event(ACCOUNT, "someone"), rules)
    assert found == ["admin_policy_attached_to_user", "open_rule"]


def test_a_rule_about_several_calls_matches_each() -> None:
    """A rule that lists several calls has a finding on each of them."""
    names = ["AttachUserPolicy", "PutUserPolicy"]
    rules = RuleSet([about_iam_call("several_calls", *names)])
    for name in names:
        record = attach_event(ACCOUNT, "someone") | {"eventName": name}
        assert rule_ids(record, rules) == ["several_calls"]
