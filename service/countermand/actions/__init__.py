"""The remediations, one module each. A new one is a file and a line here."""

from collections.abc import Mapping

from countermand.actions.detach_policy import DetachPolicy
from countermand.core.model import SubjectKind
from countermand.ports import Action

_ACTIONS: tuple[Action, ...] = (
    DetachPolicy(SubjectKind.USER),
    DetachPolicy(SubjectKind.ROLE),
    DetachPolicy(SubjectKind.GROUP),
)

ALL: Mapping[str, Action] = {action.name: action for action in _ACTIONS}
