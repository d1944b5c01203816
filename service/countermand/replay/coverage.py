"""What the rules detect in labeled events: `countermand replay FILE --report`.

Published records often have their account scrambled or their event ID cut out. Both get a stand-in
here: this measures the rules, and not what `parse` rightly refuses on the queue.

A labeled file has one JSON object a line: the CloudTrail record under `event`, the kind of change
under `family`, and under `label` its `role` and whether it is `positive`, a step of an attack.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from countermand.core.envelope import envelope
from countermand.core.errors import Malformed
from countermand.core.parse import parse
from countermand.core.rules.detect import detect
from countermand.core.rules.rule import RuleSet
from countermand.replay.columns import STAND_IN_ACCOUNT

_ACCOUNT = re.compile(r"[0-9]{12}")
BENIGN = frozenset({"background", "iac-warmup", "iac-cleanup", "revert"})


_COLUMNS = (
    "Family",
    "Events",
    "Positive, seen",
    "Positive, missed",
    "Positive, failed",
    "Benign, seen",
    "Malformed",
)


@dataclass(slots=True)
class Family:
    """The events of one family; the lists hold `id: event name`."""

    name: str
    events: int = 0
    fired: int = 0
    missed: list[str] = field(default_factory=list)
    """Positive events that succeeded and that no rule saw."""
    failed: int = 0
    """Positive events whose call failed."""
    false_alarms: list[str] = field(default_factory=list)
    """Benign events that succeeded and that a rule saw."""
    malformed: int = 0


def measure(documents: Iterable[tuple[str, object]], rules: RuleSet) -> list[Family]:
    """Count one row for each family, by name. Each document comes with its place.

    Raises `Malformed` for a document without labels.
    """
    families: dict[str, Family] = {}
    for place, document in documents:
        if not isinstance(document, dict) or not isinstance(document.get("event"), dict):
            raise Malformed(f"{place}: no `event` in it: not a labeled event")
        name = document.get("family")
        family = families.setdefault(str(name), Family(str(name)))
        _count(family, document, rules)
    return sorted(families.values(), key=lambda family: family.name)


def _count(family: Family, document: dict[str, object], rules: RuleSet) -> None:
    record, label, derived = (_object(document, key) for key in ("event", "label", "derived"))
    family.events += 1
    try:
        detail_type = derived.get("detail_type")
        made = envelope(_completed(record), str(detail_type) if detail_type else None)
        event = parse(json.dumps(made))
        # A recording lacks the live document that some findings depend on.
        seen = any(finding.resolve is None for finding in detect(event, rules))
    except Malformed:
        family.malformed += 1
        return
    what = f"{document.get('id')}: {event.name}"
    if label.get("positive") is True:
        if event.error_code is not None:
            family.failed += 1
        elif seen:
            family.fired += 1
        else:
            family.missed.append(what)
    elif label.get("role") in BENIGN and seen and event.error_code is None:
        family.false_alarms.append(what)


def _completed(record: dict[str, object]) -> dict[str, object]:
    account = str(record.get("recipientAccountId"))
    known = _ACCOUNT.fullmatch(account) is not None
    filled = {"eventID": "unknown", "userIdentity": {}} | record
    return filled if known else filled | {"recipientAccountId": STAND_IN_ACCOUNT}


def _object(document: dict[str, object], key: str) -> dict[str, object]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def report(families: Iterable[Family]) -> str:
    """As Markdown: a table, then what was missed and what was a false alarm, by name."""
    rows = [
        f"| {' | '.join(_COLUMNS)} |",
        "|---|---|---|---|---|---|---|",
    ]
    notes = []
    for family in families:
        numbers = (family.events, family.fired, len(family.missed), family.failed)
        rows.append(
            f"| {family.name} | {' | '.join(map(str, numbers))} | {len(family.false_alarms)} "
            f"| {family.malformed} |"
        )
        notes += [f"- missed in {family.name}: {what}" for what in family.missed]
        notes += [f"- benign, seen in {family.name}: {what}" for what in family.false_alarms]
    return "\n".join([*rows, "", *notes]) + "\n"
