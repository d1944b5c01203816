"""Stage one: hostile bodies are refused with a reason, real ones become events."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermand.core.envelope import attach_event, envelope
from countermand.core.errors import Malformed
from countermand.core.parse import LIMITS, load, parse
from support.fakes import ACCOUNT


def body(**changes: Any) -> str:
    """A compact envelope whose record has these fields; ... removes a field."""
    record = attach_event(ACCOUNT, "iam-test-user") | changes
    record = {key: value for key, value in record.items() if value is not ...}
    return json.dumps(envelope(record), separators=(",", ":"))


def test_the_key_names_account_and_event() -> None:
    event = parse(body(eventID="0c5b7a10-1111-2222-3333-444455556666"))
    assert event.id == f"{ACCOUNT}/0c5b7a10-1111-2222-3333-444455556666"
    assert (event.name, event.source) == ("AttachUserPolicy", "iam.amazonaws.com")
    assert event.actor.arn == f"arn:aws:iam::{ACCOUNT}:user/mallory"
    assert event.time.utcoffset() is not None
    assert event.error_code is None


def test_layout_does_not_change_the_event() -> None:
    document = json.loads(body())
    assert parse(json.dumps(document)) == parse(json.dumps(document, indent=2))


def test_the_role_of_a_session_is_its_issuer() -> None:
    issuer = {"arn": f"arn:aws:iam::{ACCOUNT}:role/deploy"}
    identity = {"type": "AssumedRole", "sessionContext": {"sessionIssuer": issuer}}
    assert parse(body(userIdentity=identity)).actor.issuer_arn == issuer["arn"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("", "not JSON", id="empty"),
        pytest.param("attack", "not JSON", id="words"),
        pytest.param("[1]", "a JSON list", id="list"),
        pytest.param("12", "a JSON number", id="number"),
        pytest.param('"x"', "a JSON string", id="string"),
        pytest.param("null", "a JSON null", id="null"),
        pytest.param("{}", "no EventBridge event: it has no detail", id="empty object"),
        pytest.param('{"detail":null}', "detail must be an object, not null", id="no detail"),
        pytest.param("\ufeff{}", "not JSON", id="byte order mark"),
        pytest.param('{"a":NaN}', "not JSON", id="NaN"),
        pytest.param('{"a":1,"a":2}', "repeats a key", id="duplicate keys"),
        pytest.param('{"a":1,"\\u0061":2}', "repeats a key", id="duplicate keys, one escaped"),
        pytest.param('{"a":' + "9" * 4301 + "}", "not JSON", id="4,301 digits"),
        pytest.param('{"a":' + "9" * 21 + "}", "more than 20 digits", id="21 digits"),
        pytest.param('{"a":1e999}', "body", id="infinite number"),
        pytest.param('{"a":"\ud800"}', "surrogate", id="lone surrogate"),
        pytest.param('{"a":"\\ud800"}', "not JSON", id="escaped lone surrogate"),
        pytest.param('{"a":"\x00"}', "not JSON", id="raw NUL"),
        pytest.param("[" * 33 + "]" * 33, "deeper than 32", id="depth 33"),
        pytest.param('{"a":' * 1100 + "1" + "}" * 1100, "depth limit exceeded", id="depth 1,100"),
        pytest.param('{"a":' * 1000 + "1" + "}" * 1000, "deeper than 32", id="depth 1,000"),
        pytest.param("[" * 100_000, "not JSON", id="depth 100,000"),
        pytest.param("[" * 500_000, "more than the limit", id="depth 500,000"),
        pytest.param('"' + "a" * 1_048_576 + '"', "more than the limit", id="1 MiB"),
        pytest.param('"' + "\\" * 200_000, "not JSON", id="200,000 backslashes"),
    ],
)
def test_a_body_without_an_event_is_refused(text: str, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        parse(text)


def notification(message: object, **changes: object) -> str:
    """What SNS sends to a queue without raw delivery."""
    whole = {
        "Type": "Notification",
        "MessageId": "a1",
        "TopicArn": f"arn:aws:sns:us-east-1:{ACCOUNT}:events",
        "Message": message,
        "Timestamp": "2026-11-27T12:00:00.000Z",
        "SignatureVersion": "1",
        "Signature": "c2ln",
        "SigningCertURL": "https://sns.us-east-1.amazonaws.com/cert.pem",
        "UnsubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe",
    }
    return json.dumps(whole | changes)


def test_an_event_in_an_sns_notification_is_the_event() -> None:
    """The event is the same, so that a copy by another way is a duplicate and no conflict."""
    assert parse(notification(body(eventID="e-1"))) == parse(body(eventID="e-1"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (notification(notification(body())), "an SNS notification in another one"),
        (notification("hello"), "not JSON"),
        (notification("[]"), "a JSON list"),
        (notification({"detail": {}}), "an SNS notification in another one"),
        (notification(body(), Type="SubscriptionConfirmation", SubscribeURL="x"), "confirmation"),
        (notification(json.dumps({"s3Bucket": "b", "s3ObjectKey": ["k"]})), "note about a log"),
        (notification('{"detail":{},"detail":{}}'), "repeats a key"),
        (notification('{"detail":' * 33 + "1" + "}" * 33), "deeper than 32"),
        (notification(body(eventID="no spaces")), "detail.eventID"),
        (json.dumps(json.loads(body())["detail"]), "remove InputPath"),
        (json.dumps({"s3Bucket": "b", "s3ObjectKey": ["k"]}), "EventBridge rules instead"),
        (json.dumps({"Records": []}), "a file of records"),
        (json.dumps({"Type": "Notification", "Message": body()}), "no EventBridge event"),
        (json.dumps({"detail-type": "x"}), "no EventBridge event"),
    ],
)
def test_other_messages_say_what_sent_them_here(text: str, reason: str) -> None:
    with pytest.raises(Malformed, match=reason) as caught:
        parse(text)
    assert "very-secret" not in str(caught.value)


@given(st.dictionaries(st.sampled_from(["Type", "Message", "TopicArn", "Records", "a"]), st.text()))
def test_no_notification_breaks_the_parser(document: dict[str, str]) -> None:
    with pytest.raises(Malformed):
        parse(json.dumps(document))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"requestParameters": []}, "detail.requestParameters must be an object or null"),
        ({"requestParameters": "x"}, "detail.requestParameters must be an object or null"),
        ({"eventID": ...}, "detail.eventID must be a non-empty string, not nothing"),
        ({"eventID": "a b\n"}, "detail.eventID has characters"),
        ({"eventID": 7}, "detail.eventID must be a non-empty string, not number"),
        ({"userIdentity": ...}, "detail.userIdentity must be an object, not nothing"),
        ({"userIdentity": "root"}, "detail.userIdentity must be an object, not string"),
        ({"eventTime": "yesterday"}, "detail.eventTime is not an ISO 8601 time"),
        ({"eventTime": "0001-01-01T00:00:00+23:59"}, "detail.eventTime is out of range"),
        ({"errorCode": True}, "detail.errorCode must be a string"),
        ({"awsRegion": None}, "detail.awsRegion must be a non-empty string, not null"),
        ({"recipientAccountId": "1234"}, "account is not an AWS account ID"),
        ({"recipientAccountId": "١٢٣٤٥٦٧٨٩٠١٢"}, "account is not an AWS account ID"),
    ],
)
def test_a_field_of_the_wrong_kind_is_named(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Malformed) as refusal:
        parse(body(**changes))
    assert reason in str(refusal.value)


@pytest.mark.parametrize(
    ("changes", "error_code"),
    [
        ({"responseElements": {"ConsoleLogin": "Failure"}}, "Failure"),
        ({"responseElements": {"ConsoleLogin": "Failure"}, "errorCode": "Expired"}, "Expired"),
        ({"responseElements": {"ConsoleLogin": "Success"}}, None),
        ({"responseElements": {"PasswordUpdated": "Failure"}}, None),
        ({"responseElements": {"ConsoleLogin": ["Failure"]}}, None),
        ({"responseElements": None}, None),
        ({"responseElements": "Failure"}, None),
        (
            {
                "eventName": "PasswordUpdated",
                "responseElements": {"PasswordUpdated": "Failure"},
            },
            "Failure",
        ),
        (
            {
                "eventSource": "iam.amazonaws.com",
                "responseElements": {"ConsoleLogin": "Failure"},
            },
            None,
        ),
    ],
)
def test_a_failed_sign_in_is_an_error(changes: dict[str, Any], error_code: str | None) -> None:
    """The answer of a sign-in that failed says so."""
    sign_in = {"eventSource": "signin.amazonaws.com", "eventName": "ConsoleLogin"}
    assert parse(body(**(sign_in | changes))).error_code == error_code


def test_an_event_from_elsewhere_is_refused() -> None:
    text = body().replace("AWS API Call via CloudTrail", "Scheduled Event")
    with pytest.raises(Malformed, match="detail-type"):
        parse(text)


def test_brackets_inside_strings_are_no_depth() -> None:
    assert parse(body(userAgent="[{" * 500)).name == "AttachUserPolicy"


@pytest.mark.parametrize("poison", ['"' + "\\" * 200_000, '"\\' * 100_000, "[" + '"' * 200_001])
def test_a_hostile_body_is_refused_in_linear_time(poison: str) -> None:
    def seconds(text: str) -> float:
        started = time.process_time()
        with pytest.raises(Malformed):
            parse(text)
        return time.process_time() - started

    # Sixteen times the length: linear costs 16 times as much, quadratic 256 times.
    small = poison[: len(poison) // 16]
    ratios = (seconds(poison) / seconds(small) for _ in range(5))
    assert min(ratios) < 100


def test_digits_inside_strings_are_no_number() -> None:
    assert parse(json.dumps(json.loads(body(requestID="9" * 5000)))).name == "AttachUserPolicy"


def test_no_refusal_repeats_what_the_sender_wrote() -> None:
    with pytest.raises(Malformed) as refusal:
        parse(body(eventID="<script>alert(1)</script>"))
    assert "script" not in str(refusal.value)


def test_every_truncation_of_an_event_is_refused() -> None:
    whole = body()
    for end in range(len(whole)):
        with pytest.raises(Malformed):
            parse(whole[:end])


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    """Any text is read or refused, and nothing else."""
    with pytest.raises(Malformed):
        parse(text)


_json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=300)
@given(field=st.sampled_from(sorted(attach_event(ACCOUNT, "x"))), value=_json_values)
def test_any_value_is_read_or_refused(field: str, value: object) -> None:
    """Any value in any field is read or refused."""
    record = attach_event(ACCOUNT, "iam-test-user") | {field: value}
    try:
        event = parse(json.dumps(envelope(record)))
    except Malformed:
        return
    assert event.account_id.isdigit()


def test_a_document_at_the_limits_is_still_read() -> None:
    deep = "[" * LIMITS.depth + "]" * LIMITS.depth
    assert load('{"a":' + deep[1:-1] + "}") is not None
    assert load('{"n":' + "9" * 18 + "}") == {"n": 10**18 - 1}
