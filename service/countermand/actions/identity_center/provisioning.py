"""The wait for a change in Identity Center, which answers before it is done."""

from collections.abc import Callable
from typing import Any

from countermand.core.errors import Permanent

_POLLS = 15
_POLL_SECONDS = 2.0


def wait_for_end(
    status: Any,  # noqa: ANN401  as boto3
    ask: Callable[[str], Any],
    sleep: Callable[[float], None],
) -> None:
    """Poll by the ID of the request until the change ended, for at most half a minute.

    A change that is still running then shows at the next `is_present`. Raises `Permanent` when the
    change failed.
    """
    for _ in range(_POLLS):
        if status["Status"] != "IN_PROGRESS":
            break
        sleep(_POLL_SECONDS)
        status = ask(status["RequestId"])
    if status["Status"] == "FAILED":
        raise Permanent(f"Identity Center failed: {status.get('FailureReason', 'no reason')}")
