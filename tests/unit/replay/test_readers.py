"""Every shape, encoding and compression of the same two records gives the same two verdicts."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from countermand.actions import ALL
from countermand.core.envelope import attach_event, envelope
from countermand.replay.readers import LONGEST_DOCUMENT, items
from countermand.replay.replay import Replayed, replay
from countermand.rules.rulebook import BUILT_IN, load_rules
from support.fakes import ACCOUNT

RULES = load_rules(ALL, BUILT_IN)
ATTACK = attach_event(ACCOUNT, "iam-test-user")
OTHER = attach_event(ACCOUNT, "iam-test-user", "arn:aws:iam::aws:policy/ReadOnlyAccess")
TWO = (ATTACK, OTHER)
TEXTS = [json.dumps(record) for record in TWO]
VERDICTS = ["remediate", "ignored"]
IDENTITY = (
    f"{{type=IAMUser, arn=arn:aws:iam::{ACCOUNT}:user/a, accountid={ACCOUNT}, username=null}}"
)


def table(header: list[str], rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([header, *rows])
    return text.getvalue()


def athena(record: dict[str, Any]) -> list[str]:
    names = ("eventTime", "eventSource", "eventName", "awsRegion", "eventID")
    return [IDENTITY, json.dumps(record["requestParameters"]), *(record[name] for name in names)]


def sns(text: str) -> dict[str, str]:
    return {"Type": "Notification", "TopicArn": "arn:aws:sns:x", "Message": text}


EVENTS = [{"EventId": "1", "Resources": [], "CloudTrailEvent": text} for text in TEXTS]
SHAPES = {
    "lookup-events": json.dumps({"Events": EVENTS}, indent=4),
    "lookup-events with a token after": json.dumps({"Events": EVENTS, "NextToken": "a"}),
    "lookup-events with a token before": json.dumps({"NextToken": "a", "Events": EVENTS}),
    "texts of lookup-events": "\n".join(json.dumps(one) for one in EVENTS),
    "log file": json.dumps({"Records": TWO}),
    "log file, one record a line": '{"Records":[\n' + ",\n".join(TEXTS) + "\n]}\n",
    "log file, indented": json.dumps({"Records": TWO}, indent=2),
    "log files in a row": "".join(json.dumps({"Records": [record]}) for record in TWO),
    "JSON Lines": "\n".join(TEXTS),
    "JSON Lines of Windows": "\r\n".join(TEXTS),
    "documents in a row, indented": "\n".join(json.dumps(record, indent=2) for record in TWO),
    "documents in a row, without a break": "".join(TEXTS),
    "envelopes": "\n".join(json.dumps(envelope(record)) for record in TWO),
    "a list of envelopes, indented": json.dumps([envelope(record) for record in TWO], indent=1),
    "SQS messages": json.dumps({"Messages": [{"Body": json.dumps(envelope(r))} for r in TWO]}),
    "SNS notifications": "\n".join(json.dumps(sns(text)) for text in TEXTS),
    "SNS in SQS": json.dumps({"Messages": [{"Body": json.dumps(sns(t))} for t in TEXTS]}),
    "CloudTrail Lake events": "\n".join(json.dumps({"eventData": text}) for text in TEXTS),
    "CloudWatch Logs events": json.dumps({"events": [{"message": text} for text in TEXTS]}),
    "CSV with the record as JSON": table(["id", "eventJson"], [["1", text] for text in TEXTS]),
    "CSV of the CloudTrail table": table(
        [
            "useridentity",
            "requestparameters",
            "eventtime",
            "eventsource",
            "eventname",
            "awsregion",
            "eventid",
        ],
        [athena(record) for record in TWO],
    ),
}
ENCODINGS: dict[str, Callable[[str], bytes]] = {
    "UTF-8": str.encode,
    "UTF-8 with a mark": lambda text: text.encode("utf-8-sig"),
    "UTF-16 with a mark": lambda text: text.encode("utf-16"),
    "UTF-16, big end first, with a mark": lambda text: ("\ufeff" + text).encode("utf-16-be"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-le"),
    "UTF-16, big end first": lambda text: text.encode("utf-16-be"),
}
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "gzip of several members": lambda raw: gzip.compress(raw[:99]) + gzip.compress(raw[99:]),
}


class Pieces:
    """A source that hands out a few bytes at a time, as a pipe may."""

    def __init__(self, raw: bytes, size: int) -> None:
        self._stream, self._size = io.BytesIO(raw), size

    def read(self, size: int, /) -> bytes:
        return self._stream.read(min(size, self._size))


def replayed(raw: bytes, piece: int = 1 << 20) -> list[Replayed]:
    return list(replay([("a", Pieces(raw, piece))], RULES))


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_same_records_give_the_same_verdicts(
    shape: str, encoding: str, compression: str
) -> None:
    raw = COMPRESSIONS[compression](ENCODINGS[encoding](SHAPES[shape]))
    assert [one.verdict for one in replayed(raw)] == VERDICTS


@pytest.mark.parametrize("shape", SHAPES)
def test_a_source_may_hand_out_its_bytes_in_small_pieces(shape: str) -> None:
    assert [one.verdict for one in replayed(SHAPES[shape].encode(), piece=7)] == VERDICTS


def test_a_digest_file_is_named_and_skipped() -> None:
    digest = {"awsAccountId": ACCOUNT, "digestStartTime": "a", "digestEndTime": "b", "logFiles": []}
    (one,) = replayed(json.dumps(digest).encode())
    assert one.verdict == "skipped"
    assert "digest file" in str(one.malformed)


def test_a_broken_record_in_a_log_file_costs_only_its_line() -> None:
    text = '{"Records":[\n' + TEXTS[0] + ",\n{broken},\n" + TEXTS[1] + "\n]}"
    found = replayed(text.encode())
    assert [one.verdict for one in found] == ["remediate", "malformed", "ignored"]
    assert found[1].place == "a:3"


def test_a_log_file_that_is_cut_off_is_reported_at_its_end() -> None:
    found = replayed(('{"Records":[' + TEXTS[0]).encode())
    assert [one.verdict for one in found] == ["remediate", "malformed"]
    assert "cut off" in str(found[1].malformed)


def test_a_text_of_something_else_is_given_up_after_a_thousand_lines() -> None:
    found = replayed(b"not a record\n" * 5000)
    assert len(found) == 1001
    assert "reading ends here" in str(found[-1].malformed)


class Endless:
    """A source without an end, which counts what was read of it."""

    def __init__(self, start: bytes, more: bytes) -> None:
        self._start, self._more, self.given = start, more, 0

    def read(self, size: int, /) -> bytes:
        piece = self._start or (self._more * size)[:size]
        self._start = b""
        self.given += len(piece)
        return piece


@pytest.mark.parametrize("start", [b'{"a": "', b'{"Records": [{"a": "', b'[{"a": ['])
def test_a_document_without_end_is_refused_at_the_limit(start: bytes) -> None:
    source = Endless(start, b"1," if start.endswith(b"[") else b"x")
    (item,) = items(source)
    assert "more than 4 MB" in str(item.error)
    assert source.given < 4 * LONGEST_DOCUMENT
