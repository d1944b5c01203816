"""The conditions that limit nothing: a statement under one is as good as a statement without.

The author of a policy can add such a condition to make the policy look limited. Each row is true
for every request that the holder can make; anything that is not here depends on the request.

| operator                            | key                     | values               | in a Deny |
|-------------------------------------|-------------------------|----------------------|-----------|
| StringLike, ArnLike                 | always present          | one is only `*`      | yes       |
| StringLikeIfExists, ArnLikeIfExists | any                     | one is only `*`      | yes       |
| Bool                                | aws:SecureTransport     | true                 | yes       |
| Null                                | always present          | false                | yes       |
| DateGreaterThan(Equals)             | aws:CurrentTime,        | one before `_PAST`   | yes       |
|                                     | aws:EpochTime           |                      |           |
| IpAddress                           | aws:SourceIp            | 0.0.0.0/0            | no        |
| StringNotEquals, StringNotLike      | aws:RequestedRegion     | none that IAM has    | no        |
| ForAllValues:...                    | absent from plain calls | any                  | no        |

The last three are true for an Allow, because the holder can call so: from an IPv4 address, in a
region of IAM, without tags. A Deny under them is avoided by a call of another kind.

Several operators and keys must all be true; several values are alternatives, or with a negated
operator none may match.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-logic-multiple-context-keys-or-values.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

_PRESENT = frozenset(
    {
        *("aws:currenttime", "aws:epochtime", "aws:principalaccount", "aws:principalarn"),
        *("aws:principaltype", "aws:requestedregion", "aws:securetransport", "aws:userid"),
    }
)
"""Keys that every request of a user or a role has.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html"""
_ABSENT = frozenset({"aws:calledvia", "aws:tagkeys"})
"""Keys with several values that a plain call to IAM lacks."""
_PAST = datetime(2026, 11, 1, tzinfo=UTC)
"""The core has no clock: a date before this one is past wherever this version runs."""
_IAM_REGIONS = frozenset({"us-east-1", "us-gov-west-1", "cn-north-1", "cn-northwest-1"})
"""Regions of calls to IAM, beside those of partitions whose names are matched by `_OTHER`."""
_OTHER = re.compile(r"us-iso|eu-iso|eusc-|us-gov-|cn-")
_REGION = re.compile(r"[a-z0-9-]{1,40}")

type _Values = Sequence[str]


def is_always_true(condition: object, *, allows: bool) -> bool:
    """Return whether a Condition element limits nothing; False if that is not certain.

    Takes the element as it comes, also of a wrong type, and the effect of its statement.
    """
    if not isinstance(condition, dict):
        return False
    return all(
        isinstance(keys, dict)
        and all(_limits_nothing(str(operator), str(key), keys[key], allows) for key in keys)
        for operator, keys in condition.items()
    )


def _limits_nothing(operator: str, key: str, given: object, allows: bool) -> bool:  # noqa: FBT001
    values = _texts(given)
    name, key = operator.lower(), key.lower()
    if values is None:
        return False
    if name.startswith("forallvalues:"):
        return allows and key in _ABSENT
    if name.endswith("ifexists") and name.removesuffix("ifexists") in _LIKE:
        return "*" in values
    asked = _ALWAYS.get(name) or (_IF_ALLOWED.get(name) if allows else None)
    return asked is not None and asked(key, values)


def _texts(given: object) -> _Values | None:
    """Return the values as texts; None for anything but scalars, and for a policy variable."""
    texts = [_text(value) for value in (given if isinstance(given, list) else [given])]
    known = [text for text in texts if text is not None and "${" not in text]
    return known if known and len(known) == len(texts) else None


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int) else None


def _any_value(key: str, values: _Values) -> bool:
    return key in _PRESENT and "*" in values


def _any_address(key: str, values: _Values) -> bool:
    return key == "aws:sourceip" and "0.0.0.0/0" in values


def _only_tls(key: str, values: _Values) -> bool:
    return key == "aws:securetransport" and "true" in (v.lower() for v in values)


def _not_null(key: str, values: _Values) -> bool:
    return key in _PRESENT and [v.lower() for v in values] == ["false"]


def _since_the_past(key: str, values: _Values) -> bool:
    """Check whether one of the dates is past: several are alternatives."""
    if key not in {"aws:currenttime", "aws:epochtime"}:
        return False
    dates = (_date(value) for value in values)
    return any(date is not None and date < _PAST for date in dates)


def _date(text: str) -> datetime | None:
    try:
        if text.isdigit():
            return datetime.fromtimestamp(int(text), UTC)
        date = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)


def _other_regions(key: str, values: _Values) -> bool:
    """Check that none of the excluded regions is one that a call to IAM has."""
    return key == "aws:requestedregion" and all(
        _REGION.fullmatch(v) and v not in _IAM_REGIONS and not _OTHER.match(v) for v in values
    )


_LIKE = frozenset({"stringlike", "arnlike"})
_ALWAYS: Mapping[str, Callable[[str, _Values], bool]] = {
    "stringlike": _any_value,
    "arnlike": _any_value,
    "bool": _only_tls,
    "null": _not_null,
    "dategreaterthan": _since_the_past,
    "dategreaterthanequals": _since_the_past,
}
_IF_ALLOWED: Mapping[str, Callable[[str, _Values], bool]] = {
    "ipaddress": _any_address,
    "stringnotequals": _other_regions,
    "stringnotlike": _other_regions,
}
