"""Previous values: what a change replaced. Events carry only the new value.

    source                                        its value
    --------------------------------------------  --------------------------------------------------
    snapshot of everything in scope, taken at     the value at that time, `` for none
    start and every six hours
    baseline in the ledger, saved after each      the value when the baseline was saved; None when
    event that changed the value and was left     it cannot be read (yet), must not be restored, or
    in place                                      raised an alert

The latest source that was complete before the change counts. A baseline that is younger than the
change says that something else changed the value too: then the previous value is unknown.
Otherwise, an attacker could make two changes within seconds and have the second one saved as the
baseline of the first.

After an alert, the value is unknown for one day where no guard compares it before it is restored,
so that Countermand does not revert a responder's fix.

Every value was read live, never taken from an event, so a forged event can only save the truth. A
value that the rules themselves would object to is never saved, and so never restored.
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
_TIME_TO_FIX = timedelta(days=1)
_NEVER_COMPARED = frozenset(
    {Aspect.NAME, Aspect.SAML_METADATA, Aspect.OIDC_THUMBPRINTS, Aspect.TRAIL}
)
"""Aspects whose previous value is restored without a comparison with the new one."""
_LONGEST = 100_000
"""Limit of a value, in characters. A decision holds two values, and DynamoDB takes 400 KB."""


@dataclass(frozen=True, slots=True)
class _Snapshot:
    began: datetime
    ended: datetime
    """A change between the two times may or may not be in the snapshot."""
    values: Mapping[str, str | None]
    principals: frozenset[str] = frozenset()
    """Unique IDs of the principals in the snapshot."""


class History:
    """Previous values: `facts.py` reads them, the pipeline saves what it left in place."""

    def __init__(
        self,
        cloud: Cloud,
        ledger: Ledger,
        clock: Clock,
        guardrails: Guardrails,
        rules: Callable[[], RuleSet],
    ) -> None:
        self._cloud = cloud
        self._ledger = ledger
        self._clock = clock
        self._guardrails = guardrails
        self._rules = rules
        self._snapshots: dict[Aspect | None, tuple[_Snapshot, ...]] = {}
        """The last two snapshots of all principals, under None, and of each other aspect. The older
        one serves changes that were made while the newer was taken."""
        self._due = clock.monotonic()

    def before(
        self, event: Event, finding: Finding, subject: Subject, principal: Principal | None
    ) -> str:
        """Return the value that the change replaced, empty for none.

        Raises `CannotRestore` when it is unknown.
        """
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
        """Save what this event left in place, for the time when something replaces it.

        `alerted` says that the team may not want it. Raises `Transient` when IAM may not show the
        change yet.
        """
        if not self._guardrails.covers(event):
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
                # Unknown until IAM shows it, because the earlier baseline is no longer true.
                doubted = wait or (alerted and change.aspect in _NEVER_COMPARED)
                self._ledger.save_baseline(
                    key, Baseline(None if doubted else value, self._clock.now())
                )
            if wait:
                raise Transient("IAM may not show the change yet", wait)

    def refresh(self, *, asked: bool = False) -> None:
        """Take a snapshot if the last one is old, or if someone asked."""
        restored = self._rules().restored
        if not restored or (self._clock.monotonic() < self._due and not asked):
            return
        parts = sorted({_part(aspect) for aspect in restored}, key=lambda part: part or "")
        taken = [self._take(part) for part in parts]
        wait = _SNAPSHOT_SECONDS if all(taken) else _RETRY_SECONDS
        self._due = self._clock.monotonic() + wait

    def _take(self, part: Aspect | None) -> bool:
        """Take a snapshot of one part, and return whether that worked.

        A failure leaves the last snapshot in place.
        """
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
                if not is_in_scope(self._guardrails, kind, shown.name):
                    continue
                ids.add(shown.unique_id)
                for aspect, policy_name, value in live.listed_values(shown):
                    values[_key(aspect, shown.unique_id, policy_name)] = value
        return _Snapshot(began, self._clock.now(), values, frozenset(ids))

    def _of_others(self, aspect: Aspect) -> _Snapshot:
        began, reader = self._clock.now(), live.READERS[aspect]
        names: Iterable[str] = ()
        if reader.kind is SubjectKind.ACCOUNT:
            names = (self._guardrails.account_id,)
        elif scope_of(self._guardrails, reader.kind):
            names = reader.names(self._cloud)
        values = {
            _key(aspect, name): _kept(reader.value(self._cloud, name))
            for name in names
            if is_in_scope(self._guardrails, reader.kind, name) and not self._is_elsewhere(name)
        }
        return _Snapshot(began, self._clock.now(), values)

    def _may_be_in_scope(self, change: Change) -> bool:
        """Return whether the change may be in scope, before AWS is asked for the exact name.

        An event may give a name where the scope has an ARN, and a principal's name in any case.
        """
        guardrails, kind, name = self._guardrails, change.kind, change.name
        if kind.is_principal:
            return re.match(guardrails.scopes[kind].pattern, name, re.IGNORECASE) is not None
        by_arn = kind is SubjectKind.RESOURCE and guardrails.resource_scope.startswith("arn:")
        return is_in_scope(guardrails, kind, name) or (by_arn and not name.startswith("arn:"))

    def _is_elsewhere(self, name: str) -> bool:
        """Return whether this is an ARN of another region, whose events are not evaluated."""
        return name.startswith("arn:") and name.split(":")[3] not in {"", self._guardrails.region}

    def _until_visible(self, event: Event) -> float:
        """Return the seconds until IAM must show the change; 0 when it must by now."""
        left = (self._guardrails.settle - (self._clock.now() - event.time)).total_seconds()
        return max(1.0, left) if 0 < left <= self._guardrails.settle.total_seconds() else 0.0

    def _left_behind(self, change: Change) -> tuple[str, str | None] | None:
        """Read the value that a change left, and return it with its key; None if the principal is
        gone. A value that cannot be read, or must never be restored, is None: unknown.
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
            log.error("Baseline not recorded", error=str(error))
        identity = change.name if shown is None else shown.unique_id
        key = _key(change.aspect, identity, change.policy_name)
        return key, self._restorable(change.aspect, value, "" if shown is None else shown.arn)

    def _restorable(self, aspect: Aspect, value: str | None, holder_arn: str) -> str | None:
        """Return the value, or None if restoring it later would be a risk itself."""
        if not value:
            return value
        account_id = self._guardrails.account_id
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
    return baseline.at + _TIME_TO_FIX if doubted else baseline.at


