"""Make CloudTrail records out of the rows that Athena, CloudTrail Lake and Logs Insights export.

A row has either a column with the whole record as JSON, or the columns of the CloudTrail table.
https://docs.aws.amazon.com/athena/latest/ug/create-cloudtrail-table-ct.html
"""

import csv
import json
import re
from typing import Any

from countermand.core.errors import Malformed

STAND_IN_ACCOUNT = "000000000000"
"""The account of a row from which the query left it out. No AWS account has this number."""
_JSON_COLUMNS = (
    "cloudtrailevent",
    "eventjson",
    "eventdata",
    "@message",
    "message",
    "_raw",
    "record",
    "event",
    "detail",
    "body",
    "json",
)
_NAMES = (
    "eventVersion userIdentity eventTime eventSource eventName awsRegion sourceIPAddress userAgent "
    "errorCode errorMessage requestParameters responseElements additionalEventData requestID "
    "eventID readOnly eventType apiVersion recipientAccountId serviceEventDetails sharedEventID "
    "vpcEndpointId managementEvent eventCategory principalId accountId accessKeyId userName "
    "sessionContext sessionIssuer invokedBy identityProvider onBehalfOf userId identityStoreArn "
    "sourceIdentity creationDate mfaAuthenticated webIdFederationData federatedProvider"
)
_SPELLING = {name.lower(): name for name in _NAMES.split()} | {"useridentity": "userIdentity"}
_NULLS = frozenset({"", "null", "-"})
_KEY = re.compile(r"(\w+)=")
_MOST_LEVELS = 16


def is_header(line: str) -> bool:
    """Return whether a first line names the columns of an export."""
    if not line or line[0] in "{[":
        return False
    try:
        names = {name.strip().lower() for name in next(csv.reader([line]), [])}
    except csv.Error:
        return False
    return {"eventname", "eventsource"} <= names or not names.isdisjoint(_JSON_COLUMNS)


def record_of(row: dict[str, str], line: int) -> object:
    """Return the document of a row. Raises `Malformed` when its text cannot be read."""
    for name in _JSON_COLUMNS:
        if row.get(name, "").lstrip().startswith("{") and "eventname" not in row:
            return row[name]
    record: dict[str, Any] = {}
    for column, text in row.items():
        # A query may select a part of a nested column, such as `useridentity.arn`.
        *outer, last = (_SPELLING.get(part, "") for part in column.split("."))
        if last and text.strip() not in _NULLS:
            _put(record, outer, last, _value(last, text.strip()))
    identity = record.setdefault("userIdentity", {})
    account = identity.get("accountId") if isinstance(identity, dict) else None
    record.setdefault("recipientAccountId", row.get("account") or account or STAND_IN_ACCOUNT)
    record.setdefault("eventID", f"line-{line}")
    record["eventTime"] = _time(record.get("eventTime"))
    return record


def _put(record: dict[str, Any], outer: list[str], name: str, value: object) -> None:
    for part in outer:
        record = record.setdefault(part, {})
        if not part or not isinstance(record, dict):
            raise Malformed("two columns of the export contradict each other")
    record[name] = value


def _time(text: object) -> object:
    """Write a timestamp of CloudTrail Lake, `2026-03-02 10:11:12.000`, as CloudTrail does."""
    if isinstance(text, str) and (found := re.match(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)", text)):
        return f"{found[1]}T{found[2]}Z"
    return text


def _value(name: str, text: str) -> object:
    if name in {"readOnly", "managementEvent"}:
        return text.lower() == "true"
    if not text.startswith("{"):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _Row(text).read()


class _Row:
    """The text of a nested column, such as `{type=IAMUser, arn=null, sessioncontext={...}}`."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    def read(self, level: int = 0) -> dict[str, object]:
        if level > _MOST_LEVELS:
            raise Malformed(f"a column is nested deeper than {_MOST_LEVELS} levels")
        found: dict[str, object] = {}
        self._at += 1
        while self._at < len(self._text) and self._text[self._at] != "}":
            key = _KEY.match(self._text, self._at)
            if key is None:
                raise Malformed("a column is neither JSON nor a row of KEY=VALUE")
            self._at = key.end()
            name = _SPELLING.get(key[1].lower(), key[1])
            value = self._value(level)
            if value is not None:
                found[name] = value
            if self._text.startswith(", ", self._at):
                self._at += 2
        self._at += 1
        return found

    def _value(self, level: int) -> object:
        if self._text.startswith("{", self._at):
            return self.read(level + 1)
        # A value may hold commas: only one with a key after it ends the value.
        end = re.compile(r", \w+=|\}").search(self._text, self._at)
        start, self._at = self._at, end.start() if end else len(self._text)
        text = self._text[start : self._at]
        return None if text in _NULLS else text
