"""First stage: the body of an SQS message becomes an `Event`, or `Malformed` says why not.

Anyone who can send to the queue chooses the body. So limits come before the parser, and each field
is checked before use.

EventBridge delivers compact JSON, which orjson reads and writes back to the same bytes. A body that
survives this round trip has no duplicate key, NaN, imprecise number or lone surrogate, because
these would not come back unchanged. Any other body takes the slow, strict path through the standard
library.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from countermand.core.errors import Malformed
from countermand.core.model import Actor, Event

_LONG_NUMBER = re.compile(rb"[0-9]{21}")
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
CLOUDTRAIL_CALL = "AWS API Call via CloudTrail"
_FROM_CLOUDTRAIL = " via CloudTrail"
_SIGN_IN = "signin.amazonaws.com"
_FAILURE = "Failure"
_NOTIFICATION = "Notification"
_NO_EVENTS: Mapping[frozenset[str], str] = {
    frozenset({"eventVersion", "eventSource", "eventName"}): (
        "a CloudTrail record without its envelope: remove InputPath from the EventBridge target"
    ),
    frozenset({"s3Bucket", "s3ObjectKey"}): (
        "CloudTrail's note about a log file: subscribe the queue to EventBridge rules instead"
    ),
    frozenset({"Records"}): ("a file of records, not an event: read it with `countermand replay`"),
    frozenset({"Type", "SubscribeURL"}): (
        "an SNS confirmation, not an event: confirm or delete the subscription of the queue"
    ),
    frozenset({"Type", "Message", "TopicArn"}): (
        "an SNS notification in another one: switch raw delivery on for the subscription"
    ),
}
"""What else arrives on queues, by its keys, and what to do about it."""
_EVENT_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a body. EventBridge allows 1,100 levels, which crash Python's parser."""

    body_bytes: int = 256 * 1024
    depth: int = 32
    number_digits: int = 20


LIMITS = Limits()


def parse(body: str, limits: Limits = LIMITS) -> Event:
    """Parse an EventBridge envelope that carries a CloudTrail record.

    Shape: https://docs.aws.amazon.com/eventbridge/latest/ref/events-structure.html, the record of
    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
    under `detail`. Raises `Malformed`, whose text names the field and never repeats its value.
    """
    document = load(body, limits)
    if "detail" in document:
        return read_event(document)
    return read_event(unwrapped(document, limits))


def unwrapped(document: Mapping[str, Any], limits: Limits = LIMITS) -> Mapping[str, Any]:
    """Return the event in an SNS notification, once: the inside is held to the same limits.

    Anyone who can send a notification to the queue could send its event as well, so the wrapping
    proves nothing and hides nothing. Whatever else is no event raises `Malformed`, which says what
    it is and which setting sent it here.
    https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
    """
    kind, message = document.get("Type"), document.get("Message")
    if kind == _NOTIFICATION and type(message) is str and "TopicArn" in document:
        inside = load(message, limits)
        if "detail" in inside:
            return inside
        raise Malformed(f"Message is {_what_it_is(inside)}")
    raise Malformed(f"body is {_what_it_is(document)}")


def _what_it_is(document: Mapping[str, Any]) -> str:
    for keys, text in _NO_EVENTS.items():
        if keys <= document.keys():
            return text
    return "no EventBridge event: it has no detail. Run `countermand doctor`"


def load(body: str, limits: Limits = LIMITS) -> dict[str, Any]:
    """Read a JSON object within the limits, without the gaps of lenient parsers."""
    try:
        raw = body.encode()
    except UnicodeEncodeError:
        raise Malformed("body holds a lone surrogate: not valid Unicode") from None
    if len(raw) > limits.body_bytes:
        raise Malformed(f"body has {len(raw)} bytes, more than the limit of {limits.body_bytes}")
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"body is not JSON: {error.msg} at character {error.pos}") from None
    # Removing the brackets and comparing lengths takes half the time of count().
    brackets = 2 * len(raw) - len(raw.replace(b"{", b"")) - len(raw.replace(b"[", b""))
    if brackets > limits.depth and _is_deeper(document, limits.depth):
        raise Malformed(f"body is nested deeper than {limits.depth} levels")
    if orjson.dumps(document) != raw:
        document = load_strictly(raw, limits)
    if type(document) is not dict:
        raise Malformed(f"body is a JSON {_json_type(document)}, not an object")
    return document


def load_strictly(raw: bytes, limits: Limits = LIMITS) -> Any:  # noqa: ANN401
    """Read any JSON, but refuse duplicate keys, NaN and endless numbers. Slow."""
    if _LONG_NUMBER.search(_STRING.sub(b'""', raw)):
        raise Malformed(f"body holds a number of more than {limits.number_digits} digits")
    try:
        return json.loads(raw, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"body is not JSON: {error}") from None


