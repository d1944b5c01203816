"""What must hold for all policies, and the answers of another evaluator of IAM's logic."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from moto.iam.access_control import IAMPolicy, PermissionResult

from countermand.core.policies.escalations import WAYS, Privilege
from countermand.core.policies.evaluate import Holder, evaluate_policies

ACCOUNT = "111122223333"
HOLDER = Holder(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/bob")
RANK = list(Privilege)
DENY_ALL = {"Effect": "Deny", "Action": "*", "Resource": "*"}
CONDITION = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
CONDITIONAL = {
    Privilege.ADMIN: Privilege.CONDITIONAL_ADMIN,
    Privilege.ESCALATION: Privilege.CONDITIONAL_ESCALATION,
    Privilege.TAKEOVER: Privilege.CONDITIONAL_TAKEOVER,
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


def privilege(*policies: list[Statement], boundary: list[Statement] | None = None) -> Privilege:
    named = {str(number): document(policy) for number, policy in enumerate(policies)}
    limit = None if boundary is None else document(boundary)
    return evaluate_policies(named, HOLDER, limit).privilege


def is_as_bad(one: Privilege, other: Privilege) -> bool:
    return RANK.index(one) <= RANK.index(other)


@given(LISTS, statements_of())
def test_one_more_allow_never_lowers_a_claim(policy: list[Statement], more: Statement) -> None:
    assert is_as_bad(privilege([*policy, more | {"Effect": "Allow"}]), privilege(policy))


@given(LISTS, statements_of())
def test_one_more_deny_never_raises_a_claim(policy: list[Statement], more: Statement) -> None:
    assert is_as_bad(privilege(policy), privilege([*policy, more | {"Effect": "Deny"}]))


@given(LISTS)
def test_a_deny_of_everything_takes_every_claim_away(policy: list[Statement]) -> None:
    assert privilege([*policy, DENY_ALL]) is Privilege.NONE
    assert privilege(policy, [DENY_ALL]) is Privilege.NONE
    assert privilege(policy, boundary=[DENY_ALL]) is Privilege.NONE


@given(LISTS, statements_of())
def test_a_deny_under_a_condition_takes_no_claim_away(
    policy: list[Statement], more: Statement
) -> None:
    after = privilege([*policy, more | {"Effect": "Deny", "Condition": CONDITION}])
    assert (after is Privilege.NONE) == (privilege(policy) is Privilege.NONE)


@given(LISTS)
def test_a_condition_on_everything_makes_the_answer_conditional_and_never_none(
    policy: list[Statement],
) -> None:
    grants = [s for s in policy if s["Effect"] == "Allow"]
    plain = [{k: v for k, v in s.items() if k != "Condition"} for s in grants]
    worst = privilege(plain)
    answer = privilege([s | {"Condition": CONDITION} for s in plain])
    assert answer is CONDITIONAL.get(worst, worst)


@given(LISTS, st.randoms(use_true_random=False))
def test_the_order_of_statements_and_policies_does_not_matter(
    policy: list[Statement], random: Any
) -> None:
    expected = privilege(policy)
    shuffled = random.sample(policy, len(policy))
    assert privilege(shuffled) is expected
    assert privilege(*[[statement] for statement in shuffled]) is expected


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

    assert privilege([other_form(statement) for statement in policy]) is privilege(policy)


@given(LISTS, LISTS)
def test_a_boundary_never_raises_a_claim(policy: list[Statement], limit: list[Statement]) -> None:
    everything = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
    assert is_as_bad(privilege(policy), privilege(policy, boundary=limit))
    assert privilege(policy, boundary=everything) is privilege(policy)
    assert privilege(everything, boundary=policy) is privilege(policy, boundary=everything)


@given(st.text(max_size=300) | st.recursive(st.none() | st.text() | st.integers(), st.lists))
def test_whatever_comes_gets_an_answer(anything: object) -> None:
    for given_ in (anything, json.dumps(anything), {"Statement": anything}):
        answer = evaluate_policies({str(anything)[:50]: given_}, HOLDER)
        assert answer.privilege in {Privilege.UNREADABLE, Privilege.NONE}
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
        way.privilege
        for way in ANYTHING
        if all(permits(moto, need) for need in way.needs)
        or (way.on_own and ":user/" in way.needs[0] and permits(moto, way.needs[0], HOLDER.arn))
    }
    answer = privilege(policy)
    if answer is Privilege.TAKEOVER and not found:
        # By roles that a statement names, about which moto cannot be asked.
        assert any(NAMED_ROLES in s["Resource"] for s in policy if s["Effect"] == "Allow")
    else:
        assert answer is min(found, key=RANK.index, default=Privilege.NONE)
