"""Find the CloudTrail records in any text in which AWS and its users hand them around.

`items` reads a stream of bytes in pieces: it inflates gzip, decodes UTF-8 and UTF-16, and splits
the text into JSON documents or CSV rows. `records` unwraps a document into its records. Nothing
here holds more than one document in memory, because a small file can inflate without end.
"""

import codecs
import csv
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from countermand.core.errors import Malformed
from countermand.core.parse import Limits, load
from countermand.replay.columns import is_header, record_of

LONGEST_DOCUMENT = 4 * 1024 * 1024
"""Characters. CloudTrail cuts a record at 256 KB; lists of records are read one by one."""
_CHUNK = 64 * 1024
_MOST_FAULTS = 1000
"""After this many unreadable lines in a row, the file is something else."""
_MOST_WRAPPERS = 8
_GZIP_MAGIC = b"\x1f\x8b"
_TOO_LONG = (
    f"a document of more than {LONGEST_DOCUMENT // 1024 // 1024} MB, which is no CloudTrail "
    "record: the rest of the file is not read"
)
_LIMITS = Limits(body_bytes=4 * LONGEST_DOCUMENT)
_DECODER = json.JSONDecoder()
_SCALAR = r'(?:"[^"\\]*"|[0-9]+|null|true|false)'
_LIST_KEYS = ("Records", "Events", "Messages", "events", "logEvents")
_LIST_OPENING = re.compile(
    rf'\[|\{{\s*(?:"\w+"\s*:\s*{_SCALAR}\s*,\s*){{0,8}}"(?:{"|".join(_LIST_KEYS)})"\s*:\s*\['
)
_OPENING_LENGTH = 8 * 1024
_BLANK = re.compile(r"[\s\0]*")


