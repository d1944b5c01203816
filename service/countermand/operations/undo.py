"""Undo: restores what a remediation changed, with the caller's own permissions.

An undo runs with the permissions of the person, because most inverses grant, and the worker is
limited to calls that revert. It runs every stored inverse call, then stores itself in the ledger,
so that the worker does not revert the same change again.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from countermand.core.errors import Permanent
from countermand.core.model import Call, Principal, Record, Ruling, Subject, Undo
from countermand.pipeline.facts import grant_key, undoer_key
from countermand.pipeline.remediate import Remediator
from countermand.ports import Clock, Identities, Ledger


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """What an undo would do, for a person to look at first."""

    record: Record
    calls: tuple[Call, ...]
    changes: tuple[str, ...]
    """What changed on the targets since the decision, beside the remediation. Tags and policies may
    have names that an attacker chose."""


@dataclass(frozen=True, slots=True)
class Undoing:
    """The undo of decisions by one person."""

    ledger: Ledger
    identities: Identities
    remediator: Remediator
    clock: Clock
    person: str
    """Their ARN."""

    def plan(self, decision_id: str) -> UndoPlan:
        """Say what `undo` would do; see there for what it raises."""
        return plan_undo(decision_id, self.ledger, self.identities)

    def run(self, decision_id: str, reason: str = "") -> Record:
        """Undo a decision, for a reason that the ledger keeps."""
        # Now, not when the person was asked: the worker spares what happened up to this time.
        by = Undo(self.person, self.clock.now(), reason)
        return undo(decision_id, self.ledger, self.identities, self.remediator, by)


def plan_undo(decision_id: str, ledger: Ledger, identities: Identities) -> UndoPlan:
    """Find what an undo would do, without a write.

    Raises `Permanent` when there is nothing to undo, when it was undone before, or when its target
    no longer exists: permissions must not go to another principal of the same name.
    """
    record = ledger.get(decision_id)
    if record is None:
        raise Permanent(f"no decision {decision_id}; `countermand decisions` lists them")
    if record.undo is not None:
        at = f"{record.undo.at:%Y-%m-%d %H:%M:%S} UTC"
        raise Permanent(f"{decision_id} was undone by {record.undo.by} at {at}")
    calls = _inverses(record)
    if not calls:
        raise Permanent(f"nothing to undo: the outcome of {decision_id} is {record.outcome!r}")
    principals = [r.principal for r in _undone(record) if r.principal is not None]
    remediated = {value for call in calls for value in call.params.values()}
    changes: list[str] = []
    for principal in {p.unique_id: p for p in principals}.values():
        found = _must_be_the_same(principal, identities)
        changes.extend(_changes(principal, found, remediated))
    return UndoPlan(record, tuple(calls), tuple(changes))


def undo(
    decision_id: str, ledger: Ledger, identities: Identities, remediator: Remediator, by: Undo
) -> Record:
    """Undo a decision. Raises `Permanent` as `plan_undo` does."""
    plan = plan_undo(decision_id, ledger, identities)
    for call in plan.calls:
        remediator.undo(call)
    # Last, so that a failed undo can be run again: restoring twice changes nothing.
    return ledger.mark_undone(decision_id, by, _keys(plan.record, by))


def _inverses(record: Record) -> list[Call]:
    """Return each call once: two attempts at a step may have stored the same inverse."""
    calls: list[Call] = []
    for outcome in record.outcomes:
        if outcome.inverse is not None and outcome.inverse not in calls:
            calls.append(outcome.inverse)
    return calls


def _undone(record: Record) -> list[Ruling]:
    """Return the rulings whose steps the undo restores."""
    rules = {o.step.rule_id for o in record.outcomes if o.inverse is not None}
    return [r for r in record.decision.rulings if r.finding.rule_id in rules]


def _must_be_the_same(principal: Principal, identities: Identities) -> Principal:
    found = identities.read(Subject(principal.kind, principal.name))
    if found is None:
        raise Permanent(f"{principal.kind} {principal.name} no longer exists: nothing to restore")
    if found.unique_id != principal.unique_id:
        raise Permanent(
            f"{principal.kind} {principal.name} was deleted and recreated (ID {found.unique_id}, "
            f"was {principal.unique_id}): grant manually if that is what you want"
        )
    return found


def _changes(then: Principal, now: Principal, remediated: set[str]) -> Iterator[str]:
    """Yield a sentence for each difference that the remediation itself does not explain."""
    name = f"{now.kind} {now.name}"
    for arn in sorted(now.policy_arns - then.policy_arns - remediated):
        yield f"{arn} was attached to {name}"
    for arn in sorted(then.policy_arns - now.policy_arns - remediated):
        yield f"{arn} was detached from {name}"
    for key in sorted((then.tags.keys() | now.tags.keys()) - remediated):
        was, is_ = then.tags.get(key), now.tags.get(key)
        if was != is_:
            yield f"tag {key} of {name}: {_shown(is_)}, was {_shown(was)}"
    before, after = then.boundary_arn, now.boundary_arn
    if before != after and not {before, after} & remediated:
        yield f"boundary of {name}: {_shown(after)}, was {_shown(before)}"


def _shown(value: str | None) -> str:
    return value or "not set"


def _keys(record: Record, by: Undo) -> list[str]:
    account_id = record.decision.event.account_id
    rulings = [r for r in record.decision.rulings if r.finding.subject is not None]
    grants = [grant_key(account_id, _target(ruling), ruling.finding) for ruling in rulings]
    targets = dict.fromkeys(map(_target, _undone(record)))
    return [*grants, *(undoer_key(account_id, target, by.by) for target in targets)]


def _target(ruling: Ruling) -> str:
    subject = ruling.finding.subject
    name = subject.name if subject is not None else ""
    return ruling.principal.unique_id if ruling.principal is not None else name
