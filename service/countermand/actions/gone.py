"""The answer of an action whose target was deleted: there is nothing to revert."""

from collections.abc import Callable
from functools import wraps

from countermand.core.errors import Gone


def false_when_gone[**P](method: Callable[P, bool]) -> Callable[P, bool]:
    """Make `apply` or `is_present` return False when AWS says that the target does not exist."""

    @wraps(method)
    def answer(*args: P.args, **kwargs: P.kwargs) -> bool:
        try:
            return method(*args, **kwargs)
        except Gone:
            return False

    return answer
