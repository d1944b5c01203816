"""Every rule against `cases/<rule_id>.yaml`, which lists records that it matches and ignores."""

import json
from collections.abc import Iterator
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
from countermand.core.rules.routing import Route, RouteState
from countermand.core.rules.rule import Rule, RuleFile, RuleSet, compile_rule
from countermand.deployment.iam_policy import routing_patterns
from countermand.rules.rulebook import BUILT_IN, load_rules
from support.fakes import ACCOUNT

CASES = Path(__file__).parent / "cases"
RULES = load_rules(ALL, BUILT_IN)
RULE_IDS = [rule.file.id for rule in RULES.rules]
EVENTBRIDGE_PATTERN_CHARACTERS = 2048
STS = {"source": ["aws.sts"]}

type CloudTrailRecord = dict[str, Any]


def cases_of(rule_id: str, kind: str) -> list[CloudTrailRecord]:
    path = CASES / f"{rule_id}.yaml"
    if not path.is_file():
        return []
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert set(document) == {"matches", "ignores"}, path
    cases: list[CloudTrailRecord] = document[kind]
    return cases


def all_cases(*kinds: str) -> list[Any]:
    return [
        pytest.param(rule_id, record, id=f"{rule_id}-{kind}-{number}")
        for rule_id in RULE_IDS
        for kind in kinds
        for number, record in enumerate(cases_of(rule_id, kind), start=1)
    ]


def findings(record: CloudTrailRecord, rules: RuleSet = RULES) -> tuple[Finding, ...]:
    """What the rules say about a record that comes the way all do: wrapped, as text."""
    return detect(parse(json.dumps(envelope(record))), rules)


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


@pytest.mark.parametrize("rule_id", RULE_IDS)
@pytest.mark.parametrize("kind", ["matches", "ignores"])
def test_every_rule_has_cases_that_it_matches_and_that_it_ignores(rule_id: str, kind: str) -> None:
    assert cases_of(rule_id, kind), f"add a record to {kind}: in {CASES / rule_id}.yaml"


def test_every_file_of_cases_belongs_to_a_rule() -> None:
    assert {path.name for path in CASES.iterdir()} == {f"{rule_id}.yaml" for rule_id in RULE_IDS}


@pytest.mark.parametrize(("rule_id", "record"), all_cases("matches"))
def test_a_rule_matches(rule_id: str, record: CloudTrailRecord) -> None:
    assert rule_id in [finding.rule_id for finding in findings(record)]


@pytest.mark.parametrize(("rule_id", "record"), all_cases("ignores"))
def test_a_rule_ignores(rule_id: str, record: CloudTrailRecord) -> None:
    assert rule_id not in [finding.rule_id for finding in findings(record)]


@pytest.mark.parametrize(("rule_id", "record"), all_cases("matches"))
def test_a_denied_call_is_no_malformed_event(rule_id: str, record: CloudTrailRecord) -> None:
    """AWS hides its target and answer; a rule that breaks on it would fill the dead letters."""
    assert rule_id
    hidden = {"requestParameters": None, "responseElements": None, "errorCode": "AccessDenied"}
    assert isinstance(findings(record | hidden), tuple)


@pytest.mark.parametrize(("rule_id", "record"), all_cases("matches"))
def test_a_finding_names_the_target_unless_cloudtrail_left_it_out(
    rule_id: str, record: CloudTrailRecord
) -> None:
    (finding,) = [f for f in findings(record) if f.rule_id == rule_id]
    request = record["requestParameters"]
    (rule,) = [rule for rule in RULES.rules if rule.id == rule_id]
    if finding.subject is None:
        assert request is None or "omitted" in request
        assert finding.evidence == {}
    else:
        values = set(leaves(record))
        names = {text.rpartition("/")[2] for text in map(str, values) if text.startswith("arn:")}
        assert finding.subject.name in values | names
        assert {name for name, _ in rule.evidence} >= finding.evidence.keys() - {
            "claim",
            "policy_arn",
        }
        shown = values | {json.dumps(value) for value in values if isinstance(value, int)}
        assert {text for name, text in finding.evidence.items() if name != "claim"} <= shown


@pytest.mark.parametrize(("rule_id", "record"), all_cases("matches", "ignores"))
def test_a_case_has_the_layout_of_a_real_record(rule_id: str, record: CloudTrailRecord) -> None:
    assert rule_id
    optional = {"readOnly"}  # older records do not have it
    assert attach_event(ACCOUNT, "someone").keys() - optional <= record.keys()


