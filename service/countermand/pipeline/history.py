"""What a change replaced. Events carry the new value only, so the old one must be known before.

    source                                          says
    ----------------------------------------------  ------------------------------------------------
    snapshot of what is in scope, taken at start    the value then, `` for none
    and every some hours
    note in the ledger, after each event that       the value when the note was taken; None when it
    changed the value and was let stand             could not be read yet, or at all, or may never
                                                    be put back, or when the team was alerted of it

The latest that was complete before the change counts. A note that was taken after the change says
that something else changed the value too, before or since: then nobody knows. Otherwise who makes
two changes within seconds would have the second one noted as the work of the first.

After an alert, the value is unknown for one day where no guard compares it before it is restored,
so that a responder's fix is not itself reverted.

What is kept was read live, never taken from an event: a forged event can at most have the truth
noted. A value that the rules themselves would object to is never noted, and so never put back.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from countermand.core.aspects import Change, changes
from countermand.core.errors import CannotRestore, CountermandError, Denied, Gone, Transient
from countermand.core.governance.guardrails import Guardrails, is_in_scope, scope_of, short_name
from countermand.core.model import Aspect, Baseline, Event, Finding, Principal, Subject, SubjectKind
from countermand.core.policies.evaluate import Holder, evaluate_policies
from countermand.core.policies.trust import evaluate_trust
from countermand.core.rules.rule import RuleSet
from countermand.live import values as live
from countermand.logs import get_logger
from countermand.ports import Clock, Cloud, Ledger

log = get_logger(__name__)

_SNAPSHOT_SECONDS = 6 * 3600.0
_RETRY_SECONDS = 300.0
_TIME_TO_MEND = timedelta(days=1)
_NEVER_COMPARED = frozenset(
    {Aspect.NAME, Aspect.SAML_METADATA, Aspect.OIDC_THUMBPRINTS, Aspect.TRAIL}
)
"""Nobody asks whether the earlier value is better than the new one before it is put back."""
_LONGEST = 100_000
"""Characters of a value that is kept. A decision holds two of them, and DynamoDB takes 400 KB."""


@dataclass(frozen=True, slots=True)
class _Snapshot:
    began: datetime
    ended: datetime
    """What happened between the two may or may not be in it."""
    values: Mapping[str, str | None]
    principals: frozenset[str] = frozenset()
    """The unique ids that are in it."""


class History:
    """Asked by `facts.py` what a change replaced; alerted by the pipeline what was let stand."""

    def __init__(
        self,
        cloud: Cloud,
        ledger: Ledger,
        clock: Clock,
        policy: Guardrails,
        rules: Callable[[], RuleSet],
    ) -> None:
        self._cloud = cloud
        self._ledger = ledger
        self._clock = clock
        self._policy = policy
        self._rules = rules
        self._snapshots: dict[Aspect | None, tuple[_Snapshot, ...]] = {}
        """Of all principals, under None, and of each other aspect: the last one, and for changes
        that were made while that was taken, the one before."""
        self._due = clock.monotonic()

    def before(
        self, event: Event, finding: Finding, subject: Subject, principal: Principal | None
    ) -> str:
        """The value that the change replaced, empty for none. Raises `CannotRestore`."""
        aspect = finding.restores
        if aspect is None:
            raise AssertionError("a finding that restores nothing has no earlier value")
        identity = subject.name if principal is None else principal.unique_id
        key = _key(aspect, identity, finding.evidence.get("policy_name", ""))
        baseline = self._ledger.baseline(key)
        if baseline is not None and baseline.at > event.time:
            raise _unknown(aspect)
        taken = self._snapshots.get(_part(aspect), ())
        snapshot = next((s for s in taken if s.ended <= event.time), None)
        if snapshot is not None and (
            baseline is None or _counts_until(baseline, aspect) < snapshot.began
        ):
            baseline = _seen(snapshot, key, aspect, principal)
        if baseline is None or baseline.value is None:
            raise _unknown(aspect)
        return baseline.value

    def save_baseline(self, event: Event, *, alerted: bool = False) -> None:
        """Note what this event left behind, for the time when something replaces it. Raises
        `Transient` when that cannot be seen yet. `alerted`: the team may not want it.
        """
        if (event.account_id, event.region) != (self._policy.account_id, self._policy.region):
            return
        wanted = self._rules().restored
        for change in changes(event):
            if change.aspect not in wanted:
                continue
            if not self._may_be_in_scope(change):
                continue
            wait = self._until_visible(event)
            if (left := self._left_behind(change)) is not None:
                key, value = left
                # Until it can be seen, nobody knows it; what was known before is no longer true.
                doubted = wait or (alerted and change.aspect in _NEVER_COMPARED)
                self._ledger.save_baseline(
                    key, Baseline(None if doubted else value, self._clock.now())
                )
            if wait:
                raise Transient("IAM may not show yet what the call left behind", wait)

    def refresh(self, *, asked: bool = False) -> None:
        """Take a snapshot if the last one is old, or if asked."""
        restored = self._rules().restored
        if not restored or (self._clock.monotonic() < self._due and not asked):
            return
        parts = sorted({_part(aspect) for aspect in restored}, key=lambda part: part or "")
        taken = [self._take(part) for part in parts]
        wait = _SNAPSHOT_SECONDS if all(taken) else _RETRY_SECONDS
        self._due = self._clock.monotonic() + wait

    def _take(self, part: Aspect | None) -> bool:
        """Whether it could be taken. One that cannot leaves the last one of its part."""
        try:
            snapshot = self._of_principals() if part is None else self._of_others(part)
        except CountermandError as error:
            log.error("Snapshot failed", of=part or "principals", error=str(error))
            return False
        self._snapshots[part] = (snapshot, *self._snapshots.get(part, ())[:1])
        log.info("Snapshot taken", of=part or "principals", values=len(snapshot.values))
        return True

    def _of_principals(self) -> _Snapshot:
        began = self._clock.now()
        values: dict[str, str | None] = {}
        ids: set[str] = set()
        for kind in live.PRINCIPAL_ASPECTS:
            for shown in live.principals(self._cloud, kind):
                if not is_in_scope(self._policy, kind, shown.name):
                    continue
                ids.add(shown.unique_id)
                for aspect, policy_name, value in live.listed_values(shown):
                    values[_key(aspect, shown.unique_id, policy_name)] = value
        return _Snapshot(began, self._clock.now(), values, frozenset(ids))

    def _of_others(self, aspect: Aspect) -> _Snapshot:
        began, reader = self._clock.now(), live.READERS[aspect]
        names: Iterable[str] = ()
        if reader.kind is SubjectKind.ACCOUNT:
            names = (self._policy.account_id,)
        elif scope_of(self._policy, reader.kind):
            names = reader.names(self._cloud)
        values = {
            _key(aspect, name): _kept(reader.value(self._cloud, name))
            for name in names
            if is_in_scope(self._policy, reader.kind, name) and not self._is_elsewhere(name)
        }
        return _Snapshot(began, self._clock.now(), values)

    def _may_be_in_scope(self, change: Change) -> bool:
        """An event may give the name of what the scope knows by its ARN, and a principal's name in
        any case.
        """
        policy, kind, name = self._policy, change.kind, change.name
        if kind.is_principal:
            return re.match(policy.scopes[kind].pattern, name, re.IGNORECASE) is not None
        by_arn = kind is SubjectKind.RESOURCE and policy.resource_scope.startswith("arn:")
        return is_in_scope(policy, kind, name) or (by_arn and not name.startswith("arn:"))

    def _is_elsewhere(self, name: str) -> bool:
        """Whether it is the ARN of something in another region, from where no event is judged."""
        return name.startswith("arn:") and name.split(":")[3] not in {"", self._policy.region}

    def _until_visible(self, event: Event) -> float:
        """Seconds until IAM must show what the call left behind; 0: it does."""
        left = (self._policy.settle - (self._clock.now() - event.time)).total_seconds()
        return max(1.0, left) if 0 < left <= self._policy.settle.total_seconds() else 0.0

    def _left_behind(self, change: Change) -> tuple[str, str | None] | None:
        """Under which key to note what; nothing of a principal that is gone. What cannot be read,
        or may never be put back, is baseline as unknown.
        """
        shown, value = None, None
        try:
            if change.kind.is_principal:
                shown = live.principal(self._cloud, change.kind, change.name)
        except Gone:
            return None
        try:
            if shown is not None:
                value = live.principal_value(self._cloud, shown, change.aspect, change.policy_name)
            else:
                value = live.READERS[change.aspect].value(self._cloud, change.name)
        except Denied as error:
            log.error("Not noted", error=str(error))
        identity = change.name if shown is None else shown.unique_id
        key = _key(change.aspect, identity, change.policy_name)
        return key, self._fit_to_put_back(change.aspect, value, "" if shown is None else shown.arn)

    def _fit_to_put_back(self, aspect: Aspect, value: str | None, holder_arn: str) -> str | None:
        if not value:
            return value
        account_id = self._policy.account_id
        match aspect:
            case Aspect.TRUST_POLICY:
                risky = evaluate_trust(value, {account_id}).opening.is_risk
            case Aspect.INLINE_POLICY:
                risky = evaluate_policies(
                    {"": value}, Holder(account_id, holder_arn)
                ).privilege.is_risk
            case _:
                risky = False
        return None if risky else _kept(value)


def _counts_until(baseline: Baseline, aspect: Aspect) -> datetime:
    doubted = baseline.value is None and aspect in _NEVER_COMPARED
    return baseline.at + _TIME_TO_MEND if doubted else baseline.at


def _unknown(aspect: Aspect) -> CannotRestore:
    return CannotRestore(f"nobody knows the {aspect.replace('_', ' ')} that it replaced")


def _seen(
    snapshot: _Snapshot, key: str, aspect: Aspect, principal: Principal | None
) -> Baseline | None:
    if principal is None:
        return Baseline(snapshot.values.get(key), snapshot.began)
    if principal.unique_id in snapshot.principals:
        none = "" if aspect is Aspect.INLINE_POLICY else None
        return Baseline(snapshot.values.get(key, none), snapshot.began)
    # Younger than the snapshot: created without inline policies, with a trust policy.
    if aspect is Aspect.INLINE_POLICY and principal.created > snapshot.began:
        return Baseline("", principal.created)
    return None


def _part(aspect: Aspect) -> Aspect | None:
    return aspect if aspect in live.READERS else None


def _key(aspect: Aspect, identity: str, policy_name: str = "") -> str:
    """Of a principal by its unique id, because names are given anew; of anything else by its name,
    because an event may give that or the ARN. IAM's names are unique whatever their case.
    """
    inline = f"/{policy_name.lower()}" if aspect is Aspect.INLINE_POLICY else ""
    return f"{short_name(identity)}/{aspect}{inline}"


def _kept(value: str) -> str | None:
    return value if len(value) <= _LONGEST else None
