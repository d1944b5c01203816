"""Recordings of all kinds, the hostile ones too: each event gets a verdict, and nothing raises."""

import gzip
import io
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from countermand.actions import ALL
from countermand.core.checks.policies import ADMIN_POLICY_ARNS
from countermand.core.envelope import attach_event, envelope
from countermand.core.governance.guardrails import Guardrails
from countermand.core.model import Mode, Verdict
from countermand.replay.replay import Replayed, replay
from countermand.rules.rulebook import BUILT_IN, load_rules
from support.fakes import ACCOUNT, ADMIN
from support.skips import UnavailableError, skip_or_fail

RULES = load_rules(ALL, BUILT_IN)
DATA_SET = Path(__file__).parents[3].parent / "shared/data/cloudtrail/events.jsonl"
ATTACHES = {"AttachUserPolicy", "AttachRolePolicy", "AttachGroupPolicy"}
DESCRIBED = {"ignored", "malformed", *Verdict}

RECORD = attach_event(ACCOUNT, "iam-test-user")
OTHER = attach_event(ACCOUNT, "iam-test-user", "arn:aws:iam::aws:policy/ReadOnlyAccess")


def replayed(content: bytes | str, policy: Guardrails | None = None) -> list[Replayed]:
    raw = content.encode() if isinstance(content, str) else content
    source = [("a.json", io.BytesIO(raw))]
    if policy is None:
        return list(replay(source, RULES))
    return list(replay(source, RULES, lambda _event: policy))


def verdicts(content: bytes | str) -> list[str]:
    return [one.verdict for one in replayed(content)]


def lines(*documents: object) -> str:
    return "".join(json.dumps(document) + "\n" for document in documents)


TWO = ["remediate", "ignored"]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(lines(envelope(RECORD), envelope(OTHER)), id="envelopes, one a line"),
        pytest.param(lines(RECORD, OTHER), id="records, one a line"),
        pytest.param(lines(RECORD, envelope(OTHER)), id="both, mixed"),
        pytest.param(json.dumps({"Records": [RECORD, OTHER]}), id="a trail file"),
        pytest.param(json.dumps({"Records": [RECORD, OTHER]}, indent=2), id="pretty trail file"),
        pytest.param(json.dumps([RECORD, OTHER]), id="a list"),
        pytest.param(json.dumps([RECORD, envelope(OTHER)], indent="\t"), id="a pretty list"),
        pytest.param(lines([RECORD], [OTHER]), id="lists, one a line"),
        pytest.param(lines({"Records": [RECORD]}, {"Records": [OTHER]}), id="trail files"),
        pytest.param("\n\n" + lines(RECORD) + "  \n\n" + lines(OTHER) + "\n", id="empty lines"),
        pytest.param(lines(RECORD, OTHER).replace("\n", "\r\n"), id="lines as Windows ends them"),
        pytest.param(lines(RECORD, OTHER).rstrip("\n"), id="no newline at the end"),
        pytest.param("\n" + json.dumps([RECORD, OTHER], indent=1), id="an empty line, then a list"),
    ],
)
def test_every_layout_of_a_recording_is_read_plain_and_compressed(content: str) -> None:
    assert verdicts(content) == TWO
    assert verdicts(gzip.compress(content.encode())) == TWO


@pytest.mark.parametrize("indent", [None, 2, "\t"])
@pytest.mark.parametrize("document", [RECORD, envelope(RECORD)], ids=["record", "envelope"])
def test_a_single_document_may_be_pretty_printed(document: object, indent: int | str) -> None:
    assert verdicts(json.dumps(document, indent=indent)) == ["remediate"]


def test_two_gzip_files_one_after_the_other_are_one_recording() -> None:
    content = gzip.compress(lines(RECORD).encode()) + gzip.compress(lines(OTHER).encode())
    assert verdicts(content) == TWO


@pytest.mark.parametrize("content", ["", "\n", " \n\t\n", gzip.compress(b"", mtime=0)])
def test_a_recording_of_nothing_has_no_events(content: bytes | str) -> None:
    assert replayed(content) == []


def test_an_empty_trail_file_has_no_events() -> None:
    assert replayed('{"Records": []}') == []


