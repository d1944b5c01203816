"""The log: one JSON object or one text a line, whatever is logged."""

import io
import json
import logging
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import structlog

from countermand import logs

HOSTILE_NAMES = [
    "two\nlines",
    'quote " and {"level": "info"}\n{"forged": true}',
    "\x1b[2Jescape\x07\x00",
    "\u202eresu-tset-mai",
    "line\u2028separator\u0085next",
    "\U0001f600",
    "\ud800",
    "%s %d %(name)s {0} ${7*7}",
    "x" * 10_000,
]


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Logging is global: every test leaves it as it was."""
    root, ours = logging.getLogger(), logging.getLogger("countermand")
    handlers, level = root.handlers[:], root.level
    own_handlers, own_level = ours.handlers[:], ours.level
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers, ours.handlers = handlers, own_handlers
    root.setLevel(level)
    ours.setLevel(own_level)


@pytest.fixture
def stream() -> io.StringIO:
    stream = io.StringIO()
    logs.configure("INFO", stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object(stream: io.StringIO) -> None:
    """A line is one JSON object with time, level and message."""
    logs.get_logger("countermand.test").info("Worker started", mode="dry-run", threads=16)
    (line,) = lines(stream)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "message": "Worker started",
        "mode": "dry-run",
        "threads": 16,
    }


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=range(len(HOSTILE_NAMES)))
def test_no_name_breaks_a_line_or_leaves_ascii(stream: io.StringIO, name: str) -> None:
    log = logs.get_logger("countermand.test")
    with logs.bound(event_id=name):
        log.warning(name, target=name, names=[name], nested={"name": name})
        logging.getLogger("botocore").warning("%s", name)
    assert stream.getvalue().isascii()
    ours, theirs = lines(stream)
    assert "\x1b" not in stream.getvalue()
    assert ours["message"] == ours["target"] == ours["nested"]["name"] == name
    assert theirs["message"] == name
    assert ours["event_id"] == theirs["event_id"] == name


def test_bound_fields_are_on_each_line(stream: io.StringIO) -> None:
    """Bound fields are on each line of the block."""
    log = logs.get_logger("countermand.test")
    with logs.bound(event_id="1", account_id="111122223333"):
        with logs.bound(decision_id="d-1"):
            log.info("inside")
        log.info("between")
    log.info("outside")
    inside, between, outside = lines(stream)
    assert (inside["event_id"], inside["decision_id"]) == ("1", "d-1")
    assert between["account_id"] == "111122223333"
    assert "decision_id" not in between
    assert "event_id" not in outside


def test_a_trace_is_part_of_its_line(stream: io.StringIO) -> None:
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        logs.get_logger("countermand.test").exception("Broken")
    (line,) = lines(stream)
    assert line["level"] == "error"
    assert "ZeroDivisionError: division by zero" in line["exception"]


def test_values_outside_json_are_shown(stream: io.StringIO) -> None:
    logs.get_logger("countermand.test").info("odd", value=object(), raw=b"\xff", keys={1: {2}})
    assert len(lines(stream)) == 1


def test_the_log_level_is_the_setting() -> None:
    for level, expected in (("DEBUG", 3), ("INFO", 2), ("WARNING", 1), ("ERROR", 0)):
        stream = io.StringIO()
        logs.configure(level, stream)
        log = logs.get_logger("countermand.test")
        log.debug("debug")
        log.info("info")
        log.warning("warning")
        assert len(lines(stream)) == expected, level


@pytest.mark.parametrize("level", ["DEBUG", "INFO"])
def test_libraries_log_only_warnings(level: str) -> None:
    """At lower levels botocore logs secrets."""
    stream = io.StringIO()
    logs.configure(level, stream)
    for name in ("botocore.auth", "urllib3", "uvicorn.error", "some.library"):
        library = logging.getLogger(name)
        library.debug("secret")
        library.info("secret")
        library.warning("worth it")
    assert [line["message"] for line in lines(stream)] == ["worth it"] * 4


def test_configuring_twice_does_not_write_twice(stream: io.StringIO) -> None:
    logs.configure("INFO", stream)
    logs.get_logger("countermand.test").info("once")
    assert len(lines(stream)) == 1


class Kept(logging.Handler):
    """Keeps what it would have written."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))


class Broken(logging.Handler):
    """CloudWatch on a bad day: `emit` meets an error and reports it as handlers do."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            Path("/no/such/log").write_text(self.format(record), encoding="utf-8")
        except OSError:
            self.handleError(record)


def test_an_added_handler_gets_the_same_lines(stream: io.StringIO) -> None:
    kept = Kept()
    logs.add_handler(kept)
    with logs.bound(event_id="1"):
        logs.get_logger("countermand.test").info("Parsed event", target="a\nb")
    assert [text + "\n" for text in kept.texts] == [stream.getvalue()]


def test_an_added_handler_gets_no_library_lines(stream: io.StringIO) -> None:
    kept = Kept()
    logs.add_handler(kept)
    logging.getLogger("botocore").warning("retrying")
    assert kept.texts == []
    assert len(lines(stream)) == 1


def test_a_failing_handler_stops_nothing(
    stream: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = Kept()
    logs.add_handler(Broken())
    logs.add_handler(kept)
    logs.get_logger("countermand.test").info("Remediation applied")
    assert [line["message"] for line in lines(stream)] == ["Remediation applied"]
    assert len(kept.texts) == 1
    assert "No such file or directory" in capsys.readouterr().err


# --- text, for people


def as_text(name: str = "ana", **values: Any) -> str:
    stream = io.StringIO()
    logs.configure(stream=stream, as_text=True)
    logs.get_logger("countermand.test").warning(name, **values)
    return stream.getvalue()


def test_a_line_of_text_reads_from_left_to_right() -> None:
    line = as_text("Alert failed", channel="sns", error="no answer", retries=2)
    time, rest = line.split(" ", 1)
    assert datetime.fromisoformat(time).tzinfo is not None
    assert rest == 'warning  Alert failed channel=sns error="no answer" retries=2\n'


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=range(len(HOSTILE_NAMES)))
def test_no_name_breaks_a_line_of_text(name: str) -> None:
    text = as_text(name, target=name, nested={"name": name})
    assert re.fullmatch(r"[ -~]*\n", text)


def test_a_trace_is_below_its_line() -> None:
    stream = io.StringIO()
    logs.configure(stream=stream, as_text=True)
    try:
        int("a\x1bb")
    except ValueError:
        logs.get_logger("countermand.test").exception("Broken")
    first, *below = stream.getvalue().splitlines()
    assert first.endswith("error    Broken")
    assert "ValueError" in below[-1]
    assert "\x1b" not in stream.getvalue()


def test_another_handler_gets_json() -> None:
    """CloudWatch Logs is for machines, whatever the terminal shows."""
    logs.configure(stream=io.StringIO(), as_text=True)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logs.add_handler(handler)
    logs.get_logger("countermand.test").info("Worker started")
    logging.getLogger("countermand").removeHandler(handler)
    assert json.loads(stream.getvalue())["message"] == "Worker started"
