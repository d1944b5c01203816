"""Structured logs: one JSON object a line on standard output, and on every handler added later.

Event and decision ids are bound once per message and appear on each line. The JSON is ASCII, so
that no name from an event can break a line, move the cursor or turn the text around. Never log a
body: log its hash.
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
    """Send our own logs, and the warnings of the libraries, to `stream` (standard output)."""
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
    # botocore logs request bodies and credentials' origin at its lower levels.
    logging.getLogger("countermand").setLevel(level)
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )


def add_handler(handler: logging.Handler) -> None:
    """Log to one more place, in the same form."""
    root = logging.getLogger()
    handler.setFormatter(root.handlers[0].formatter)
    logging.getLogger("countermand").addHandler(handler)


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger whose lines carry what is bound to the current message."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(name)
    return logger


bound = structlog.contextvars.bound_contextvars