def test_events_are_numbered_from_one() -> None:
    found = replayed(lines(RECORD, {"no": "event"}, OTHER))
    assert [one.number for one in found] == [1, 2, 3]
    assert [one.verdict for one in found] == ["remediate", "malformed", "ignored"]


def test_a_decision_says_what_would_be_done() -> None:
    (one,) = replayed(lines(RECORD))
    assert one.event is not None
    assert one.event.event_id == RECORD["eventID"]
    assert one.decision is not None
    assert one.decision.approved_for_remediation
    assert one.decision.leading.finding.evidence == {"policy_arn": ADMIN}


def test_what_depends_on_a_customers_policy_stays_unverified() -> None:
    own = attach_event(ACCOUNT, "iam-test-user", f"arn:aws:iam::{ACCOUNT}:policy/iam-test-x")
    (one,) = replayed(lines(own))
    assert one.decision is not None
    assert one.decision.unverified


def test_a_replay_follows_the_policy_that_it_is_given() -> None:
    (one,) = replayed(lines(RECORD), Guardrails(ACCOUNT, "us-east-1", Mode.OBSERVE))
    assert one.verdict == "alert_only"
    (one,) = replayed(lines(RECORD), Guardrails("999999999999", "us-east-1"))
    assert one.verdict == "alert_only"


@pytest.mark.parametrize(("answer", "verdict"), [("Success", "alert_only"), ("Failure", "skip")])
def test_a_sign_in_of_root_counts_only_if_it_succeeded(answer: str, verdict: str) -> None:
    record = RECORD | {
        "eventSource": "signin.amazonaws.com",
        "eventName": "ConsoleLogin",
        "userIdentity": {"type": "Root"},
        "requestParameters": None,
        "responseElements": {"ConsoleLogin": answer},
    }
    assert verdicts(json.dumps(envelope(record, "AWS Console Sign In via CloudTrail"))) == [verdict]


def test_failed_calls_and_calls_out_of_scope_differ() -> None:
    failed = attach_event(ACCOUNT, "iam-test-user", error_code="AccessDenied")
    outside = attach_event(ACCOUNT, "ana")
    assert verdicts(lines(failed, outside)) == ["skip", "alert_only"]


@pytest.mark.parametrize(
    "event_type",
    ["AwsConsoleSignIn", "AwsServiceEvent", "AwsConsoleAction", "AwsApiCall", None, 7, [], "x"],
)
def test_a_record_of_any_event_type_gets_an_envelope(event_type: object) -> None:
    changes = {"eventType": event_type, "eventName": "ConsoleLogin"}
    assert verdicts(lines(RECORD | changes)) == ["ignored"]


# --- what is no event

HOSTILE = [
    pytest.param(b"hello", id="text"),
    pytest.param(b'{"a": 1', id="cut off"),
    pytest.param(b"\xff\xfe\x00", id="no UTF-8"),
    pytest.param(b"\x00", id="a zero byte"),
    pytest.param(b"7", id="a number"),
    pytest.param(b"null", id="null"),
    pytest.param(b'"text"', id="a string"),
    pytest.param(b"true", id="a boolean"),
    pytest.param(b"NaN", id="NaN"),
    pytest.param(b"-Infinity", id="infinity"),
    pytest.param(b"9" * 5000, id="a number of 5,000 digits"),
    pytest.param(b"{}", id="an empty object"),
    pytest.param(b'{"Records": 7}', id="records that are no list"),
    pytest.param(b'{"detail": []}', id="a detail that is no object"),
    pytest.param(b'{"detail": null}', id="a detail that is null"),
    pytest.param(b'{"Records": [7, null, "x"]}', id="records that are no objects"),
    pytest.param(b'{"a": "\\ud800"}', id="a lone surrogate"),
    pytest.param(b"[" * 500_000, id="lists 500,000 deep"),
    pytest.param(b"[" * 500_000 + b"]" * 500_000, id="lists 500,000 deep and closed"),
    pytest.param(b'{"a":' * 500_000, id="objects 500,000 deep"),
    pytest.param(b'{"a":' * 500_000 + b"1" + b"}" * 500_000, id="objects 500,000 deep and closed"),
    pytest.param(b"}" * 100_000, id="closing braces"),
    pytest.param(b'{"detail": "' + b"x" * 1_000_000 + b'"}', id="a megabyte"),
]


