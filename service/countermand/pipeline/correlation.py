"""Correlation: which sequences of events this event completes.

Each event adds a marker to correlation windows in the ledger, which all replicas share. Whichever
event comes last finds the markers of the others and completes the sequence; the pipeline decides on
the sequence as on an event of its own.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from countermand.core.governance.guardrails import Guardrails
from countermand.core.model import Event, Finding, Guard, decision_id
from countermand.core.rules.correlate import completed, markers_of, sequence
from countermand.core.rules.rule import RuleSet
from countermand.ports import Ledger


@dataclass(frozen=True, slots=True)
class Correlator:
    """Adds the markers of an event and finds what they complete."""

    rules: Callable[[], RuleSet]
    guardrails: Guardrails
    ledger: Ledger

    def sequences(
        self, event: Event, findings: Sequence[Finding]
    ) -> Iterator[tuple[Event, Finding]]:
        """Yield the event and the finding that stand for each completed sequence."""
        # An event of another account may be forged: it must not complete a sequence of this one.
        if not self.guardrails.covers(event):
            return
        for marker in markers_of(event, self._risky(event, findings), self.rules()):
            self.ledger.add_marker(marker.windows[0], marker.value)
            began = completed(marker, self.ledger.markers(marker.windows))
            if began is not None:
                yield sequence(event, marker, began)

    def _risky(self, event: Event, findings: Sequence[Finding]) -> Sequence[Finding]:
        """Return the findings that were not decided to be benign.

        A benign change, such as joining a group of readers, is no step of an attack.
        """
        record = self.ledger.get(decision_id(event.id))
        rulings = record.decision.rulings if record is not None else ()
        benign = {r.finding.rule_id for r in rulings if r.reasons[0].guard is Guard.BENIGN}
        return [finding for finding in findings if finding.rule_id not in benign]
