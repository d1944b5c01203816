"""What must hold for all policies, and the answers of another evaluator of IAM's logic."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from moto.iam.access_control import IAMPolicy, PermissionResult

from countermand.core.policies.escalations import WAYS, Claim
from countermand.core.policies.evaluate import Holder, judge_policies

ACCOUNT = "111122223333"
HOLDER = Holder(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/bob")
RANK = list(Claim)
DENY_ALL = {"Effect": "Deny", "Action": "*", "Resource": "*"}
CONDITION = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
CONDITIONAL = {
    Claim.ADMIN: Claim.CONDITIONAL_ADMIN,
    Claim.ESCALATION: Claim.CONDITIONAL_ESCALATION,
    Claim.TAKEOVER: Claim.CONDITIONAL_TAKEOVER,
}

type Statement = dict[str, Any]

ANYTHING = [way for way in WAYS if not any(need.endswith("/SOME") for need in way.needs)]
NAMED_ROLES = "arn:aws:iam::*:role/app-*"
ACTIONS = sorted({need.split(" ")[0] for way in WAYS for need in way.needs if need[0] != "="})
WILDCARDS = ["*", "iam:*", "iam:Put*", "iam:*User*", "lambda:*", "ec2:*", "*:Create*", "s3:*"]
RESOURCES = [
    "*",
    f"arn:aws:iam::{ACCOUNT}:user/bob",
    f"arn:aws:iam::{ACCOUNT}:user/*",
    "arn:aws:iam::*:role/*",
    NAMED_ROLES,
    "arn:aws:lambda:*:*:function:*",
    "arn:aws:s3:::example",
]


def statements_of(*, conditions: bool = True, inverted: bool = True) -> st.SearchStrategy[Any]:
    actions = st.lists(st.sampled_from([*ACTIONS, *WILDCARDS]), min_size=1, max_size=4)
    resources = st.lists(st.sampled_from(RESOURCES), min_size=1, max_size=2)
    action_keys = st.sampled_from(["Action", "Action", "Action", "NotAction"])
    resource_keys = st.sampled_from(["Resource"] * 4 + ["NotResource"] * inverted)
    condition = st.sampled_from([{}, {}, {"Condition": CONDITION}] if conditions else [{}])
    return st.builds(
        lambda effect, a, action, r, resource, c: {"Effect": effect, a: action, r: resource} | c,
        st.sampled_from(["Allow", "Allow", "Deny"]),
        action_keys,
        actions,
        resource_keys,
        resources,
        condition,
    )


LISTS = st.lists(statements_of(), max_size=5)


def document(statements: list[Statement]) -> dict[str, object]:
    return {"Version": "2012-10-17", "Statement": statements}


def claim(*policies: list[Statement], boundary: list[Statement] | None = None) -> Claim:
    named = {str(number): document(policy) for number, policy in enumerate(policies)}
    limit = None if boundary is None else document(boundary)
    return judge_policies(named, HOLDER, limit).claim


def is_as_bad(one: Claim, other: Claim) -> bool:
    return RANK.index(one) <= RANK.index(other)


@given(LISTS, statements_of())
def test_one_more_allow_never_lowers_a_claim(policy: list[Statement], more: Statement) -> None:
    assert is_as_bad(claim([*policy, more | {"Effect": "Allow"}]), claim(policy))


@given(LISTS, statements_of())
def test_one_more_deny_never_raises_a_claim(policy: list[Statement], more: Statement) -> None:
    assert is_as_bad(claim(policy), claim([*policy, more | {"Effect": "Deny"}]))


@given(LISTS)
def test_a_deny_of_everything_takes_every_claim_away(policy: list[Statement]) -> None:
    assert claim([*policy, DENY_ALL]) is Claim.NONE
    assert claim(policy, [DENY_ALL]) is Claim.NONE
    assert claim(policy, boundary=[DENY_ALL]) is Claim.NONE


@given(LISTS, statements_of())
def test_a_deny_under_a_condition_takes_no_claim_away(
    policy: list[Statement], more: Statement
) -> None:
    after = claim([*policy, more | {"Effect": "Deny", "Condition": CONDITION}])
    assert (after is Claim.NONE) == (claim(policy) is Claim.NONE)


@given(LISTS)
def test_a_condition_on_everything_makes_the_answer_conditional_and_never_none(
    policy: list[Statement],
) -> None:
    grants = [s for s in policy if s["Effect"] == "Allow"]
    plain = [{k: v for k, v in s.items() if k != "Condition"} for s in grants]
    worst = claim(plain)
    answer = claim([s | {"Condition": CONDITION} for s in plain])
    assert answer is CONDITIONAL.get(worst, worst)


@given(LISTS, st.randoms(use_true_random=False))
def test_the_order_of_statements_and_policies_does_not_matter(
    policy: list[Statement], random: Any
) -> None:
    expected = claim(policy)
    shuffled = random.sample(policy, len(policy))
    assert claim(shuffled) is expected
    assert claim(*[[statement] for statement in shuffled]) is expected


@given(LISTS)
def test_case_of_actions_and_single_values_do_not_matter(policy: list[Statement]) -> None:
    def other_form(statement: Statement) -> Statement:
        changed = dict(statement)
        for key in changed.keys() & {"Action", "NotAction"}:
            changed[key] = [action.upper() for action in changed[key]]
        for key in changed.keys() - {"Effect", "Condition"}:
            if len(changed[key]) == 1:
                (changed[key],) = changed[key]
        return changed

    assert claim([other_form(statement) for statement in policy]) is claim(policy)


@given(LISTS, LISTS)
def test_a_boundary_never_raises_a_claim(policy: list[Statement], limit: list[Statement]) -> None:
    everything = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
    assert is_as_bad(claim(policy), claim(policy, boundary=limit))
    assert claim(policy, boundary=everything) is claim(policy)
    assert claim(everything, boundary=policy) is claim(policy, boundary=everything)


@given(st.text(max_size=300) | st.recursive(st.none() | st.text() | st.integers(), st.lists))
def test_whatever_comes_gets_an_answer(anything: object) -> None:
    for given_ in (anything, json.dumps(anything), {"Statement": anything}):
        answer = judge_policies({str(anything)[:50]: given_}, HOLDER)
        assert answer.claim in {Claim.UNREADABLE, Claim.NONE}
        assert answer.why.isprintable()


# moto knows Allow, Deny, Action, NotAction, Resource and `*`; it compares with case, takes `?` for
# a regular expression's and ignores NotResource, and a condition that fails denies. Hence the
# narrower documents here.


def permits(policy: IAMPolicy, need: str, resource: str = "") -> bool:
    action, _, place = need.partition(" ")
    service, _, rest = place.replace("NAME", "=").partition(":")
    arn = f"arn:aws:{service}:{'' if service == 'iam' else '='}:{ACCOUNT}:{rest}"
    arn = resource or (f"arn:aws:{service}:{rest}" if rest.startswith("::") else arn)
    return bool(policy.is_action_permitted(action, arn) is PermissionResult.PERMITTED)


@settings(max_examples=200)
@given(st.lists(statements_of(conditions=False, inverted=False), min_size=1, max_size=5))
def test_motos_evaluation_of_the_same_requests_gives_the_same_answer(
    policy: list[Statement],
) -> None:
    moto = IAMPolicy(json.dumps(document(policy)))
    found = {
        way.claim
        for way in ANYTHING
        if all(permits(moto, need) for need in way.needs)
        or (way.on_own and ":user/" in way.needs[0] and permits(moto, way.needs[0], HOLDER.arn))
    }
    answer = claim(policy)
    if answer is Claim.TAKEOVER and not found:
        # By roles that a statement names, about which moto cannot be asked.
        assert any(NAMED_ROLES in s["Resource"] for s in policy if s["Effect"] == "Allow")
    else:
        assert answer is min(found, key=RANK.index, default=Claim.NONE)