@pytest.mark.parametrize("rule_id", RULE_IDS)
def test_the_cases_of_a_rule_are_different_events(rule_id: str) -> None:
    records = [*cases_of(rule_id, "matches"), *cases_of(rule_id, "ignores")]
    assert len({record["eventID"] for record in records}) == len(records)


@pytest.mark.parametrize("rule", RULES.rules, ids=RULE_IDS)
def test_a_rule_says_what_a_reader_of_its_alert_needs(rule: Rule) -> None:
    file = rule.file
    assert (BUILT_IN / f"{file.id}.yaml").is_file()
    for text in (file.title, file.description, file.false_positives, file.runbook):
        assert text.isascii()
        assert text.strip() == text
        assert text
    assert file.mitre
    assert file.references
    assert file.remediate is None or file.remediate in ALL


def test_no_two_rules_share_a_title() -> None:
    titles = [rule.file.title for rule in RULES.rules]
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
def test_a_role_may_be_named_by_its_arn_in_this_account(arn: object, name: str | None) -> None:
    record = cases_of("role_assumed_from_another_account", "matches")[0]
    record |= {"requestParameters": {"roleArn": arn}}
    if name is None:
        with pytest.raises(Malformed, match="roleArn must name the role"):
            findings(record)
    else:
        (finding,) = findings(record)
        assert finding.subject == Subject(SubjectKind.ROLE, name)


# --- what EventBridge is told to send us


READ_ONLY_CALLS = {
    record["eventName"]
    for rule_id in RULE_IDS
    for record in cases_of(rule_id, "matches")
    if record.get("readOnly")
}


def delivered(record: CloudTrailRecord, rules: RuleSet = RULES) -> list[str]:
    """The bus rules that AWS would bring a record by."""
    return [
        name
        for name, route in rules.routes().items()
        if compile_pattern(route.pattern)(envelope(record))
        and (route.state is RouteState.WITH_READS or not record.get("readOnly"))
    ]


def test_a_routing_pattern_of_each_source_fits_into_an_eventbridge_rule() -> None:
    for route in routing_patterns(RULES).values():
        text = json.dumps(route["pattern"], separators=(",", ":"))
        assert len(text) <= EVENTBRIDGE_PATTERN_CHARACTERS


@pytest.mark.parametrize(("rule_id", "record"), all_cases("matches"))
def test_what_a_rule_matches_is_brought_also_when_it_is_read_only(
    rule_id: str, record: CloudTrailRecord
) -> None:
    assert rule_id
    assert delivered(record)


@pytest.mark.parametrize("rule", RULES.rules, ids=RULE_IDS)
def test_a_rule_about_calls_that_a_record_calls_read_only_says_so_and_no_other_does(
    rule: Rule,
) -> None:
    wanted = rule.file.when["detail"].get("eventName", ())
    assert rule.file.reads == bool(READ_ONLY_CALLS.intersection(wanted))


def test_the_sessions_that_nobody_asked_about_are_not_brought() -> None:
    (record, *_) = cases_of("role_assumed_from_another_account", "matches")
    assert delivered(record) == ["rule-role_assumed_from_another_account"]
    own = {**record["userIdentity"], "type": "AssumedRole"}
    assert delivered(record | {"userIdentity": own}) == []
    assert delivered(record | {"eventName": "GetCallerIdentity"}) == []
    (token, *_) = cases_of("session_token_issued_without_mfa", "matches")
    with_mfa = {"serialNumber": "arn:aws:iam::111122223333:mfa/somebody"}
    assert delivered(token | {"requestParameters": with_mfa}) == []


def test_a_rule_that_names_no_source_has_a_bus_rule_of_its_own_without_reads() -> None:
    when = {"detail": {"userIdentity": {"type": ["Root"]}}}
    routes = RuleSet([*RULES.rules, rule_file("root_did_it", when)]).routes()
    assert routes["rule-root_did_it"] == Route(when)
    assert {n: r for n, r in routes.items() if n != "rule-root_did_it"} == RULES.routes()