def read_event(envelope: Mapping[str, Any]) -> Event:
    """Read the fields that the rest of the code relies on, and check their types."""
    detail = envelope.get("detail")
    if type(detail) is not dict:
        raise _wrong(envelope, "detail", "an object")
    detail_type = envelope.get("detail-type")
    if type(detail_type) is not str or not detail_type.endswith(_FROM_CLOUDTRAIL):
        raise Malformed(f"detail-type must end in {_FROM_CLOUDTRAIL!r}")
    account_id = _text(envelope, "account")
    if len(account_id) != 12 or not (account_id.isascii() and account_id.isdigit()):  # noqa: PLR2004
        raise Malformed("account is not an AWS account ID of 12 digits")
    event_id = _text(detail, "eventID")
    if _EVENT_ID.fullmatch(event_id) is None:
        raise Malformed("detail.eventID has characters that no CloudTrail event ID has")
    request = detail.get("requestParameters")
    if request is not None and type(request) is not dict:
        raise _wrong(detail, "requestParameters", "an object or null")
    recipient = detail.get("recipientAccountId")
    return Event(
        id=f"{account_id}/{event_id}",
        event_id=event_id,
        account_id=account_id,
        region=_text(detail, "awsRegion"),
        source=_text(detail, "eventSource"),
        name=_text(detail, "eventName"),
        time=_time(_text(detail, "eventTime")),
        actor=_actor(detail),
        error_code=_error_code(detail),
        record_account_id=recipient if type(recipient) is str else account_id,
        request=request,
        body=envelope,
    )


def _is_deeper(document: object, limit: int) -> bool:
    level = [document]
    for _ in range(limit + 1):
        inside: list[Iterable[object]] = [
            each.values() if isinstance(each, dict) else each
            for each in level
            if isinstance(each, dict | list)
        ]
        if not inside:
            return False
        level = [value for values in inside for value in values]
    return True


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        # Python keeps the last of two equal keys, other parsers keep the first. An attacker could
        # show each of them a different target.
        raise Malformed("body repeats a key within one object")
    return result


def _no_constant(name: str) -> Any:  # noqa: ANN401
    raise Malformed(f"body holds {name}, which is not JSON")


def _actor(detail: Mapping[str, Any]) -> Actor:
    identity = detail.get("userIdentity")
    if type(identity) is not dict:
        raise _wrong(detail, "userIdentity", "an object")
    session = identity.get("sessionContext")
    issuer = session.get("sessionIssuer") if type(session) is dict else None
    issuer_arn = issuer.get("arn") if type(issuer) is dict else None
    kind, arn, account_id = identity.get("type"), identity.get("arn"), identity.get("accountId")
    return Actor(
        type=kind if type(kind) is str else "",
        arn=arn if type(arn) is str else "",
        account_id=account_id if type(account_id) is str else "",
        issuer_arn=issuer_arn if type(issuer_arn) is str else "",
    )


def _error_code(detail: Mapping[str, Any]) -> str | None:
    """Return why the call failed; None when it succeeded.

    A failed sign-in has no `errorCode` but this answer: `{"ConsoleLogin": "Failure"}`.
    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-aws-console-sign-in-events.html
    """
    code = detail.get("errorCode")
    if code is not None and type(code) is not str:
        raise _wrong(detail, "errorCode", "a string")
    if code is None and detail.get("eventSource") == _SIGN_IN:
        answer, name = detail.get("responseElements"), detail.get("eventName")
        if type(answer) is dict and type(name) is str and answer.get(name) == _FAILURE:
            return _FAILURE
    return code


def _text(parent: Mapping[str, Any], key: str) -> str:
    value = parent.get(key)
    if type(value) is not str or not value:
        raise _wrong(parent, key, "a non-empty string")
    return value


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise Malformed("detail.eventTime is not an ISO 8601 time") from None
    return time if time.tzinfo is UTC else _in_utc(time)


def _in_utc(time: datetime) -> datetime:
    if time.tzinfo is None:
        return time.replace(tzinfo=UTC)  # CloudTrail's times are UTC, with or without a zone
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise Malformed("detail.eventTime is out of range") from None


def _wrong(parent: Mapping[str, Any], key: str, wanted: str) -> Malformed:
    where = key if key in {"detail", "account"} else f"detail.{key}"
    found = _json_type(parent[key]) if key in parent else "nothing"
    return Malformed(f"{where} must be {wanted}, not {found}")


def _json_type(value: object) -> str:
    names = {dict: "object", list: "list", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")
