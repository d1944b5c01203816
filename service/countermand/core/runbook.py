"""The runbook of a rule: numbered steps in one line of text."""

import re

_NEXT_STEP = re.compile(r" (?=[2-9]\. )")


def steps_of(runbook: str) -> list[str]:
    """Return the steps of a runbook of one line, each with its number."""
    return _NEXT_STEP.split(runbook)
