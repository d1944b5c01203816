"""Takes the steps of a decision, or simulates them: the same path up to the last call.

    mode     the call      read after  status
    -------  ------------  ----------  ---------
    other    -             -           simulated
    enforce  changed       gone        applied
    enforce  changed       there       failed
    enforce  found nothing -           unchanged
    enforce  refused       -           failed

The live read that approved the step comes immediately before it and has found the change. IAM can
show an old state for some seconds, so the remediator reads several times before it calls a write a
failure.
"""

from collections.abc import Mapping

from countermand.core.errors import CountermandError, Denied, LostLease, Permanent
from countermand.core.model import Call, Mode, Outcome, Step, StepStatus
from countermand.logs import get_logger
from countermand.metrics import Metrics
from countermand.ports import Action, Clock, Cloud

log = get_logger(__name__)

_UNDO = "undo_"
_PROOF_WAITS_SECONDS = (0.0, 1.0, 2.0, 4.0)


class Remediator:
    """Runs steps through the registered actions. A failure is an outcome, never an exception.

    An outcome has an inverse when the call changed something, or may have.
    """

    def __init__(
        self,
        actions: Mapping[str, Action],
        cloud: Cloud,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self.actions = actions
        self._cloud = cloud
        self._clock = clock
        self._metrics = metrics

    def started(self, step: Step) -> Outcome:
        """Return the outcome to store before the call.

        Should the worker die in the call, it explains later why the change is gone.
        """
        return Outcome(step, StepStatus.STARTED, "about to write", _inverse(step))

    def run(self, step: Step) -> Outcome:
        """Take one step and return its outcome."""
        if step.mode is not Mode.ENFORCE:
            detail = "all checks passed, nothing written"
            return self._ended(step, StepStatus.SIMULATED, detail)
        try:
            status, detail = self._write(step)
        except LostLease:
            raise
        except (Denied, Permanent) as error:
            return self._ended(step, StepStatus.FAILED, str(error))
        except CountermandError as error:
            # The write may have happened although its answer was lost.
            return self._ended(step, StepStatus.FAILED, str(error), undoable=True)
        except Exception as error:
            # A bug in one action must not silence the alert or the other steps.
            log.exception("Bug: action failed", action=step.call.action)
            detail = f"bug in the action: {type(error).__name__}"
            return self._ended(step, StepStatus.FAILED, detail, undoable=True)
        return self._ended(step, status, detail, undoable=status is not StepStatus.UNCHANGED)

    def confirm(self, step: Step) -> Outcome:
        """Return the outcome of a step whose attempt was interrupted and whose change is gone."""
        detail = (
            "removed; the previous attempt was interrupted, so Countermand or a person removed it"
        )
        return self._ended(step, StepStatus.APPLIED, detail, undoable=True)

    def undo(self, call: Call) -> None:
        """Run the inverse that is stored with an outcome."""
        action = self.actions[call.action.removeprefix(_UNDO)]
        action.undo(self._cloud, call.params)

    def _write(self, step: Step) -> tuple[StepStatus, str]:
        action, params = self.actions[step.call.action], step.call.params
        if not action.apply(self._cloud, params):
            return StepStatus.UNCHANGED, "no change needed"
        for seconds in _PROOF_WAITS_SECONDS:
            self._clock.sleep(seconds)
            if not action.is_present(self._cloud, params):
                return StepStatus.APPLIED, "verified by a second read"
        return StepStatus.FAILED, "applied, but IAM still returns the old state"

    def _ended(
        self, step: Step, status: StepStatus, detail: str, *, undoable: bool = False
    ) -> Outcome:
        self._metrics.remediations.labels(action=step.call.action, status=str(status)).inc()
        _log(step, status, detail)
        inverse = _inverse(step) if undoable else None
        return Outcome(step, status, detail, inverse, self._clock.now())


def _inverse(step: Step) -> Call:
    return Call(f"{_UNDO}{step.call.action}", step.call.params)


def _log(step: Step, status: StepStatus, detail: str) -> None:
    fields = {"action": step.call.action, "status": str(status), "detail": detail}
    match status:
        case StepStatus.APPLIED:
            log.info("Remediation applied", **fields)
        case StepStatus.SIMULATED:
            log.info("Dry run enabled - remediation skipped", **fields)
        case StepStatus.UNCHANGED:
            log.info("No remediation performed", **fields)
        case _:
            log.error("Remediation failed", **fields)
