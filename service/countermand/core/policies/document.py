"""The syntax of IAM's policies: documents to statements, and patterns to answers.

For `policydoc.py` and `trust.py`. A document is JSON text, URL-encoded or not, or an object, from
an event or from IAM, and may be anything: what IAM would not take raises `UnreadableError`.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_lowercase, ascii_uppercase
from typing import Any
from urllib.parse import unquote

import orjson

_LONGEST = 1 << 20
"""Characters. IAM itself stores up to 10,240; the longest of AWS's own has some 150,000."""
_CURRENT_VERSION = "2012-10-17"
_ONLY_TEXTS = frozenset({str})
_EFFECTS = ("Allow", "Deny")
_ASCII_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
_INVERTED = {"Action": "NotAction", "Resource": "NotResource"}


class UnreadableError(ValueError):
    """A document that IAM would not take; the text says what is wrong and where, safe to print."""


@dataclass(frozen=True, slots=True)
class PolicyDocument:
    """A document that was read."""

    statements: Sequence[Mapping[str, Any]]
    has_variables: bool
    """Whether `${aws:username}` means the user; in older versions it means itself."""


def read_policy(document: object) -> PolicyDocument:
    """Raises `UnreadableError`.

    A key that comes twice is refused, as IAM refuses it: "Individual elements must not contain
    multiple instances of the same key". To take the last one would let a forged event hide the
    first. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
    """
    policy = _parsed(document) if isinstance(document, str) else document
    if not isinstance(policy, Mapping) or "Statement" not in policy:
        raise UnreadableError("a policy is an object with Statement")
    found = policy["Statement"]
    statements = found if isinstance(found, list) else [found]
    for number, statement in enumerate(statements, start=1):
        if (wrong := _wrong(statement)) is not None:
            raise UnreadableError(f"statement {number}: {wrong}")
    return PolicyDocument(statements, policy.get("Version") == _CURRENT_VERSION)


def one_of(statement: Mapping[str, Any], key: str) -> tuple[list[str], bool]:
    """The texts of `key` or `Not<key>`, and whether it was the latter. Raises `UnreadableError`."""
    inverted = (not_key := _INVERTED[key]) in statement
    if inverted == (key in statement):
        raise UnreadableError(f"a statement needs either {key} or {not_key}")
    return texts(statement[not_key if inverted else key], key), inverted


def texts(value: object, key: str) -> list[str]:
    """One text or a list of them, as a list. Raises `UnreadableError`."""
    if type(value) is str:
        return [value]
    if type(value) is not list or not _ONLY_TEXTS.issuperset(map(type, value)):
        raise UnreadableError(f"{key} must be a text or a list of texts")
    return value


def folded(actions: Sequence[str]) -> set[str]:
    """In lower case as far as they are ASCII, as IAM compares actions. `str.lower()` would also
    make a `k` of the sign of Kelvin, and so a Deny of an action that IAM does not know.
    """
    if "".join(actions).isascii():
        return {action.lower() for action in actions}
    return {action.translate(_ASCII_LOWER) for action in actions}


def is_all(pattern: str) -> bool:
    """Whether it is `*`, or means the same."""
    return bool(pattern) and not pattern.strip("*")


def matches(pattern: str, text: str) -> bool:
    """IAM's `*` and `?`, without the exponential time that a regular expression may take."""
    if len(pattern) - pattern.count("*") > len(text):
        return False
    if "?" in pattern:
        return _matches_each(pattern, text)
    parts = pattern.split("*")
    return text.startswith(parts[0]) and text.endswith(parts[-1]) and in_order(parts, text)


def in_order(parts: Sequence[str], text: str) -> bool:
    """Whether a text that starts with the first part and ends with the last is those parts, in
    order, with anything between them.
    """
    if len(parts) == 1:
        return len(text) == len(parts[0])
    at, end = len(parts[0]), len(text) - len(parts[-1])
    for part in parts[1:-1]:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return at <= end


def _matches_each(pattern: str, text: str) -> bool:
    at = read = 0
    star = resume = -1
    while read < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, resume, at = at, read, at + 1
        elif at < len(pattern) and pattern[at] in {"?", text[read]}:
            at, read = at + 1, read + 1
        elif star >= 0:
            at, resume = star + 1, resume + 1
            read = resume
        else:
            return False
    return not pattern[at:].strip("*")


def printable(text: str, limit: int = 128) -> str:
    """For people and logs: ASCII without control characters, at most so long."""
    shown = text[:limit]
    if not (shown.isascii() and shown.isprintable()):
        shown = "".join(c if " " <= c <= "~" else "?" for c in shown)
    return shown + "..." if len(text) > limit else shown


def _parsed(text: str) -> object:
    if len(text) > _LONGEST:
        raise UnreadableError(f"longer than {_LONGEST} characters")
    text = text if text.lstrip()[:1] == "{" else unquote(text)
    found = _parsed_fast(text)
    if found is not None:
        return found
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise UnreadableError(f"no JSON at character {error.pos}: {error.msg}") from None
    except RecursionError:
        raise UnreadableError("nested too deeply") from None
    except UnreadableError:
        raise
    except ValueError:
        raise UnreadableError("a number has too many digits") from None


def _parsed_fast(text: str) -> object:
    """What stands in a text without spaces and faults; None leaves it to the strict way."""
    if '": ' in text:
        return None
    try:
        raw = text.encode()
        found = orjson.loads(raw)
        # Of what comes back unchanged no key was lost; see `parse.py`.
        return found if orjson.dumps(found) == raw else None
    except (ValueError, TypeError):
        return None


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(k for k, _ in pairs if k in seen or seen.add(k))  # type: ignore[func-returns-value]
        raise UnreadableError(f'key "{printable(twice, 40)}" comes twice in one object')
    return found


def _wrong(statement: object) -> str | None:
    # isinstance() with Mapping takes several times as long, and is nearly never reached.
    if type(statement) is not dict and not isinstance(statement, Mapping):
        return "not an object"
    if statement.get("Effect") not in _EFFECTS:
        return "Effect must be Allow or Deny"
    if "Condition" in statement:
        condition = statement["Condition"]
        if type(condition) is not dict and not isinstance(condition, Mapping):
            return "Condition must be an object"
    return None


_DECODER = json.JSONDecoder(object_pairs_hook=_without_repeats)
