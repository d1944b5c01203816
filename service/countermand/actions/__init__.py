"""The remediations, one module each. A new one is a file and a line here."""

from collections.abc import Mapping

from countermand.actions.detach_user_policy import DetachUserPolicy
from countermand.ports import Action

ALL: Mapping[str, Action] = {action.name: action for action in (DetachUserPolicy(),)}
