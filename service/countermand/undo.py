"""Takes a remediation back, with the operator's own rights: the worker has no right to grant.

Every stored inverse call is run; then the undo is noted in the ledger, so that the worker does not
take the very same grant back again.
"""

from countermand.act import Remediator
from countermand.core.errors import Permanent
from countermand.core.model import Record, Undo
from countermand.facts import grant_key
from countermand.ports import Ledger


def undo(decision_id: str, ledger: Ledger, remediator: Remediator, by: Undo) -> Record:
    """Undo a decision. Raises `Permanent` when there is nothing to undo, or it was undone."""
    record = ledger.get(decision_id)
    if record is None:
        raise Permanent(f"no decision {decision_id}; `countermand decisions` lists them")
    if record.undo is not None:
        raise Permanent(f"{decision_id} was undone by {record.undo.by} at {record.undo.at:%c}")
    calls = [o.inverse for o in record.outcomes if o.inverse is not None]
    if not calls:
        raise Permanent(f"nothing to undo: the outcome of {decision_id} is {record.outcome!r}")
    for call in calls:
        remediator.undo(call)
    # Last, so that an undo that failed can be run again; putting back twice changes nothing.
    return ledger.mark_undone(decision_id, by, _grants(record))


def _grants(record: Record) -> list[str]:
    account_id = record.decision.event.account_id
    return [
        grant_key(account_id, ruling.principal, ruling.finding)
        for ruling in record.decision.rulings
        if ruling.principal is not None
    ]
