"""Structured logs: one JSON object per line on standard output, and on every handler added later.

The worker binds event and decision IDs once per message, so that they appear on each line. The JSON
is ASCII, so that no name from an event can break a line, move the cursor or reverse the text. Never
log a body: log its hash.
"""

import logging
import sys
from typing import TextIO

import structlog

_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
    structlog.processors.EventRenamer("message"),
]


def configure(level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send our own logs and the warnings of libraries to `stream`; standard output by default."""
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(ensure_ascii=True),
        ],
        foreign_pre_chain=_SHARED,
    )
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    # At its lower levels, botocore logs request bodies and where credentials come from.
    logging.getLogger("countermand").setLevel(level)
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )


def add_handler(handler: logging.Handler) -> None:
    """Send our own logs to one more handler, in the same form."""
    root = logging.getLogger()
    handler.setFormatter(root.handlers[0].formatter)
    logging.getLogger("countermand").addHandler(handler)


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """Return a logger whose lines carry what is bound to the current message."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(name)
    return logger


bound = structlog.contextvars.bound_contextvars
