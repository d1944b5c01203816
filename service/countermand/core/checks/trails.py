"""Conditions about which events a CloudTrail trail records."""

from collections.abc import Mapping
from typing import Any

from countermand.core.checks.request import Evidence, as_list, texts
from countermand.core.model import Event


def selectors_miss_changes(event: Event, evidence: Evidence) -> Evidence | None:
    """Check whether cloudtrail:PutEventSelectors excludes calls that change something."""
    request = event.request
    if request is None or event.hides_request:
        return evidence
    return None if records_all_changes(request) else evidence


def records_all_changes(selectors: Mapping[str, Any]) -> bool:
    """Return whether a trail with these selectors records every management event with a change.

    The keys may have the spelling of the API or of CloudTrail. The frequent events of KMS and of
    the RDS Data API do not count: AWS lets a trail exclude them.
    """
    basic = _maps(_get(selectors, "EventSelectors"))
    advanced = _maps(_get(selectors, "AdvancedEventSelectors"))
    return any(map(_basic_records_changes, basic)) or any(map(_advanced_records_changes, advanced))


_NOISY_SOURCES = frozenset({"kms.amazonaws.com", "rdsdata.amazonaws.com"})


def _basic_records_changes(selector: Mapping[str, Any]) -> bool:
    included = _get(selector, "IncludeManagementEvents") is not False
    # A tuple, not a set: a hostile list in place of the text has no hash.
    kept = _get(selector, "ReadWriteType") in (None, "All", "WriteOnly")
    excluded = _get(selector, "ExcludeManagementEventSources")
    return included and kept and set(texts(excluded)) <= _NOISY_SOURCES


def _advanced_records_changes(selector: Mapping[str, Any]) -> bool:
    fields = _maps(_get(selector, "FieldSelectors"))
    return any(map(_is_management, fields)) and all(map(_spares_changes, fields))


def _is_management(field: Mapping[str, Any]) -> bool:
    return _operators(field) == {"Field": ["eventCategory"], "Equals": ["Management"]}


def _spares_changes(field: Mapping[str, Any]) -> bool:
    """Return whether this condition of an advanced selector includes all changes."""
    if _is_management(field):
        return True
    match _operators(field):
        case {"Field": ["readOnly"], "Equals": ["false"], **others}:
            return not others
        case {"Field": ["eventSource"], "NotEquals": sources, **others}:
            return not others and set(sources) <= _NOISY_SOURCES
    return False


def _operators(field: Mapping[str, Any]) -> dict[str, list[str]]:
    return {key[:1].upper() + key[1:]: texts(value) for key, value in field.items() if value}


def _get(where: Mapping[str, Any], key: str) -> object:
    """Return the value under a key in the spelling of the API or of CloudTrail."""
    return where[key] if key in where else where.get(key[:1].lower() + key[1:])


def _maps(value: object) -> list[Mapping[str, Any]]:
    return [item for item in as_list(value) if isinstance(item, Mapping)]
