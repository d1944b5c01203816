"""What policies give their holder: a table of documents with known answers, and AWS's own."""

import json
import time
import timeit
from collections.abc import Mapping
from functools import partial
from itertools import batched
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.iam.aws_managed_policies import aws_managed_policies_data

from countermand.actions import ALL
from countermand.core.checks.policies import ADMIN_POLICY_ARNS
from countermand.core.policies.escalations import WAYS, Privilege, Way
from countermand.core.policies.evaluate import Evaluation, Holder, evaluate_policies
from countermand.rules.rulebook import BUILT_IN, load_rules

ACCOUNT = "111122223333"
HERE = Path(__file__).parent
TABLE: list[dict[str, Any]] = yaml.safe_load(
    (HERE / "policy_documents.yaml").read_text(encoding="utf-8")
)
REVIEWED: dict[str, list[str]] = yaml.safe_load(
    (HERE / "managed_policies.yaml").read_text(encoding="utf-8")
)
LONGEST_SENTENCE = 700
HOLDER = Holder(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/bob")
SOME_TENS = 0.3
"""Seconds of processor time: several times what the slowest document needs."""


def letters(count: int, form: str) -> list[str]:
    """Different patterns of one form."""
    return [form.replace("{}", str(number)) for number in range(count)]


def document(statements: object, version: str | None = "2012-10-17") -> dict[str, object]:
    return ({"Version": version} if version else {}) | {"Statement": statements}


def documents(row: dict[str, Any]) -> dict[str, object]:
    """The policies of a row, by name."""
    version = row.get("version", "2012-10-17")
    if "text" in row:
        return {"": row["text"]}
    if "policies" in row:
        return {
            name: found if isinstance(found, str) else document(found, version)
            for name, found in row["policies"].items()
        }
    return {"": document(row.get("statements", row.get("statement_object")), version)}


def judged(row: dict[str, Any], given: Mapping[str, object]) -> Evaluation:
    boundary = document(row["boundary"]) if "boundary" in row else row.get("boundary_text")
    return evaluate_policies(given, Holder(ACCOUNT, **row.get("holder", {})), boundary)


def as_text(given: object) -> str:
    return given if isinstance(given, str) else json.dumps(given)


@pytest.mark.parametrize("row", TABLE, ids=[row["name"] for row in TABLE])
def test_policies_get_the_answer_of_the_table(row: dict[str, Any]) -> None:
    answer = judged(row, documents(row))
    assert answer.privilege == row["privilege"], answer.why
    for name in ("action", "statement", "document"):
        if name in row:
            assert getattr(answer, name) == row[name]


@pytest.mark.parametrize("row", TABLE, ids=[row["name"] for row in TABLE])
def test_the_form_of_a_document_changes_no_answer(row: dict[str, Any]) -> None:
    given = documents(row)
    expected = judged(row, given)
    texts = {name: as_text(found) for name, found in given.items()}
    assert judged(row, texts) == expected
    assert judged(row, {name: quote(text) for name, text in texts.items()}) == expected


@pytest.mark.parametrize("row", TABLE, ids=[row["name"] for row in TABLE])
def test_an_answer_says_why_in_a_sentence_that_is_safe_to_print(row: dict[str, Any]) -> None:
    answer = judged(row, documents(row))
    assert answer.why.isascii()
    assert answer.why.isprintable()
    assert len(answer.why) < LONGEST_SENTENCE
    assert (answer.source != "") == (answer.action != "")


@pytest.mark.parametrize("pattern", ["*=*", "?", "arn:aws:iam::*:*/?", "*/="])
def test_who_knows_how_names_are_stood_in_for_hides_nothing(pattern: str) -> None:
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    denied = {"Effect": "Deny", "Action": "*", "Resource": [pattern]}
    but = {"Effect": "Allow", "Action": "*", "NotResource": pattern}
    for statements in ([everything, denied], but):
        answer = evaluate_policies({"": document(statements)}, Holder(ACCOUNT))
        assert answer.privilege is Privilege.ADMIN, answer.why


def test_the_table_is_long_and_gets_every_answer() -> None:
    assert len(TABLE) >= 150
    assert {row["privilege"] for row in TABLE} == set(Privilege)


def is_answer(way: Way, answer: Evaluation) -> bool:
    return answer.source == way.source and answer.why.endswith(f"its holder can {way.does}")


PASSING_SOME = [way for way in WAYS if way.needs[0] == "iam:PassRole iam:role/SOME"]
OTHERS = [way for way in WAYS if way not in PASSING_SOME]


@pytest.mark.parametrize("way", OTHERS, ids=[way.does for way in OTHERS])
def test_every_way_is_the_answer_of_a_row(way: Way) -> None:
    assert any(is_answer(way, judged(row, documents(row))) for row in TABLE)


@pytest.mark.parametrize("way", PASSING_SOME, ids=[way.does for way in PASSING_SOME])
def test_who_may_pass_a_role_that_the_policy_names_is_told_apart_from_who_may_pass_any(
    way: Way,
) -> None:
    rest = [need.partition(" ")[0] for need in way.needs[1:]]
    use = {"Effect": "Allow", "Action": rest, "Resource": "*"}
    one = {
        "Effect": "Allow",
        "Action": "iam:PassRole",
        "Resource": f"arn:aws:iam::{ACCOUNT}:role/app",
    }
    answer = evaluate_policies({"": document([use, one])}, Holder(ACCOUNT))
    assert is_answer(way, answer), answer.why
    assert answer.privilege is Privilege.TAKEOVER
    assert "on roles that it names (statement 2)" in answer.why
    assert not answer.privilege.is_risk
    everyone = evaluate_policies({"": document([use, one | {"Resource": "*"}])}, Holder(ACCOUNT))
    assert everyone.privilege is Privilege.ESCALATION


def test_no_two_ways_are_told_alike() -> None:
    assert len({(way.source, way.does) for way in WAYS}) == len(WAYS)


def test_every_way_says_what_it_does_and_who_says_so() -> None:
    for way in WAYS:
        assert way.source.startswith("https://")
        assert way.does
        assert way.does.isascii()
        assert way.privilege in {
            Privilege.ADMIN,
            Privilege.ESCALATION,
            Privilege.CONDITIONAL_ESCALATION,
            Privilege.TAKEOVER,
        }


# --- hostile documents


def test_a_hostile_sid_is_shown_in_part_and_without_its_control_characters() -> None:
    sid = "\x1b[2J\n\u202e" + "x" * 10_000
    statement = {"Sid": sid, "Effect": "Allow", "Action": "*", "Resource": "*"}
    answer = evaluate_policies({sid: document(statement)}, Holder(ACCOUNT))
    assert answer.privilege is Privilege.ADMIN
    assert answer.why.isprintable()
    assert answer.why.isascii()
    assert len(answer.why) < LONGEST_SENTENCE


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"Statement": ' + '{"a":' * 100_000, "nested too deeply"),
        ("{" + " " * (1 << 20) + "}", "longer than"),
        ('{"Statement": ' + "9" * 10_000 + "}", "digits"),
        (
            '{"Statement": [{"Effect": "Allow", "A\\u0007": 1, "A\\u0007": 2}]}',
            'key "A?" comes twice',
        ),
        ('{"Statement": [{}, 5]}', "statement 1: Effect must be Allow or Deny"),
        ('{"Statement": [{"Effect": "Deny", "Action": "x"}]}', "statement 1: a statement needs"),
        ("{'Statement'}", "no JSON at character 1"),
    ],
)
def test_what_is_no_policy_is_told_with_the_reason_and_the_place(text: str, reason: str) -> None:
    answer = evaluate_policies({"": text}, Holder(ACCOUNT))
    assert answer.privilege is Privilege.UNREADABLE
    assert reason in answer.why
    assert answer.why.isprintable()