@pytest.mark.parametrize("line", HOSTILE)
def test_a_line_that_is_no_event_is_malformed_and_stops_nothing(line: bytes) -> None:
    found = replayed(lines(RECORD).encode() + line + b"\n" + lines(OTHER).encode())
    assert [found[0].verdict, found[-1].verdict] == TWO
    for one in found[1:-1]:
        assert one.verdict == "malformed"
        assert one.malformed
        assert one.decision is None


@pytest.mark.parametrize(
    "changes",
    [
        {"eventID": None},
        {"eventID": "\ud800"},
        {"userIdentity": None},
        {"eventTime": "yesterday"},
        {"eventTime": 7},
        {"eventName": []},
        {"awsRegion": ""},
        {"recipientAccountId": None},
        {"recipientAccountId": "1"},
        {"requestParameters": "x"},
        {"requestParameters": {"userName": 7, "policyArn": ADMIN}},
        {"requestParameters": {"userName": "iam-test-user", "policyArn": 7}},
        {"requestParameters": {"userName": "\ud800", "policyArn": ADMIN}},
        {"errorCode": 7},
        {"additionalEventData": float("nan")},
        {"additionalEventData": 10**30},
    ],
)
def test_a_record_with_a_hostile_field_is_malformed_with_a_reason(changes: dict[str, Any]) -> None:
    (one,) = replayed(lines(RECORD | changes))
    assert one.verdict == "malformed"
    assert one.malformed
    assert one.malformed.isprintable()


@pytest.mark.parametrize("wrap", [dict, envelope], ids=["record", "envelope"])
def test_a_record_that_repeats_a_key_is_malformed(wrap: Any) -> None:
    text = json.dumps(wrap(RECORD))
    twice = text.replace('"userName": "iam', '"userName": "someone", "userName": "iam')
    assert twice != text
    assert verdicts(twice) == ["malformed"]


def test_a_compressed_recording_that_is_cut_off_is_malformed_at_its_end() -> None:
    whole = gzip.compress(lines(*[RECORD] * 50).encode(), mtime=0)
    found = replayed(whole[:-20])
    assert found[-1].verdict == "malformed"
    assert "to its end" in str(found[-1].malformed)


@pytest.mark.parametrize("rest", [b"", b"\x08", b"this is no gzip file", b"\x08\x00\xff" * 20])
def test_what_only_begins_like_a_gzip_file_is_malformed(rest: bytes) -> None:
    (one,) = replayed(b"\x1f\x8b" + rest)
    assert one.verdict == "malformed"
    assert one.malformed


# --- real events


@pytest.fixture(scope="module")
def real() -> list[dict[str, Any]]:
    if not DATA_SET.is_file():
        skip_or_fail(UnavailableError(f"no data set of real CloudTrail events at {DATA_SET}"))
    with DATA_SET.open(encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def wrapped(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        row.get("envelope") or envelope(row["event"], row["derived"]["detail_type"]) for row in rows
    ]


def test_every_real_event_ends_in_a_described_verdict(real: list[dict[str, Any]]) -> None:
    found = replayed(lines(*wrapped(real)))
    assert len(found) == len(real)
    assert {one.verdict for one in found} <= DESCRIBED
    for one in found:
        assert bool(one.malformed) == (one.verdict == "malformed")
        assert one.decision is None or one.decision.reason


def test_an_envelope_changes_no_decision(
    real: list[dict[str, Any]],
) -> None:
    bare = Counter(verdicts(lines(*(row["event"] for row in real))))
    assert bare["remediate"] + bare["alert_only"] + bare["skip"] > 0
    assert set(bare) <= DESCRIBED


def test_every_real_attachment_of_an_administrator_policy_fires(
    real: list[dict[str, Any]],
) -> None:
    rows = [row for row in real if is_admin_attachment(row)]
    assert rows
    for row, one in zip(rows, replayed(lines(*wrapped(rows))), strict=True):
        assert one.decision is not None, row["id"]
        assert one.decision.verdict in {Verdict.REMEDIATE, Verdict.ALERT_ONLY}, row["id"]


def is_admin_attachment(row: dict[str, Any]) -> bool:
    event = row["event"]
    request = event.get("requestParameters") or {}
    return (
        event["eventName"] in ATTACHES
        and not row["derived"]["failed"]
        and request.get("policyArn") in ADMIN_POLICY_ARNS
    )
