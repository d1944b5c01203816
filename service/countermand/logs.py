"""Structured logs: one JSON object per line, or one line of text for people at a terminal.

The worker binds event and decision IDs once per message, so that they appear on each line. Both
forms are ASCII, so that no name from an event can break a line, move the cursor or reverse the
text. Never log a body: log its hash.
"""

import json
import logging
import re
import sys
from typing import TextIO

import structlog

_JSON = structlog.processors.JSONRenderer(ensure_ascii=True)
_WORD = re.compile(r"[!-~]+")
_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
    structlog.processors.EventRenamer("message"),
]


def configure(level: str = "INFO", stream: TextIO | None = None, *, as_text: bool = False) -> None:
    """Send our own logs and the warnings of libraries to `stream`; standard output by default."""
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(_formatter(_text if as_text else _JSON))
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
    """Send our own logs to one more handler, as JSON."""
    handler.setFormatter(_formatter(_JSON))
    logging.getLogger("countermand").addHandler(handler)


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """Return a logger whose lines carry what is bound to the current message."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(name)
    return logger


def _formatter(renderer: structlog.typing.Processor) -> logging.Formatter:
    meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    return structlog.stdlib.ProcessorFormatter(
        processors=[meta, renderer], foreign_pre_chain=_SHARED
    )


def _text(_logger: object, _method: str, line: structlog.typing.EventDict) -> str:
    """Write `TIME LEVEL MESSAGE name=value ...`, and a trace on the lines below."""
    said = dict(line)
    time, level = said.pop("time", ""), said.pop("level", "")
    message, trace = said.pop("message", ""), str(said.pop("exception", ""))
    values = "".join(f" {_plain(name)}={_plain(value)}" for name, value in said.items())
    below = "".join(f"\n    {_escaped(each)}" for each in trace.splitlines())
    return f"{time} {level:<8} {_escaped(str(message))}{values}{below}"


def _plain(value: object) -> str:
    """Return a word as it is, and anything else as JSON."""
    if isinstance(value, str) and _WORD.fullmatch(value):
        return value
    return json.dumps(value, default=str, ensure_ascii=True)


def _escaped(text: str) -> str:
    return json.dumps(text, ensure_ascii=True)[1:-1]


bound = structlog.contextvars.bound_contextvars