@pytest.mark.parametrize(
    "statements",
    [
        [{"Effect": "Allow", "Action": "iam:" + "*a" * 200_000 + "b", "Resource": "*"}],
        [{"Effect": "Allow", "Action": "*" * 500_000 + "z", "Resource": "*"}],
        [{"Effect": "Allow", "Action": [f"*{n}*?" for n in range(60_000)], "Resource": "*"}],
        [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}] * 10_000,
        [{"Effect": "Allow", "Action": "iam:*", "Resource": "arn:aws:iam::*:user/x*y*z"}] * 8_000,
        [
            {
                "Effect": "Allow",
                "Action": "iam:*",
                "Resource": letters(30_000, "arn:aws:iam::*:user/*{}*"),
            }
        ],
    ],
    ids=["long", "stars", "many wildcards", "many statements", "many patterns", "many resources"],
)
def test_a_hostile_document_of_a_megabyte_costs_less_than_a_second(
    statements: list[object],
) -> None:
    text = json.dumps(document(statements))
    assert len(text) < 1 << 20
    begin = time.process_time()
    answer = evaluate_policies({"": text}, Holder(ACCOUNT))
    assert time.process_time() - begin < 1
    assert answer.privilege in {Privilege.NONE, Privilege.UNREADABLE}


LONGEST_IN_AN_EVENT = 131_072
"""Characters that IAM's API takes of a document, white space included.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutUserPolicy.html"""

HOSTILE = {
    "stars and question marks": letters(4_000, "*{}?*a?*r?*n?*w?*!?*"),
    "question marks": letters(4_000, "*" + "?" * 20 + "{}*?!*"),
    "question marks under a path": letters(2_000, "arn:aws:iam::*:*/" + "?*" * 10 + "{}?"),
    "stars": letters(4_000, "*{}" + "a*" * 10 + "="),
    "starts": letters(9_000, "{}*"),
    "one after another": letters(9_000, "arn:{}"),
}


