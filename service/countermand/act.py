"""Takes the steps of a decision, or rehearses them: the same path up to the last call.

| present before | mode    | apply | present after | status    |
|----------------|---------|-------|---------------|-----------|
| no             | any     | -     | -             | unchanged |
| yes            | dry-run | -     | -             | rehearsed |
| yes            | enforce | ok    | no            | applied   |
| yes            | enforce | ok    | yes           | failed    |
| error anywhere | any     |       |               | failed    |
"""

from collections.abc import Mapping

from countermand.core.errors import CountermandError, LostClaim
from countermand.core.model import Call, Mode, Outcome, Step, StepStatus
from countermand.logs import get_logger
from countermand.metrics import Metrics
from countermand.ports import Action, Clock, Identities

log = get_logger(__name__)

_UNDO = "undo_"


class Remediator:
    """Runs steps through the registered actions; a failure is an outcome, never an exception."""

    def __init__(
        self,
        actions: Mapping[str, Action],
        identities: Identities,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self.actions = actions
        self._identities = identities
        self._clock = clock
        self._metrics = metrics

    def run(self, step: Step) -> Outcome:
        """Take one step and say how it ended."""
        try:
            status, detail = self._attempt(step)
        except LostClaim:
            raise
        except CountermandError as error:
            status, detail = StepStatus.FAILED, str(error)
        inverse = _inverse(step) if status is StepStatus.APPLIED else None
        self._metrics.remediations.labels(action=step.call.action, status=str(status)).inc()
        _log(step, status, detail)
        return Outcome(step, status, detail, inverse, self._clock.now())

    def confirm(self, step: Step) -> Outcome:
        """The outcome of a step whose attempt was cut off, now that the grant is gone."""
        detail = "gone after an attempt that was cut off: by it, or by a human at the same moment"
        _log(step, StepStatus.APPLIED, detail)
        return Outcome(step, StepStatus.APPLIED, detail, _inverse(step), self._clock.now())

    def undo(self, call: Call) -> None:
        """Run the inverse that an outcome stored."""
        action = self.actions[call.action.removeprefix(_UNDO)]
        action.undo(self._identities, call.params)

    def _attempt(self, step: Step) -> tuple[StepStatus, str]:
        action, params = self.actions[step.call.action], step.call.params
        if not action.present(self._identities, params):
            return StepStatus.UNCHANGED, "already as wanted when read again"
        if step.mode is not Mode.ENFORCE:
            return StepStatus.REHEARSED, "dry run: everything but the write"
        action.apply(self._identities, params)
        if action.present(self._identities, params):
            return StepStatus.FAILED, "written, but IAM still shows it when read again"
        return StepStatus.APPLIED, "written, and gone when read again"


def _inverse(step: Step) -> Call:
    return Call(f"{_UNDO}{step.call.action}", step.call.params)


def _log(step: Step, status: StepStatus, detail: str) -> None:
    fields = {"action": step.call.action, "status": str(status), "detail": detail}
    match status:
        case StepStatus.APPLIED:
            log.info("Remediation applied", **fields)
        case StepStatus.REHEARSED:
            log.info("Dry run enabled - remediation skipped", **fields)
        case StepStatus.UNCHANGED:
            log.info("No remediation performed", **fields)
        case StepStatus.FAILED:
            log.error("Remediation failed", **fields)
