"""CloudWatch Logs as a second place for the log, through watchtower.

The group must exist (Terraform or `countermand provision` makes it); the stream is created. Lines
go through a queue and a thread of their own: when the service is down they are dropped after some
retries, and nothing waits for them.
"""

import logging
import threading
from typing import Any

from watchtower import CloudWatchLogHandler

PERMISSIONS = ("logs:CreateLogStream", "logs:PutLogEvents")

_SEND_SECONDS = 5
_FLUSH_SECONDS = 3.0


def log_handler(client: Any, group: str, stream: str) -> logging.Handler:
    """A handler that never raises and never blocks its caller."""
    handler: logging.Handler = CloudWatchLogHandler(
        log_group_name=group,
        log_stream_name=stream,
        boto3_client=client,
        send_interval=_SEND_SECONDS,
        create_log_group=False,
    )
    return handler


def flush(handler: logging.Handler) -> None:
    """Send what is queued, for at most three seconds."""
    closing = threading.Thread(target=handler.close, daemon=True)
    closing.start()
    closing.join(_FLUSH_SECONDS)
