"""The only reads before acting: the live state of a finding's target, not what the event says.

The pipeline reads facts before it decides, and again right before each write. A state that cannot
be read is a fact too (`Facts.unreadable`): governance then waits and alerts.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from countermand.core.errors import (
    Benign,
    CannotRestore,
    CountermandError,
    Gone,
    LostLease,
    Permanent,
)
from countermand.core.model import Event, Facts, Finding, Principal, Subject
from countermand.core.policies.evaluate import Evaluation, Holder, evaluate_policies
from countermand.core.rules.schema import PREVIOUS
from countermand.live.policies import managed_policies
from countermand.logs import get_logger
from countermand.pipeline.history import History
from countermand.ports import Action, Clock, Cloud, Identities, Ledger, Plan

log = get_logger(__name__)

_STORED_NAMES = {"summary": "claim"}
_NO_PLAN = Plan(params={})
"""Nothing to do: the change is absent, or counts as present although no action can revert it."""


class FactReader:
    """Reads AWS and the ledger for one finding at a time."""

    def __init__(
        self,
        identities: Identities,
        cloud: Cloud,
        actions: Mapping[str, Action],
        ledger: Ledger,
        history: History,
        clock: Clock,
    ) -> None:
        self._identities = identities
        self._cloud = cloud
        self._policies = managed_policies(cloud)
        self._actions = actions
        self._ledger = ledger
        self._history = history
        self._clock = clock

    def read(self, event: Event, finding: Finding) -> Facts:
        """Read the facts about the finding's subject, which the event must name."""
        if finding.subject is None:
            raise AssertionError("a finding without subject has no live state to read")
        try:
            return self._read(event, finding, finding.subject)
        except LostLease:
            raise
        except CountermandError as error:
            return Facts(now=self._clock.now(), unreadable=str(error))
        except Exception as error:
            # A bug here, or an answer of AWS without a usual field, must not silence the finding.
            log.exception("Bug: live read failed", rule_id=finding.rule_id)
            return Facts(now=self._clock.now(), unreadable=f"bug: {type(error).__name__}")

    def _read(self, event: Event, finding: Finding, subject: Subject) -> Facts:
        principal = self._identities.read(subject) if subject.kind.is_principal else None
        if principal is None and subject.kind.is_principal:
            return Facts(now=self._clock.now())
        try:
            plan, irreversible = self._plan(event, finding, subject, principal)
        except Benign as error:
            # Not "present": while IAM may not show the whole change yet, the message comes back.
            return Facts(now=self._clock.now(), principal=principal, benign=str(error))
        evaluation = None
        if plan is not None and finding.resolve is not None:
            try:
                evaluation = self._evaluate(event, finding, principal)
            except Gone:
                # A policy that is gone is attached to no principal, or is not visible yet.
                plan = None
        target = principal.unique_id if principal is not None else subject.name
        planned = plan or _NO_PLAN
        return Facts(
            now=self._clock.now(),
            principal=principal,
            grant_present=plan is not None,
            params=planned.params,
            created=planned.created,
            role_arns=planned.role_arns,
            irreversible=irreversible,
            undo=self._ledger.undo_of(grant_key(event.account_id, target, finding)),
            undo_by_caller=self._ledger.undo_of(
                undoer_key(event.account_id, target, event.actor.arn)
            ),
            evaluation=evaluation,
        )

    def _evaluate(self, event: Event, finding: Finding, principal: Principal | None) -> Evaluation:
        """Evaluate what the finding's managed policy allows within the permissions boundary."""
        arn = finding.evidence.get(finding.resolve or "")
        if arn is None:
            raise Permanent(f"the event does not say {finding.resolve}")
        holder_arn = principal.arn if principal is not None else ""
        holder = Holder(event.account_id, holder_arn, policy_arns=(arn,))
        name = arn.rpartition("/")[2]
        boundary = None
        if principal is not None:
            boundary = self._policies.boundary(principal.boundary_arn)
        return evaluate_policies({name: self._policies.document(arn)}, holder, boundary)

    def _plan(
        self, event: Event, finding: Finding, subject: Subject, principal: Principal | None
    ) -> tuple[Plan | None, str | None]:
        """Return what the action would do, and why it cannot be done, if so."""
        # A rule that only alerts needs no live state of its change.
        if finding.remediation is None:
            return _NO_PLAN, None
        action = self._actions[finding.remediation]
        try:
            finding = self._with_previous(event, finding, subject, principal)
        except CannotRestore as error:
            # An action that does not need the previous value may find another way.
            if PREVIOUS in action.info.needs:
                return _NO_PLAN, str(error)
        if missing := [name for name in action.info.needs if name not in finding.evidence]:
            return _NO_PLAN, f"the event does not say {', '.join(missing)}"
        try:
            return action.plan(self._cloud, finding, principal), None
        except Gone:
            return None, None
        except CannotRestore as error:
            return _NO_PLAN, str(error)

    def _with_previous(
        self, event: Event, finding: Finding, subject: Subject, principal: Principal | None
    ) -> Finding:
        if finding.restores is None:
            return finding
        previous = self._history.before(event, finding, subject, principal)
        return replace(finding, evidence={**finding.evidence, PREVIOUS: previous})


def grant_key(account_id: str, target: str, finding: Finding) -> str:
    """Name what an undo is about: this change on this target (a principal's unique ID), whatever
    the target is called later.
    """
    if policy_arn := finding.evidence.get("policy_arn"):
        return f"{account_id}/{target}/{policy_arn}"
    # 0.1.0 called the summary `claim`. Its stored undos are found only under a digest of that name.
    evidence = {_STORED_NAMES.get(name, name): text for name, text in finding.evidence.items()}
    seen = ",".join(f"{name}={evidence[name]}" for name in sorted(evidence))
    return f"{account_id}/{target}/{hashlib.sha256(seen.encode()).hexdigest()[:32]}"


def undoer_key(account_id: str, target: str, by: str) -> str:
    """Name who undid something on this target.

    The calls of an undo can look different from the change that it restores, so the grant's key
    does not find them.
    """
    return f"{account_id}/{target}/by/{hashlib.sha256(by.encode()).hexdigest()[:32]}"
