"""Conditions that hold back nobody: each holder of the policy can meet them at will.

For `evaluate.py`, and only for statements that allow. What is not known here holds somebody back
as far as the evaluation goes: a condition is never taken to be false, nor a Deny to be certain.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import IPv4Network, collapse_addresses
from typing import Any

from countermand.core.policies.document import is_all, matches
from countermand.core.regions import IAM_REGIONS

_MOST_VALUES = 64
"""Of one key; a condition with more values counts as one that is not known here."""
_PASSED = datetime(2026, 11, 1, tzinfo=UTC)
"""A time that has passed wherever this runs, so that an answer depends on no clock."""
_PRESENT = frozenset(
    {
        "aws:currenttime",
        "aws:epochtime",
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principaltype",
        "aws:requestedregion",
        "aws:securetransport",
        "aws:userid",
    }
)
"""Keys that each request of a user or role has."""
_AVOIDABLE = frozenset({"aws:calledvia", "aws:tagkeys"})
"""Keys of several values that a request lacks if its sender calls directly and sends no tags."""
_ABOUT_EACH_CALL = ("aws:", "iam:", "sts:")
"""Keys of other services, such as `dynamodb:Attributes`, are about their own calls only."""


def holds_back_nobody(condition: Mapping[str, Any]) -> bool:
    """Whether all operators of a statement's `Condition` are met by any holder at will."""
    return all(
        isinstance(keys, Mapping)
        and all(_holds(operator, key.lower(), values) for key, values in keys.items())
        for operator, keys in condition.items()
    )


def _holds(operator: str, key: str, values: object) -> bool:
    found = values if isinstance(values, list) else [values]
    if not found or len(found) > _MOST_VALUES:
        return False
    texts = [str(value).lower() for value in found if isinstance(value, str | bool | int)]
    if len(texts) < len(found) or "${" in "".join(texts):
        return False
    if operator.startswith("ForAllValues:"):
        # "It also returns true if there are no keys in the request".
        is_avoidable = key in _AVOIDABLE or not key.startswith(_ABOUT_EACH_CALL)
        return is_avoidable and operator != "ForAllValues:Null"
    if operator in {"StringLikeIfExists", "ArnLikeIfExists"}:
        return any(map(is_all, texts))
    if key not in _PRESENT and key != "aws:sourceip":
        return False
    test = _TESTS.get(operator.removesuffix("IfExists") if operator != "NullIfExists" else "")
    return test is not None and test(key, texts)


def _like(key: str, texts: Sequence[str]) -> bool:
    return key in _PRESENT and any(map(is_all, texts))


def _null(key: str, texts: Sequence[str]) -> bool:
    return key in _PRESENT and "false" in texts


def _bool(key: str, texts: Sequence[str]) -> bool:
    return key == "aws:securetransport" and "true" in texts


def _address(key: str, texts: Sequence[str]) -> bool:
    """Whether these are all addresses of IPv4, by which every service can be called."""
    if key != "aws:sourceip":
        return False
    try:
        networks = [IPv4Network(text, strict=False) for text in texts if ":" not in text]
    except ValueError:
        return False
    return any(network.prefixlen == 0 for network in collapse_addresses(networks))


def _after(key: str, texts: Sequence[str]) -> bool:
    return key in {"aws:currenttime", "aws:epochtime"} and any(map(_has_passed, texts))


def _has_passed(text: str) -> bool:
    try:
        if text.isdigit():
            return datetime.fromtimestamp(int(text), UTC) < _PASSED
        at = datetime.fromisoformat(text.upper())
    except (ValueError, OverflowError, OSError):
        return False
    return (at if at.tzinfo else at.replace(tzinfo=UTC)) < _PASSED


def _no_region(key: str, texts: Sequence[str]) -> bool:
    """Whether these leave the regions in which IAM is called: its holder needs no other."""
    return key == "aws:requestedregion" and not any(
        matches(pattern, region) for pattern in texts for region in IAM_REGIONS
    )


_TESTS: Mapping[str, Callable[[str, Sequence[str]], bool]] = {
    "ArnLike": _like,
    "Bool": _bool,
    "DateGreaterThan": _after,
    "DateGreaterThanEquals": _after,
    "IpAddress": _address,
    "Null": _null,
    "StringLike": _like,
    "StringNotEquals": _no_region,
    "StringNotEqualsIgnoreCase": _no_region,
    "StringNotLike": _no_region,
}
"""By operator. Of several values one is enough, or with a negation none may match."""
