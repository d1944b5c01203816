"""What a change replaced. Events carry the new value only, so the old one must be known before.

    source                                          says
    ----------------------------------------------  ------------------------------------------------
    snapshot of the principals in scope, taken at   the value then, `` for none
    start and every some hours
    note: after each event that changed the value   the value after that event; None when it could
    and that governance let stand, in the ledger    not be known any more

The latest that is older than the change counts. What a note holds was read live, never taken from
an event: a forged event can at most have the truth noted. A value that the rules themselves would
object to is never noted, and so never put back.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from countermand.core.aspects import boundary_of, changed
from countermand.core.errors import CannotRestore, CountermandError, Denied, Gone, Transient
from countermand.core.govern import Policy
from countermand.core.model import Aspect, Event, Finding, Noted, Principal, SubjectKind
from countermand.core.policydoc import Holder, judge_policies
from countermand.core.rule import RuleSet
from countermand.core.trust import judge_trust
from countermand.logs import get_logger
from countermand.ports import Clock, Cloud, Ledger

log = get_logger(__name__)

_USER, _ROLE, _GROUP = SubjectKind.USER, SubjectKind.ROLE, SubjectKind.GROUP

SNAPSHOT_PERMISSION = "iam:GetAccountAuthorizationDetails"
NOTE_PERMISSIONS: Mapping[SubjectKind, tuple[str, ...]] = {
    _USER: ("iam:GetUser", "iam:GetUserPolicy"),
    _ROLE: ("iam:GetRole", "iam:GetRolePolicy"),
    _GROUP: ("iam:GetGroupPolicy",),
}
_SNAPSHOT_SECONDS = 6 * 3600.0
_RETRY_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class _Snapshot:
    began: datetime
    """What happened later may or may not be in it."""
    values: Mapping[str, str]
    principals: frozenset[str]
    """The unique ids that are in it."""


class History:
    """Asked by `facts.py` what a change replaced; told by the pipeline what was let stand."""

    def __init__(
        self,
        cloud: Cloud,
        ledger: Ledger,
        clock: Clock,
        policy: Policy,
        rules: Callable[[], RuleSet],
    ) -> None:
        self._cloud = cloud
        self._ledger = ledger
        self._clock = clock
        self._policy = policy
        self._rules = rules
        self._snapshot: _Snapshot | None = None
        self._due = clock.monotonic()

    def before(self, event: Event, finding: Finding, principal: Principal) -> str:
        """The value that the change replaced, empty for none. Raises `CannotRestore`."""
        if finding.restores is None:
            raise AssertionError("a finding that restores nothing has no earlier value")
        name = _name(principal.kind, principal.name, finding.restores, finding.evidence)
        found = self._noted(name, event, principal) or self._seen(name, event, principal, finding)
        if found is None or found.value is None:
            raise CannotRestore(f"nobody knows the {_words(finding.restores)} that it replaced")
        return found.value

    def note(self, event: Event) -> None:
        """Note what this event left behind, for the time when something replaces it. Raises
        `Transient` when that cannot be seen yet.
        """
        if (event.account_id, event.region) != (self._policy.account_id, self._policy.region):
            return
        wanted = self._rules().restored
        for kind, name, aspect, evidence in changed(event):
            if aspect not in wanted or self._policy.scopes[kind].match(name) is None:
                continue
            self._wait_until_visible(event)
            value = self._clean(kind, name, aspect, evidence)
            self._ledger.note(_name(kind, name, aspect, evidence), Noted(value, event.time))

    def refresh(self, *, asked: bool = False) -> None:
        """Take a snapshot if the last one is old, or if asked."""
        if not self._rules().restored or (self._clock.monotonic() < self._due and not asked):
            return
        try:
            self._snapshot = self._taken()
        except CountermandError as error:
            log.error("Snapshot failed", error=str(error))
            self._due = self._clock.monotonic() + _RETRY_SECONDS
        else:
            log.info("Snapshot taken", principals=len(self._snapshot.principals))
            self._due = self._clock.monotonic() + _SNAPSHOT_SECONDS

    def _noted(self, name: str, event: Event, principal: Principal) -> Noted | None:
        """The note, unless the snapshot is newer or it is about another of the same name."""
        noted = self._ledger.noted(name)
        if noted is None or not _second(principal.created) <= noted.at <= event.time:
            return None
        snapshot = self._snapshot
        newer = snapshot is not None and noted.at < snapshot.began <= event.time
        return None if newer else noted

    def _seen(
        self, name: str, event: Event, principal: Principal, finding: Finding
    ) -> Noted | None:
        snapshot = self._snapshot
        if snapshot is None or snapshot.began > event.time:
            return None
        if principal.unique_id in snapshot.principals:
            return Noted(snapshot.values.get(name, ""), snapshot.began)
        # Younger than the snapshot: created without inline policies, with a trust policy.
        if finding.restores is Aspect.INLINE_POLICY and principal.created > snapshot.began:
            return Noted("", principal.created)
        return None

    def _wait_until_visible(self, event: Event) -> None:
        left = (self._policy.settle - (self._clock.now() - event.time)).total_seconds()
        if 0 < left <= self._policy.settle.total_seconds():
            raise Transient("IAM may not show yet what the call left behind", max(1.0, left))

    def _live(
        self, kind: SubjectKind, name: str, aspect: Aspect, evidence: Mapping[str, str]
    ) -> str:
        entity = kind.capitalize()
        request = {f"{entity}Name": name}
        try:
            if aspect is Aspect.INLINE_POLICY:
                request["PolicyName"] = evidence["policy_name"]
                answer = self._cloud.call(f"iam:Get{entity}Policy", **request)
                return json.dumps(answer["PolicyDocument"])
            return _value(self._cloud.call(f"iam:Get{entity}", **request)[entity], aspect)
        except Gone:
            return ""

    def _clean(
        self, kind: SubjectKind, name: str, aspect: Aspect, evidence: Mapping[str, str]
    ) -> str | None:
        """What is there now, if it can be read and may be put back some day."""
        try:
            value = self._live(kind, name, aspect, evidence)
        except Denied as error:
            log.error("Not noted", error=str(error))
            return None
        return value if not value or not self._is_objectionable(kind, name, aspect, value) else None

    def _is_objectionable(self, kind: SubjectKind, name: str, aspect: Aspect, value: str) -> bool:
        account_id = self._policy.account_id
        match aspect:
            case Aspect.TRUST_POLICY:
                return judge_trust(value, {account_id}).opening.is_risk
            case Aspect.INLINE_POLICY:
                holder = Holder(account_id, f"arn:aws:iam::{account_id}:{kind}/{name}")
                return judge_policies({"": value}, holder).claim.is_risk
            case Aspect.PERMISSIONS_BOUNDARY:
                return False

    def _taken(self) -> _Snapshot:
        began = self._clock.now()
        values: dict[str, str] = {}
        ids: set[str] = set()
        for kind in (_USER, _ROLE, _GROUP):
            for detail in self._details(kind):
                ids.add(detail[f"{kind.capitalize()}Id"])
                values.update(_values(kind, detail))
        return _Snapshot(began, values, frozenset(ids))

    def _details(self, kind: SubjectKind) -> Iterator[Mapping[str, Any]]:
        entity = kind.capitalize()
        details: Iterator[Mapping[str, Any]] = self._cloud.each(
            SNAPSHOT_PERMISSION, f"{entity}DetailList", Filter=[entity]
        )
        scope = self._policy.scopes[kind]
        return (detail for detail in details if scope.match(detail[f"{entity}Name"]))


def _name(kind: SubjectKind, name: str, aspect: Aspect, evidence: Mapping[str, str]) -> str:
    """IAM's names are unique whatever their case, and a caller may write them in any."""
    inline = f"/{evidence['policy_name']}" if aspect is Aspect.INLINE_POLICY else ""
    return f"{kind}/{name.lower()}/{aspect}{inline}"


def _values(kind: SubjectKind, detail: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    name = detail[f"{kind.capitalize()}Name"]
    if kind is _ROLE:
        yield _name(kind, name, Aspect.TRUST_POLICY, {}), _value(detail, Aspect.TRUST_POLICY)
    if kind is not _GROUP:
        boundary = _value(detail, Aspect.PERMISSIONS_BOUNDARY)
        yield _name(kind, name, Aspect.PERMISSIONS_BOUNDARY, {}), boundary
    for policy in detail.get(f"{kind.capitalize()}PolicyList", ()):
        key = _name(kind, name, Aspect.INLINE_POLICY, {"policy_name": policy["PolicyName"]})
        yield key, json.dumps(policy["PolicyDocument"])


def _value(entity: Mapping[str, Any], aspect: Aspect) -> str:
    """Of a user or role, as IAM shows it."""
    if aspect is Aspect.TRUST_POLICY:
        return json.dumps(entity["AssumeRolePolicyDocument"])
    return boundary_of(entity)


def _words(aspect: Aspect) -> str:
    return aspect.replace("_", " ")


def _second(time: datetime) -> datetime:
    """CloudTrail's times have no fraction."""
    return time.replace(microsecond=0)
