"""What the conditions share: the evidence, and reading the request of an event.

A check takes the event and the evidence that the rule file names. It returns the evidence of the
finding, or None when the rule does not apply. A check that raises makes a finding that says so and
that Countermand never remediates.
"""

from collections.abc import Callable, Mapping
from typing import Any

from countermand.core.errors import Malformed
from countermand.core.model import Event

type Evidence = Mapping[str, str]
type Condition = Callable[[Event, Evidence], Evidence | None]


def requested(event: Event, key: str) -> str | None:
    """Return a text of the request; None when CloudTrail left the request out."""
    request = event.request
    if request is None or event.hides_request:
        return None
    found = request.get(key)
    if type(found) is not str:
        raise Malformed(f"detail.requestParameters.{key} must be a string")
    return found


def as_list(value: object) -> list[Any]:
    """Return a list unchanged, and any other value as a list of one."""
    return value if isinstance(value, list) else [value]


def texts(value: object) -> list[str]:
    """Return the strings in a list, or a single string as a list."""
    return [item for item in as_list(value) if isinstance(item, str)]
