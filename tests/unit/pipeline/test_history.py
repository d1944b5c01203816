"""What a change replaced is known from a snapshot and from notes, or it is said to be unknown."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from countermand.actions import ALL
from countermand.core.aspects import calls_of
from countermand.core.errors import CannotRestore, Denied, Gone, Transient
from countermand.core.governance.guardrails import Guardrails
from countermand.core.model import (
    Actor,
    Aspect,
    Baseline,
    Event,
    Finding,
    Mode,
    Principal,
    Severity,
    Subject,
    SubjectKind,
)
from countermand.core.rules.rule import RuleSet
from countermand.ledger.sqlite import SqliteLedger
from countermand.pipeline.history import History
from countermand.rules.rulebook import BUILT_IN, load_rules
from support.fakes import ACCOUNT, NOW, FrozenClock, Recorder, user

ROLE = "iam-test-role"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/limits"
RULES = load_rules(ALL, BUILT_IN)
PROVIDER = f"arn:aws:iam::{ACCOUNT}:saml-provider/iam-test-idp"
POLICY_ARN = f"arn:aws:iam::{ACCOUNT}:policy/iam-test-policy"
TRAIL = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/iam-test-trail"
CALLS = [
    (source, name)
    for source in ("iam.amazonaws.com", "cloudtrail.amazonaws.com")
    for name in calls_of(source, frozenset(Aspect))
]


def document(**statement: object) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]}


def trust(account: str) -> dict[str, Any]:
    root = f"arn:aws:iam::{account}:root"
    return document(Principal={"AWS": root}, Action="sts:AssumeRole")


LAMBDA = document(Principal={"Service": "lambda.amazonaws.com"}, Action="sts:AssumeRole")
OWN, FOREIGN = trust(ACCOUNT), trust("444455556666")
READ, ADMIN = (document(Action=action, Resource="*") for action in ("s3:GetObject", "*"))


class FakeIam(Recorder):
    """One role, user, identity provider and trail, whose properties a test sets."""

    def __init__(self) -> None:
        super().__init__()
        self.trust: dict[str, Any] = OWN
        self.boundary = ""
        self.inline: dict[str, Any] | None = None
        self.gone = False
        self.metadata = "<idp/>"
        self.during: dict[str, Callable[[], None]] = {}
        self.password_policy: dict[str, Any] | None = None
        self.user = {
            "UserName": "iam-test-user",
            "UserId": "AIDAUSER",
            "Arn": f"arn:aws:iam::{ACCOUNT}:user/iam-test-user",
        }

    def role(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "RoleName": ROLE,
            "RoleId": "AROAROLE",
            "Arn": f"arn:aws:iam::{ACCOUNT}:role/{ROLE}",
            "AssumeRolePolicyDocument": self.trust,
        }
        if self.boundary:
            shown["PermissionsBoundary"] = {"PermissionsBoundaryArn": self.boundary}
        return shown

    def call(self, operation: str, **request: Any) -> Any:
        self.record(operation, request)
        missing = self.password_policy if "Password" in operation else self.inline
        if self.gone or (operation.endswith("Policy") and missing is None):
            raise Gone(operation)
        if operation == "iam:GetRole":
            return {"Role": self.role()}
        if operation == "iam:GetUser":
            return {"User": self.user}
        if operation == "iam:GetSAMLProvider":
            return {"SAMLMetadataDocument": self.metadata}
        if operation == "iam:GetAccountPasswordPolicy":
            return {"PasswordPolicy": self.password_policy}
        if operation == "cloudtrail:GetTrail":
            return {"Trail": {"S3BucketName": "logs", "LogFileValidationEnabled": True}}
        return {"PolicyDocument": self.inline}

    def items(self, operation: str, key: str, **request: Any) -> Sequence[Any]:
        return list(self.each(operation, key, **request))

    def each(self, operation: str, key: str, **request: Any) -> Iterator[Any]:
        self.record(operation, key, request)
        self.during.get(operation, lambda: None)()
        if key == "RoleDetailList":
            inline = {"RolePolicyList": [{"PolicyName": "p", "PolicyDocument": self.inline}]}
            yield self.role() | (inline if self.inline else {})
            yield self.role() | {"RoleName": "stranger", "RoleId": "AROASTRANGER"}
        if key == "UserDetailList":
            yield self.user
        if key == "SAMLProviderList":
            yield {"Arn": PROVIDER}
            yield {"Arn": PROVIDER.replace("iam-test", "other")}
        if key == "Trails":
            yield {"TrailARN": TRAIL}


@pytest.fixture
def iam() -> FakeIam:
    return FakeIam()


@pytest.fixture
def ledger(tmp_path: Path, clock: FrozenClock) -> Iterator[SqliteLedger]:
    opened = SqliteLedger(tmp_path / "l.sqlite3", clock, "a", retention_days=30)
    yield opened
    opened.close()


@pytest.fixture
def history(iam: FakeIam, ledger: SqliteLedger, clock: FrozenClock) -> History:
    policy = Guardrails(ACCOUNT, "us-east-1", resource_scope="iam-test-*", account_scope=ACCOUNT)
    rules = RuleSet(replace(rule, info=replace(rule.info, mode=None)) for rule in RULES.rules)
    return History(iam, ledger, clock, policy, lambda: rules)


@pytest.fixture
def world(
    history: History, iam: FakeIam, ledger: SqliteLedger
) -> tuple[History, FakeIam, SqliteLedger]:
    return history, iam, ledger


def event(name: str, time: datetime = NOW, **changes: Any) -> Event:
    request = {"roleName": ROLE, "policyName": "p"} | changes.pop("request", {})
    actor = Actor("IAMUser", "arn:x", ACCOUNT, "")
    source = "iam.amazonaws.com"
    made = Event(
        id="k",
        event_id="e",
        account_id=ACCOUNT,
        region="us-east-1",
        source=source,
        name=name,
        time=time,
        actor=actor,
        request=request,
    )
    made = replace(made, **{"request": request, **changes})
    return replace(made, body={"detail": {**made.body, "requestParameters": made.request}})


def finding(aspect: Aspect) -> Finding:
    subject, evidence = Subject(SubjectKind.ROLE, ROLE), {"policy_name": "p"}
    return Finding(
        rule_id="r",
        title="title",
        severity=Severity.HIGH,
        subject=subject,
        evidence=evidence,
        remediation="x",
        restores=aspect,
    )


def role(**changes: Any) -> Principal:
    return replace(user(ROLE, kind=SubjectKind.ROLE, unique_id="AROAROLE"), **changes)


def before(history: History, clock: FrozenClock, aspect: Aspect, **changes: Any) -> str:
    """What a change made this very second replaced."""
    changed = event("UpdateAssumeRolePolicy", clock.now())
    return replaced(history, changed, aspect, **changes)


def replaced(history: History, changed: Event, aspect: Aspect, **changes: Any) -> str:
    about = finding(aspect)
    assert about.subject is not None
    return history.before(changed, about, about.subject, role(**changes))


# --- the snapshot


def test_before_any_snapshot_nothing_is_known(history: History, clock: FrozenClock) -> None:
    with pytest.raises(CannotRestore, match="previous trust policy is unknown"):
        before(history, clock, Aspect.TRUST_POLICY)


def test_a_snapshot_precedes_a_later_change(
    history: History, iam: FakeIam, clock: FrozenClock
) -> None:
    """A snapshot holds the values from before a later change."""
    iam.boundary, iam.inline = BOUNDARY, READ
    history.refresh()
    clock.advance(60)
    iam.trust, iam.boundary, iam.inline = FOREIGN, "", ADMIN
    assert json.loads(before(history, clock, Aspect.TRUST_POLICY)) == OWN
    assert before(history, clock, Aspect.PERMISSIONS_BOUNDARY) == BOUNDARY
    assert json.loads(before(history, clock, Aspect.INLINE_POLICY)) == READ


def test_a_snapshot_knows_a_missing_value(history: History, clock: FrozenClock) -> None:
    history.refresh()
    clock.advance(60)
    assert before(history, clock, Aspect.PERMISSIONS_BOUNDARY) == ""
    assert before(history, clock, Aspect.INLINE_POLICY) == ""


def test_an_earlier_change_may_be_in_a_snapshot(history: History, clock: FrozenClock) -> None:
    """A change from before the snapshot may be in it."""
    changed = event("UpdateAssumeRolePolicy", clock.now())
    clock.advance(1)
    history.refresh()
    with pytest.raises(CannotRestore):
        replaced(history, changed, Aspect.TRUST_POLICY)


def test_a_snapshot_ignores_another_role(history: History, clock: FrozenClock) -> None:
    """Another role of the same name is not in the snapshot."""
    history.refresh()
    clock.advance(60)
    with pytest.raises(CannotRestore):
        before(history, clock, Aspect.TRUST_POLICY, unique_id="AROAOTHER")


@pytest.mark.parametrize("aspect", [Aspect.TRUST_POLICY, Aspect.PERMISSIONS_BOUNDARY])
def test_a_young_role_had_no_inline_policy(
    history: History, clock: FrozenClock, aspect: Aspect
) -> None:
    history.refresh()
    clock.advance(60)
    younger = {"unique_id": "AROAOTHER", "created": clock.now() - timedelta(seconds=9)}
    assert before(history, clock, Aspect.INLINE_POLICY, **younger) == ""
    with pytest.raises(CannotRestore):
        before(history, clock, aspect, **younger)


def test_only_principals_in_scope_are_kept(history: History, clock: FrozenClock) -> None:
    history.refresh()
    clock.advance(60)
    with pytest.raises(CannotRestore):
        before(history, clock, Aspect.TRUST_POLICY, unique_id="AROASTRANGER")


def test_when_a_snapshot_is_taken(history: History, iam: FakeIam, clock: FrozenClock) -> None:
    """A snapshot is taken every six hours, or when asked."""
    for seconds, asked, taken in (
        (0, False, 1),
        (6 * 3600 - 1, False, 1),
        (1, False, 2),
        (1, False, 2),
        (0, True, 3),
    ):
        clock.advance(seconds)
        history.refresh(asked=asked)
        assert len(iam.called("iam:GetAccountAuthorizationDetails")) == 3 * taken


def test_a_failed_snapshot_leaves_the_last_one(
    history: History, iam: FakeIam, clock: FrozenClock
) -> None:
    history.refresh()
    clock.advance(6 * 3600)
    iam.fail["iam:GetAccountAuthorizationDetails"] = [Denied("no")]
    history.refresh()
    assert json.loads(before(history, clock, Aspect.TRUST_POLICY)) == OWN
    clock.advance(300)
    iam.trust = READ
    history.refresh()
    clock.advance(1)
    assert json.loads(before(history, clock, Aspect.TRUST_POLICY)) == READ


def test_nothing_is_read_without_a_restore_rule(
    iam: FakeIam, ledger: SqliteLedger, clock: FrozenClock
) -> None:
    """Without a rule that restores, nothing is read."""
    history = History(iam, ledger, clock, Guardrails(ACCOUNT, "us-east-1"), lambda: RuleSet([]))
    history.refresh()
    history.save_baseline(event("UpdateAssumeRolePolicy"))
    assert iam.calls == []


def test_an_observing_rule_restores_nothing() -> None:
    """A rule that only observes restores nothing."""
    assert RULES.restored == frozenset(Aspect) - {Aspect.NAME}
    observing = RuleSet(
        replace(rule, info=replace(rule.info, mode=Mode.OBSERVE)) for rule in RULES.rules
    )
    assert observing.restored == frozenset()


# --- the notes


def test_a_change_in_place_is_the_next_baseline(
    history: History, iam: FakeIam, clock: FrozenClock
) -> None:
    """A change left in place is the next baseline."""
    history.refresh()
    clock.advance(60)
    iam.trust, changed = LAMBDA, event("UpdateAssumeRolePolicy", clock.now())
    clock.advance(30)
    history.save_baseline(changed)
    assert json.loads(before(history, clock, Aspect.TRUST_POLICY)) == LAMBDA


@pytest.mark.parametrize(("source", "name"), CALLS)
def test_every_change_saves_a_baseline(
    history: History, iam: FakeIam, clock: FrozenClock, source: str, name: str
) -> None:
    """Every change of an aspect saves a baseline."""
    iam.gone = True
    provider = {"sAMLProviderArn": PROVIDER, "openIDConnectProviderArn": PROVIDER}
    request = {
        "userName": "iam-test-user",
        "groupName": "iam-test-group",
        "name": TRAIL,
        "policyArn": POLICY_ARN,
        **provider,
    }
    answer = {**provider, "policy": {"arn": POLICY_ARN}}
    body = {"responseElements": answer, "recipientAccountId": ACCOUNT}
    changed = event(name, source=source, request=request, body=body)
    clock.advance(30)
    history.save_baseline(changed)
    assert iam.calls


def test_the_name_is_the_same_in_any_case(
    history: History, iam: FakeIam, clock: FrozenClock
) -> None:
    iam.inline = READ
    changed = event("PutRolePolicy", request={"roleName": ROLE.upper()})
    clock.advance(30)
    history.save_baseline(changed)
    assert json.loads(before(history, clock, Aspect.INLINE_POLICY)) == READ


def test_a_forged_value_is_never_saved(history: History, iam: FakeIam, clock: FrozenClock) -> None:
    forged = json.dumps(document(Action="iam:*", Resource="*"))
    changed = event("PutRolePolicy", request={"policyDocument": forged})
    iam.inline = READ
    clock.advance(30)
    history.save_baseline(changed)
    assert json.loads(before(history, clock, Aspect.INLINE_POLICY)) == READ


@pytest.mark.parametrize(("age", "wait"), [(0, 15), (10, 5), (14.5, 1)])
def test_it_waits_until_iam_must_show_the_change(
    history: History, clock: FrozenClock, age: float, wait: float
) -> None:
    clock.advance(age)
    with pytest.raises(Transient) as error:
        history.save_baseline(event("UpdateAssumeRolePolicy"))
    assert error.value.retry_in == wait


def test_an_old_baseline_is_not_restored(
    history: History, iam: FakeIam, clock: FrozenClock
) -> None:
    """An old baseline is not restored while its event waits."""
    history.refresh()
    clock.advance(60)
    iam.boundary = BOUNDARY
    with pytest.raises(Transient):
        history.save_baseline(event("PutRolePermissionsBoundary", clock.now()))
    clock.advance(3)
    with pytest.raises(CannotRestore):
        replaced(
            history,
            event("PutRolePermissionsBoundary", clock.now()),
            Aspect.PERMISSIONS_BOUNDARY,
        )


@pytest.mark.parametrize("worse", ["trust", "inline"])
def test_a_risky_value_is_saved_as_unknown(
    history: History, iam: FakeIam, clock: FrozenClock, worse: str
) -> None:
    history.refresh()
    clock.advance(60)
    iam.trust, iam.inline = (FOREIGN, READ) if worse == "trust" else (OWN, ADMIN)
    name = "UpdateAssumeRolePolicy" if worse == "trust" else "PutRolePolicy"
    changed = event(name, clock.now())
    clock.advance(30)
    history.save_baseline(changed)
    aspect = Aspect.TRUST_POLICY if worse == "trust" else Aspect.INLINE_POLICY
    with pytest.raises(CannotRestore):
        before(history, clock, aspect)


def test_an_unreadable_value_is_saved_as_unknown(
    history: History, iam: FakeIam, clock: FrozenClock
) -> None:
    history.refresh()
    clock.advance(60)
    iam.inline = READ
    iam.fail["iam:GetRolePolicy"] = [Denied("no")]
    changed = event("PutRolePolicy", clock.now())
    clock.advance(30)
    history.save_baseline(changed)
    with pytest.raises(CannotRestore):
        before(history, clock, Aspect.INLINE_POLICY)


def test_an_unreadable_principal_is_tried_again(
    history: History, iam: FakeIam, clock: FrozenClock
) -> None:
    """A principal that the worker may not read is tried again."""
    clock.advance(30)
    iam.fail["iam:GetRole"] = [Denied("no")]
    with pytest.raises(Denied):
        history.save_baseline(event("UpdateAssumeRolePolicy"))


def test_a_read_that_fails_is_tried_again(
    history: History, iam: FakeIam, clock: FrozenClock
) -> None:
    clock.advance(30)
    iam.fail["iam:GetRole"] = [Transient("throttled")]
    with pytest.raises(Transient):
        history.save_baseline(event("UpdateAssumeRolePolicy"))


@pytest.mark.parametrize(
    "changes",
    [
        {"error_code": "AccessDenied"},
        {"account_id": "444455556666"},
        {"region": "eu-west-1"},
        {"source": "sts.amazonaws.com"},
        {"name": "GetRole"},
        {"request": {"roleName": "stranger"}},
        {"request": {"roleName": 7}},
    ],
)
def test_a_foreign_change_saves_no_baseline(
    history: History, iam: FakeIam, clock: FrozenClock, changes: dict[str, Any]
) -> None:
    clock.advance(30)
    name = changes.pop("name", "UpdateAssumeRolePolicy")
    history.save_baseline(event(name, **changes))
    assert iam.calls == []


@pytest.mark.parametrize("request_", [None, {"omitted": True}])
def test_a_hidden_request_saves_no_baseline(
    history: History, iam: FakeIam, clock: FrozenClock, request_: dict[str, Any] | None
) -> None:
    clock.advance(30)
    hidden = event("UpdateAssumeRolePolicy")
    history.save_baseline(
        replace(hidden, request=request_, body={"detail": {"requestParameters": request_}})
    )
    assert iam.calls == []


# --- which of them counts


def test_two_quick_changes_leave_it_unknown(
    history: History, iam: FakeIam, clock: FrozenClock
) -> None:
    """Two changes within seconds leave the value unknown."""
    history.refresh()
    clock.advance(60)
    benign = event("PutRolePermissionsBoundary", clock.now())
    clock.advance(3)
    iam.boundary, evil = BOUNDARY, event("PutRolePermissionsBoundary", clock.now())
    clock.advance(20)
    history.save_baseline(benign)
    with pytest.raises(CannotRestore):
        replaced(history, evil, Aspect.PERMISSIONS_BOUNDARY)


def test_a_change_during_a_snapshot(history: History, iam: FakeIam, clock: FrozenClock) -> None:
    """A change during a snapshot uses the older snapshot."""
    history.refresh()
    clock.advance(60)
    iam.boundary, changed = BOUNDARY, event("PutRolePermissionsBoundary", clock.now())
    iam.during["iam:GetAccountAuthorizationDetails"] = lambda: clock.advance(1)
    history.refresh(asked=True)
    assert replaced(history, changed, Aspect.PERMISSIONS_BOUNDARY) == ""
    clock.advance(1)
    assert before(history, clock, Aspect.PERMISSIONS_BOUNDARY) == BOUNDARY


@pytest.mark.parametrize(
    ("noted_after", "snapshot_after", "expected"),
    [
        (100, None, "noted"),
        (100, 150, "snapshot"),
        (160, 150, "noted"),
        (100, 250, "noted"),
        (250, 150, None),
        (250, None, None),
        (200, None, "noted"),
    ],
)
def test_the_latest_earlier_snapshot_counts(
    world: tuple[History, FakeIam, SqliteLedger],
    clock: FrozenClock,
    noted_after: int,
    snapshot_after: int | None,
    expected: str | None,
) -> None:
    """The latest snapshot that is older than the change counts."""
    (history, iam, ledger), start = world, clock.now()
    noted_at = start + timedelta(seconds=noted_after)
    ledger.save_baseline("AROAROLE/permissions_boundary", Baseline("noted", noted_at))
    if snapshot_after is not None:
        clock.advance(snapshot_after)
        iam.boundary = "snapshot"
        history.refresh()
    changed = event("DeleteRolePermissionsBoundary", start + timedelta(seconds=200))
    if expected is None:
        with pytest.raises(CannotRestore):
            replaced(history, changed, Aspect.PERMISSIONS_BOUNDARY)
    else:
        assert replaced(history, changed, Aspect.PERMISSIONS_BOUNDARY) == expected


def test_a_recreated_role_has_no_baseline(history: History, clock: FrozenClock) -> None:
    """A baseline of a recreated role is ignored."""
    history.save_baseline(event("UpdateAssumeRolePolicy", clock.now() - timedelta(minutes=5)))
    assert json.loads(before(history, clock, Aspect.TRUST_POLICY)) == OWN
    with pytest.raises(CannotRestore):
        before(history, clock, Aspect.TRUST_POLICY, unique_id="AROAOTHER")


def test_the_history_of_a_user_outlives_a_rename(history: History, clock: FrozenClock) -> None:
    """The history of a user outlives a new name."""
    history.refresh()
    clock.advance(60)
    renamed = user("iam-test-other", unique_id="AIDAUSER")
    about = replace(finding(Aspect.NAME), subject=Subject(SubjectKind.USER, renamed.name))
    changed = event("UpdateUser", clock.now(), request={"newUserName": renamed.name})
    assert about.subject is not None
    assert history.before(changed, about, about.subject, renamed) == "iam-test-user"


# --- what is no principal


def of_provider(history: History, clock: FrozenClock, name: str = PROVIDER) -> str:
    subject = Subject(SubjectKind.RESOURCE, name)
    about = replace(finding(Aspect.SAML_METADATA), subject=subject)
    return history.before(event("UpdateSAMLProvider", clock.now()), about, subject, None)


def test_a_snapshot_knows_the_resources_in_scope(
    history: History, iam: FakeIam, clock: FrozenClock
) -> None:
    history.refresh()
    clock.advance(60)
    iam.metadata = "<evil/>"
    assert of_provider(history, clock) == "<idp/>"
    with pytest.raises(CannotRestore, match="previous saml metadata is unknown"):
        of_provider(history, clock, PROVIDER.replace("iam-test", "other"))


def test_an_event_names_a_trail_or_its_arn(history: History, clock: FrozenClock) -> None:
    """An event may name a trail or give its ARN."""
    history.refresh()
    clock.advance(60)
    for name in (TRAIL, "iam-test-trail"):
        subject = Subject(SubjectKind.RESOURCE, name)
        about = replace(finding(Aspect.TRAIL), subject=subject)
        changed = event("UpdateTrail", clock.now())
        settings = json.loads(history.before(changed, about, subject, None))
        assert settings == {"S3BucketName": "logs", "EnableLogFileValidation": True}


def let_stand(
    history: History, iam: FakeIam, clock: FrozenClock, metadata: str, *, alerted: bool = False
) -> None:
    """A change of the provider after a snapshot, baseline once IAM must show it."""
    history.refresh()
    clock.advance(60)
    iam.metadata = metadata
    changed = event("UpdateSAMLProvider", clock.now(), request={"sAMLProviderArn": PROVIDER})
    clock.advance(30)
    history.save_baseline(changed, alerted=alerted)


def test_a_changed_resource_is_the_next_baseline(
    history: History, iam: FakeIam, clock: FrozenClock
) -> None:
    let_stand(history, iam, clock, "<new/>")
    assert of_provider(history, clock) == "<new/>"


def test_an_alerted_value_is_unknown_for_a_day(
    history: History, iam: FakeIam, clock: FrozenClock
) -> None:
    let_stand(history, iam, clock, "<evil/>", alerted=True)
    clock.advance(3600)
    history.refresh(asked=True)
    clock.advance(1)
    with pytest.raises(CannotRestore, match="is unknown"):
        of_provider(history, clock)
    clock.advance(24 * 3600)
    history.refresh(asked=True)
    clock.advance(1)
    assert of_provider(history, clock) == "<evil/>"


@pytest.mark.parametrize("scope", ["iam-test-*", TRAIL])
def test_a_trail_has_one_baseline_by_name_or_arn(
    iam: FakeIam, ledger: SqliteLedger, clock: FrozenClock, scope: str
) -> None:
    policy = Guardrails(ACCOUNT, "us-east-1", resource_scope=scope)
    history = History(iam, ledger, clock, policy, lambda: RULES)
    source, request = "cloudtrail.amazonaws.com", {"name": "iam-test-trail"}
    changed = event("UpdateTrail", clock.now(), source=source, request=request)
    clock.advance(30)
    history.save_baseline(changed)
    assert iam.called("cloudtrail:GetTrail")


def test_a_trail_of_another_region_is_ignored(
    iam: FakeIam, ledger: SqliteLedger, clock: FrozenClock
) -> None:
    policy = Guardrails(ACCOUNT, "eu-west-1", resource_scope="iam-test-*")
    History(iam, ledger, clock, policy, lambda: RULES).refresh()
    assert iam.called("cloudtrail:ListTrails")
    assert not iam.called("cloudtrail:GetTrail")


def test_a_snapshot_serves_values_at_once(
    world: tuple[History, FakeIam, SqliteLedger], clock: FrozenClock
) -> None:
    """A snapshot serves compared values at once."""
    history, iam, ledger = world
    ledger.save_baseline("AROAROLE/trust_policy", Baseline(None, clock.now()))
    ledger.save_baseline("AROAROLE/permissions_boundary", Baseline(None, clock.now()))
    iam.boundary = BOUNDARY
    clock.advance(60)
    history.refresh()
    clock.advance(1)
    assert before(history, clock, Aspect.PERMISSIONS_BOUNDARY) == BOUNDARY
    assert before(history, clock, Aspect.TRUST_POLICY)


def test_an_alerted_value_is_saved(history: History, iam: FakeIam, clock: FrozenClock) -> None:
    """An alerted value that is compared is saved."""
    history.refresh()
    iam.boundary = "arn:new"
    clock.advance(60)
    changed = event("PutRolePermissionsBoundary", clock.now())
    clock.advance(30)
    history.save_baseline(changed, alerted=True)
    clock.advance(1)
    assert before(history, clock, Aspect.PERMISSIONS_BOUNDARY) == "arn:new"


@pytest.mark.parametrize("policy", [None, {"MinimumPasswordLength": 14, "ExpirePasswords": False}])
def test_the_password_policy_may_be_missing(
    history: History, iam: FakeIam, clock: FrozenClock, policy: dict[str, Any] | None
) -> None:
    iam.password_policy = policy
    history.refresh()
    clock.advance(60)
    subject = Subject(SubjectKind.ACCOUNT, ACCOUNT)
    about = replace(finding(Aspect.PASSWORD_POLICY), subject=subject)
    changed = event("UpdateAccountPasswordPolicy", clock.now())
    found = history.before(changed, about, subject, None)
    assert found == ('{"MinimumPasswordLength": 14}' if policy else "")


def test_a_value_too_long_to_store_is_dropped(
    history: History, iam: FakeIam, clock: FrozenClock
) -> None:
    """The ledger does not keep a value that is too long for it."""
    iam.metadata = "x" * 100_001
    history.refresh()
    clock.advance(60)
    with pytest.raises(CannotRestore):
        of_provider(history, clock)


def test_an_unlistable_kind_hides_no_other(
    history: History, iam: FakeIam, clock: FrozenClock
) -> None:
    iam.fail["iam:ListSAMLProviders"] = [Denied("no")]
    history.refresh()
    clock.advance(299)
    history.refresh()
    assert json.loads(before(history, clock, Aspect.TRUST_POLICY)) == OWN
    with pytest.raises(CannotRestore):
        of_provider(history, clock)
    clock.advance(1)
    history.refresh()
    clock.advance(1)
    assert of_provider(history, clock) == "<idp/>"


def test_with_an_empty_scope_no_resource_is_read(
    iam: FakeIam, ledger: SqliteLedger, clock: FrozenClock
) -> None:
    policy = Guardrails(ACCOUNT, "us-east-1", policy_scope="")
    History(iam, ledger, clock, policy, lambda: RULES).refresh()
    assert {name for name, _ in iam.calls} == {"iam:GetAccountAuthorizationDetails"}