class Source(Protocol):
    """Bytes that are read once: a file, standard input or an S3 object."""

    def read(self, size: int, /) -> bytes:
        """Return at most this many bytes; none at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Item:
    """A JSON object at a line of a source, or the reason why none can be read there."""

    line: int
    document: object
    error: str | None = None


def items(source: Source) -> Iterator[Item]:
    """Yield every document of a source, whatever its layout, encoding and compression."""
    text = _Text(_decoded(_inflated(source)))
    try:
        text.fill(_OPENING_LENGTH)
        if is_header(text.first_line()):
            yield from _rows(text)
        else:
            yield from _Documents(text).each()
    except (OSError, EOFError, zlib.error) as error:
        yield Item(text.line, None, f"the recording cannot be read to its end: {error}")


def records(document: object, depth: int = 0) -> Iterator[dict[str, Any] | Malformed]:
    """Yield the envelopes and records inside a document, and a `Malformed` for anything else."""
    if depth > _MOST_WRAPPERS:
        yield Malformed(f"wrapped more than {_MOST_WRAPPERS} times")
    elif isinstance(document, str):
        yield from _in_text(document, depth)
    elif isinstance(document, list):
        for one in document:
            yield from records(one, depth + 1)
    elif isinstance(document, dict):
        yield from _in_object(document, depth)
    else:
        yield Malformed("not a JSON object")


def _in_text(text: str, depth: int) -> Iterator[dict[str, Any] | Malformed]:
    try:
        document = load(text, _LIMITS)
    except Malformed as error:
        yield error
    else:
        yield from records(document, depth + 1)


def _in_object(document: dict[str, Any], depth: int) -> Iterator[dict[str, Any] | Malformed]:
    if "digestStartTime" in document and "digestEndTime" in document:
        yield Malformed(DIGEST)
    elif (inside := _inside(document)) is not None:
        yield from records(inside, depth + 1)
    else:
        yield document


DIGEST = "a digest file of CloudTrail: it holds hashes of log files and no events"


def _inside(document: dict[str, Any]) -> object:
    """Return what a document of an AWS tool wraps, or None for a record or an envelope."""
    if "eventName" in document or "detail" in document:
        return None
    for key in _LIST_KEYS:
        if isinstance(document.get(key), list):
            return document[key]
    # In turn: lookup-events, CloudTrail Lake, SQS, Lambda, SNS, CloudWatch Logs.
    for key in ("CloudTrailEvent", "eventData", "Body", "body", "Message", "message", "Sns"):
        if isinstance(document.get(key), str | dict):
            return document[key]
    return None


def _inflated(source: Source) -> Iterator[bytes]:
    chunk = source.read(_CHUNK)
    if chunk[:2] != _GZIP_MAGIC:
        while chunk:
            yield chunk
            chunk = source.read(_CHUNK)
        return
    member = zlib.decompressobj(wbits=31)
    while chunk:
        yield member.decompress(chunk, _CHUNK)
        chunk = member.unconsumed_tail
        if member.eof:
            # Files that were joined with `cat` have several members; some tools pad with zeros.
            chunk = member.unused_data.lstrip(b"\0") or source.read(_CHUNK).lstrip(b"\0")
            if chunk:
                member = zlib.decompressobj(wbits=31)
        elif not chunk:
            chunk = source.read(_CHUNK)
    if not member.eof:
        raise EOFError("the compressed data is cut off")


def _decoded(chunks: Iterator[bytes]) -> Iterator[str]:
    first = b""
    for chunk in chunks:
        first += chunk
        if len(first) >= 4:  # noqa: PLR2004  the longest mark and two letters of UTF-16
            break
    # Bytes that are no UTF-8 become lone surrogates, which the parser refuses with the record.
    decode = _codec(first)
    yield decode(first, final=False)
    for chunk in chunks:
        yield decode(chunk, final=False)
    yield decode(b"", final=True)


class _Decode(Protocol):
    def __call__(self, data: bytes, /, *, final: bool) -> str: ...


def _codec(first: bytes) -> _Decode:
    def incremental(name: str, errors: str) -> _Decode:
        decoder = codecs.getincrementaldecoder(name)(errors)
        return lambda data, *, final: decoder.decode(data, final)

    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return incremental("utf-16", "replace")
    if first[1:2] == b"\0" and first[:1] != b"\0":
        return incremental("utf-16-le", "replace")
    if first[:1] == b"\0" and first[1:2] not in (b"\0", b""):
        return incremental("utf-16-be", "replace")
    return incremental("utf-8-sig", "surrogateescape")


class _Text:
    """The part of a text that is being read, and the line at which it begins."""

    def __init__(self, chunks: Iterator[str]) -> None:
        self._chunks = chunks
        self.rest, self.at, self.line, self.ended = "", 0, 1, False

    def fill(self, wanted: int) -> None:
        """Hold this many characters after the position, unless the text ends before."""
        if len(self.rest) - self.at >= wanted or self.ended:
            return
        parts, have = [self.rest[self.at :]], len(self.rest) - self.at
        while have < wanted:
            part = next(self._chunks, None)
            if part is None:
                self.ended = True
                break
            parts.append(part)
            have += len(part)
        self.rest, self.at = "".join(parts), 0

    def move(self, to: int) -> None:
        self.line += self.rest.count("\n", self.at, to)
        self.at = to

    def skip_blank(self) -> bool:
        """Move to the next letter; False at the end of the text."""
        while True:
            self.fill(_OPENING_LENGTH)
            blank = _BLANK.match(self.rest, self.at)
            self.move(blank.end() if blank else self.at)
            if self.at < len(self.rest):
                return True
            if self.ended:
                return False

    def skip_line(self) -> None:
        while True:
            end = self.rest.find("\n", self.at)
            if end >= 0:
                self.move(end + 1)
                return
            self.move(len(self.rest))
            if self.ended:
                return
            self.fill(_CHUNK)

    def first_line(self) -> str:
        return self.rest.lstrip().partition("\n")[0]

    def lines(self) -> Iterator[str]:
        """Yield the lines. A line that is too long comes in several pieces."""
        while self.skip_blank():
            wanted = _CHUNK
            while (end := self.rest.find("\n", self.at)) < 0 and not self.ended:
                if len(self.rest) - self.at > LONGEST_DOCUMENT:
                    break
                wanted *= 2
                self.fill(wanted)
            start, to = self.at, len(self.rest) if end < 0 else end + 1
            self.move(to)
            yield self.rest[start:to]

    def document(self) -> str:
        """Return the JSON text at the position.

        Raises `ValueError` or `RecursionError` for any other text, and `_TooLongError`.
        """
        wanted = _CHUNK
        while True:
            try:
                _, end = _DECODER.raw_decode(self.rest, self.at)
            except json.JSONDecodeError as error:
                # Only an error in a line that is not all here yet may go away with more text.
                after = self.rest[error.pos :].lstrip()
                if self.ended or "\n" in after:
                    raise
            else:
                if end < len(self.rest) or self.ended or self.rest[end - 1] in "]}":
                    found = self.rest[self.at : end]
                    self.move(end)
                    return found
            if len(self.rest) - self.at > LONGEST_DOCUMENT:
                raise _TooLongError
            wanted = max(wanted, 2 * (len(self.rest) - self.at))
            self.fill(wanted)


class _TooLongError(Exception):
    """Raised when a document has no end within the limit."""


@dataclass(slots=True)
class _Wrapper:
    """A list of records that is open: its line, and what closes it after the `]`."""

    line: int
    in_object: bool
    list_closed: bool = False


class _Documents:
    """The JSON documents of a text, one after the other, and those in lists one by one."""

    def __init__(self, text: _Text) -> None:
        self._text = text
        self._wrapper: _Wrapper | None = None
        self._faults = 0

    def each(self) -> Iterator[Item]:
        text = self._text
        while text.skip_blank():
            if self._skip_punctuation():
                continue
            line = text.line
            try:
                item = self._next(line)
            except _TooLongError:
                yield Item(line, None, _TOO_LONG)
                return
            if item is not None:
                yield item
            if self._faults >= _MOST_FAULTS:
                yield Item(
                    text.line, None, f"{_MOST_FAULTS} unreadable lines in a row: reading ends here"
                )
                return
        if self._wrapper is not None and self._faults == 0:
            yield Item(text.line, None, f"the list of line {self._wrapper.line} is cut off")

    def _skip_punctuation(self) -> bool:
        """Enter or leave a list of records; False at the beginning of a document."""
        text = self._text
        if self._wrapper is not None:
            if text.rest[text.at] not in ",]}":
                return False
            self._wrapper = _closed(self._wrapper, text)
            return True
        opening = _LIST_OPENING.match(text.rest, text.at)
        if opening is None:
            return False
        self._wrapper = _Wrapper(text.line, in_object=opening[0][0] == "{")
        text.move(opening.end())
        return True

    def _next(self, line: int) -> Item | None:
        """Return a document or what is wrong with it, or None for a key after the list."""
        try:
            found = self._text.document()
            if self._wrapper is not None and self._wrapper.list_closed:
                _skip_value(self._text)
                return None
        except (ValueError, RecursionError) as error:
            self._recover(line)
            return Item(line, None, f"not JSON: {_without_position(error)}")
        self._faults = 0
        try:
            return Item(line, load(found, _LIMITS))
        except Malformed as error:
            return Item(line, None, str(error))

    def _recover(self, line: int) -> None:
        """Go on at the next line: a fault costs one line and not the rest of the file."""
        if self._wrapper is not None and self._wrapper.line == line:
            self._wrapper = None
        if self._text.line == line:
            self._text.skip_line()
        self._faults += 1


def _closed(wrapper: _Wrapper, text: _Text) -> _Wrapper | None:
    letter = text.rest[text.at]
    text.move(text.at + 1)
    if letter == "]":
        wrapper.list_closed = True
        return wrapper if wrapper.in_object else None
    return None if letter == "}" else wrapper


def _skip_value(text: _Text) -> None:
    """Skip the value of a key that follows the list, such as `NextToken`."""
    if text.skip_blank() and text.rest[text.at] == ":":
        text.move(text.at + 1)
        text.skip_blank()
        text.document()


def _without_position(error: Exception) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)


def _rows(text: _Text) -> Iterator[Item]:
    # The module's own limit of 128 KB is below the longest record.
    csv.field_size_limit(LONGEST_DOCUMENT)
    rows = csv.reader(text.lines(), strict=True)
    header = [name.strip().lower() for name in next(rows)]
    while True:
        line = text.line
        try:
            row = next(rows, None)
            if row is None:
                return
            yield Item(line, record_of(dict(zip(header, row, strict=False)), line))
        except csv.Error as error:
            yield Item(line, None, f"not CSV: {error}")
        except Malformed as error:
            yield Item(line, None, str(error))
