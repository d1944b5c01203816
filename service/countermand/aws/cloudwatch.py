"""A copy of the log in CloudWatch Logs, through watchtower.

The log group must exist (Terraform or `countermand provision` creates it); the handler creates the
stream. A queue and a thread send the lines, so the worker never waits. When CloudWatch Logs is
down, the handler drops lines after some retries.
"""

import logging
import threading
from typing import Any

from watchtower import CloudWatchLogHandler

PERMISSIONS = ("logs:CreateLogStream", "logs:PutLogEvents")

_SEND_SECONDS = 5
_FLUSH_SECONDS = 3.0


def log_handler(client: Any, group: str, stream: str) -> logging.Handler:
    """Return a handler that never raises and never blocks its caller."""
    handler: logging.Handler = CloudWatchLogHandler(
        log_group_name=group,
        log_stream_name=stream,
        boto3_client=client,
        send_interval=_SEND_SECONDS,
        create_log_group=False,
    )
    return handler


def flush(handler: logging.Handler) -> None:
    """Send the queued lines, for at most three seconds."""
    closing = threading.Thread(target=handler.close, daemon=True)
    closing.start()
    closing.join(_FLUSH_SECONDS)
