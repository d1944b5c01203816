"""What the rules see of labeled events."""

from pathlib import Path
from typing import Any

import pytest

from countermand.app import rules
from countermand.core.envelope import attach_event
from countermand.core.errors import Malformed
from countermand.replay.coverage import BENIGN, measure, report
from countermand.replay.readers import items
from support.fakes import ACCOUNT
from support.skips import NOT_HERE
from support.tools import ROOT

READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
DATA = ROOT.parent / "shared/data/cloudtrail/events.jsonl"


def line(
    record: dict[str, Any], family: str = "attach", **label: Any
) -> tuple[str, dict[str, Any]]:
    return "a.jsonl: line 1", {"id": "1", "family": family, "label": label, "event": record}


def test_positive_events_are_seen_missed_or_failed() -> None:
    (family,) = measure(
        [
            line(attach_event(ACCOUNT, "u"), positive=True),
            line(attach_event(ACCOUNT, "u", READ_ONLY), positive=True),
            line(attach_event(ACCOUNT, "u", error_code="AccessDenied"), positive=True),
        ],
        rules(),
    )
    assert (family.fired, family.missed, family.failed) == (1, ["1: AttachUserPolicy"], 1)


def test_what_depends_on_a_document_that_is_read_live_is_not_counted_as_seen() -> None:
    record = attach_event(ACCOUNT, "u", f"arn:aws:iam::{ACCOUNT}:policy/innocent")
    (family,) = measure([line(record, role="background")], rules())
    assert family.false_alarms == []


@pytest.mark.parametrize("role", sorted(BENIGN))
def test_a_benign_event_that_is_seen_is_a_false_alarm(role: str) -> None:
    (family,) = measure([line(attach_event(ACCOUNT, "u"), role=role)], rules())
    assert family.false_alarms == ["1: AttachUserPolicy"]


def test_a_record_that_cannot_be_parsed_is_counted() -> None:
    (family,) = measure([line({"eventName": 7}, positive=True)], rules())
    assert (family.malformed, family.missed) == (1, [])


def test_a_file_without_labels_is_refused_with_the_line() -> None:
    with pytest.raises(Malformed, match="line 2"):
        measure(
            [line(attach_event(ACCOUNT, "u")), ("a.jsonl: line 2", {"eventName": "x"})], rules()
        )


def test_the_report_names_what_was_missed() -> None:
    text = report(measure([line(attach_event(ACCOUNT, "u", READ_ONLY), positive=True)], rules()))
    assert "| attach | 1 | 0 | 1 | 0 | 0 | 0 |" in text
    assert "- missed in attach: 1: AttachUserPolicy" in text


@pytest.mark.skipif(not DATA.is_file(), reason=f"{NOT_HERE}no labeled events at {DATA}")
def test_the_page_of_coverage_is_what_is_measured_now() -> None:
    with DATA.open("rb") as lines:
        measured = report(measure((("", item.document) for item in items(lines)), rules()))
    page = (Path(ROOT) / "docs/coverage.md").read_text()
    assert measured.strip() in page


@pytest.mark.parametrize(
    "cut", [{"recipientAccountId": "XXXXXXXXXXX"}, {"recipientAccountId": None}, {"eventID": None}]
)
def test_what_a_publisher_cut_out_gets_a_stand_in(cut: dict[str, Any]) -> None:
    record = attach_event(ACCOUNT, "u") | cut
    (family,) = measure(
        [line({k: v for k, v in record.items() if v is not None}, positive=True)], rules()
    )
    assert (family.fired, family.malformed) == (1, 0)