def _unknown(aspect: Aspect) -> CannotRestore:
    return CannotRestore(f"the previous {aspect.replace('_', ' ')} is unknown")


def _seen(
    snapshot: _Snapshot, key: str, aspect: Aspect, principal: Principal | None
) -> Baseline | None:
    if principal is None:
        return Baseline(snapshot.values.get(key), snapshot.began)
    if principal.unique_id in snapshot.principals:
        none = "" if aspect is Aspect.INLINE_POLICY else None
        return Baseline(snapshot.values.get(key, none), snapshot.began)
    # A principal that is younger than the snapshot was created without inline policies, but a
    # role with a trust policy.
    if aspect is Aspect.INLINE_POLICY and principal.created > snapshot.began:
        return Baseline("", principal.created)
    return None


def _part(aspect: Aspect) -> Aspect | None:
    return aspect if aspect in live.READERS else None


def _key(aspect: Aspect, identity: str, policy_name: str = "") -> str:
    """Return the key of a value.

    A principal goes by its unique ID, because its name can be reused. Anything else goes by its
    name, because an event may give the name or the ARN. IAM's names are unique whatever their case.
    """
    inline = f"/{policy_name.lower()}" if aspect is Aspect.INLINE_POLICY else ""
    return f"{short_name(identity)}/{aspect}{inline}"


def _kept(value: str) -> str | None:
    return value if len(value) <= _LONGEST else None
