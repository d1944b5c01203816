"""The only reads before acting: what a finding's target is now, as opposed to what the event says.

What cannot be read is a fact too (`Facts.unreadable`); governance turns it into "wait and tell".
"""

from countermand.core.errors import CountermandError, LostClaim
from countermand.core.model import Event, Facts, Finding, Principal
from countermand.ports import Clock, Identities, Ledger


class FactReader:
    """Reads IAM and our own history for one finding at a time; called by the pipeline."""

    def __init__(self, identities: Identities, ledger: Ledger, clock: Clock) -> None:
        self._identities = identities
        self._ledger = ledger
        self._clock = clock

    def read(self, event: Event, finding: Finding) -> Facts:
        """Facts about the finding's subject, which must be known."""
        if finding.subject is None:
            raise AssertionError("a finding without subject has no live state to read")
        try:
            principal = self._identities.read(finding.subject)
        except LostClaim:
            raise
        except CountermandError as error:
            return Facts(now=self._clock.now(), unreadable=str(error))
        if principal is None:
            return Facts(now=self._clock.now())
        return Facts(
            now=self._clock.now(),
            principal=principal,
            grant_present=finding.evidence.get("policy_arn") in principal.policy_arns,
            undo=self._ledger.undo_of(grant_key(event.account_id, principal, finding)),
        )


def grant_key(account_id: str, principal: Principal, finding: Finding) -> str:
    """What an undo speaks about: this grant on this principal, whatever it is called later."""
    return f"{account_id}/{principal.unique_id}/{finding.evidence.get('policy_arn', '')}"