@pytest.mark.parametrize("key", ["Resource", "NotResource", "Action", "NotAction"])
@pytest.mark.parametrize("effect", ["Allow", "Deny"])
@pytest.mark.parametrize("patterns", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_document_that_iams_api_takes_costs_some_tens_of_milliseconds(
    patterns: list[str], effect: str, key: str
) -> None:
    other = "Resource" if "Action" in key else "Action"
    together = {"Effect": effect, key: patterns, other: "*"}
    apart = [{"Effect": effect, key: pattern, other: "*"} for pattern in patterns]
    for statements in (together, apart):
        text = json.dumps(document(statements))
        text = text if len(text) <= LONGEST_IN_AN_EVENT else json.dumps(document(apart[:1_000]))
        assert len(text) <= LONGEST_IN_AN_EVENT
        judging = partial(evaluate_policies, {"": text}, HOLDER)
        # Processor time: what else runs on the machine hardly changes it.
        spent = timeit.repeat(judging, timer=time.process_time, number=1, repeat=3)
        assert min(spent) < SOME_TENS


def test_what_takes_too_long_to_judge_is_told_and_never_harmless() -> None:
    patterns = HOSTILE["stars and question marks"]
    hidden = [
        {"Effect": "Allow", "Action": "s3:Get*", "Resource": patterns},
        {"Effect": "Allow", "Action": "*", "Resource": [*patterns, "*a*?*"]},
    ]
    answer = evaluate_policies({"": document(hidden)}, HOLDER)
    assert answer.privilege is Privilege.UNREADABLE
    assert answer.privilege.is_risk
    assert "takes too long to judge" in answer.why


# --- AWS's own policies, all of them


def arn_of(place: str) -> str:
    service, _, rest = place.partition(":")
    if rest.startswith("::"):
        return f"arn:aws:{service}:{rest}"
    return f"arn:aws:{service}:{'' if service == 'iam' else '='}:{ACCOUNT}:{rest}"


@pytest.fixture(scope="module")
def managed() -> dict[str, Any]:
    found = json.loads(aws_managed_policies_data)
    return {name: policy["Document"] for name, policy in found.items()}


def test_all_managed_policies_get_the_claim_that_was_reviewed(managed: dict[str, Any]) -> None:
    claims: dict[str, list[str]] = {}
    for name, found in managed.items():
        privilege = evaluate_policies({name: json.dumps(found)}, Holder(ACCOUNT)).privilege
        if privilege is not Privilege.NONE:
            claims.setdefault(privilege, []).append(name)
    assert len(managed) > 1000
    assert {privilege: sorted(names) for privilege, names in claims.items()} == REVIEWED


@pytest.mark.parametrize(
    "name", [n for c in ("admin", "escalation", "takeover") for n in REVIEWED[c]]
)
def test_moto_permits_what_a_managed_policy_is_said_to_allow(
    managed: dict[str, Any], name: str
) -> None:
    answer = evaluate_policies({name: managed[name]}, Holder(ACCOUNT))
    way = next(way for way in WAYS if is_answer(way, answer))
    statements = managed[name]["Statement"]
    # moto takes NotResource for "all", which is right for the resources that are asked about.
    policy = IAMPolicy(json.dumps(document([s for s in statements if not s.get("Condition")])))
    for need in way.needs:
        action, _, place = need.replace("NAME", "=").partition(" ")
        if place.endswith("/SOME"):
            continue  # moto would have to be asked about each role that the policy names
        assert policy.is_action_permitted(action, arn_of(place)) is PermissionResult.PERMITTED


def test_ten_managed_policies_as_many_as_a_group_may_have_are_judged_within_the_limit(
    managed: dict[str, Any],
) -> None:
    # The longest first, so that the dearest come together.
    longest = sorted(managed, key=lambda name: len(json.dumps(managed[name])), reverse=True)
    for names in batched(longest, 10):
        together = {name: managed[name] for name in names}
        assert evaluate_policies(together, HOLDER).privilege is not Privilege.UNREADABLE, names


@pytest.mark.parametrize("kind", ["user", "role", "group"])
def test_every_policy_of_awss_that_leads_to_administrator_rights_is_told_when_attached(
    kind: str,
) -> None:
    risky = REVIEWED["admin"] + REVIEWED["escalation"]
    data = json.loads(aws_managed_policies_data)
    paths = {f"{data[name]['Path']}{name}" for name in risky}
    if kind == "role":
        # Made for the roles of AWS's services, and attached to them by AWS's own consoles.
        paths = {path for path in paths if not path.startswith("/service-role/")}
    arns = {
        f"arn:{partition}:iam::aws:policy{path}"
        for partition in ("aws", "aws-cn", "aws-us-gov")
        for path in paths
    }
    rules = {rule.id: rule.file for rule in load_rules(ALL, BUILT_IN).rules}
    when = rules[f"escalation_policy_attached_to_{kind}"].when
    notified = when["detail"]["requestParameters"]["policyArn"]
    assert len(notified) == len(set(notified))
    assert set(notified) | ADMIN_POLICY_ARNS == arns
    assert not set(notified) & ADMIN_POLICY_ARNS