def test_a_rule_that_restores_shares_its_bus_rule_with_what_must_be_known_before() -> None:
    when = {"detail": {"eventSource": ["iam.amazonaws.com"], "eventName": ["PutRolePolicy"]}}
    rule = rule_file("policy_put", when, restores="inline_policy")
    (route,) = RuleSet([rule]).routes().items()
    assert route[0] == "any"
    assert "DeleteRolePolicy" in route[1].pattern["detail"]["eventName"]


def test_what_is_read_only_replaces_nothing() -> None:
    with pytest.raises(ValidationError, match="`reads` and `restores` exclude each other"):
        rule_file("policy_read", {"source": ["aws.iam"]}, reads=True, restores="inline_policy")


def test_a_rule_about_reads_has_the_name_of_no_source() -> None:
    rules = [rule_file("sts", STS, reads=True), rule_file("other_one", STS)]
    assert list(RuleSet(rules).routes()) == ["rule-sts", "sts"]


def test_what_no_rule_wants_is_not_brought() -> None:
    record = attach_event(ACCOUNT, "someone")
    assert delivered(record) == ["iam"]
    assert delivered(record | {"eventName": "ListUsers"}) == []
    assert delivered(record | {"eventSource": "s3.amazonaws.com"}) == []


def test_the_routing_pattern_lists_what_any_of_its_rules_lists() -> None:
    rules = RuleSet(
        rule_file(f"rule_{name}", {"detail": {"eventName": [name]}}) for name in ("b", "a")
    )
    assert rules.routing_pattern() == {"detail": {"eventName": ["a", "b"]}}


def test_the_routing_pattern_leaves_open_what_one_rule_leaves_open() -> None:
    open_rule = rule_file("any_iam_call", {"source": ["aws.iam"], "detail": {"errorCode": ["x"]}})
    assert RuleSet([*RULES.rules, open_rule]).routes()["iam"] == Route({"source": ["aws.iam"]})


# --- the index


@pytest.mark.parametrize(("rule_id", "record"), all_cases("matches", "ignores"))
def test_300_rules_about_other_calls_change_no_finding(
    rule_id: str, record: CloudTrailRecord
) -> None:
    assert rule_id
    assert findings(record, AMONG_300) == findings(record)


def test_300_rules_about_other_calls_are_not_even_asked() -> None:
    event = parse(json.dumps(envelope(attach_event(ACCOUNT, "someone"))))
    assert AMONG_300.candidates(event) == RULES.candidates(event)
    assert len(AMONG_300.rules) == len(RULES.rules) + 300


def test_a_rule_about_any_call_of_root_is_asked_about_no_call_of_others() -> None:
    def asked(kind: str) -> list[str]:
        record = attach_event(ACCOUNT, "someone")
        record["userIdentity"] |= {"type": kind}
        return [rule.id for rule in RULES.candidates(parse(json.dumps(envelope(record))))]

    assert asked("Root") == [*asked("IAMUser"), "root_acted"]
    assert "root_acted" not in asked("AssumedRole")


def test_a_call_of_root_that_a_rule_is_about_has_both_findings() -> None:
    *_, created = cases_of("root_acted", "matches")
    assert [finding.rule_id for finding in findings(created)] == ["user_created", "root_acted"]
    assert sorted(delivered(created)) == ["iam", "rule-root_acted"]


AMONG_300 = RuleSet(
    [
        *RULES.rules,
        *(
            rule_file(
                f"other_call_{number}",
                {
                    "detail": {
                        "eventSource": ["iam.amazonaws.com"],
                        "eventName": [f"OtherCall{number}"],
                    }
                },
            )
            for number in range(300)
        ),
    ]
)


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
def test_a_rule_that_cannot_be_indexed_is_asked_about_every_event(when: dict[str, Any]) -> None:
    rules = RuleSet([*RULES.rules, rule_file("open_rule", when)])
    found = [f.rule_id for f in findings(attach_event(ACCOUNT, "someone"), rules)]
    assert found == ["admin_policy_attached_to_user", "open_rule"]


def test_a_rule_about_several_calls_is_found_by_each() -> None:
    names = ["AttachUserPolicy", "PutUserPolicy"]
    when = {"detail": {"eventSource": ["iam.amazonaws.com"], "eventName": names}}
    rules = RuleSet([rule_file("several_calls", when)])
    for name in names:
        record = attach_event(ACCOUNT, "someone") | {"eventName": name}
        assert [f.rule_id for f in findings(record, rules)] == ["several_calls"]
