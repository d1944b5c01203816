"""The changelog: the form of its fragments, and how they move into it."""

from datetime import date
from pathlib import Path

import changelog
import pytest

from support.tools import ROOT

BEFORE = """# Changelog

## Unreleased

### Added

- An old entry.

## 0.1.0 - 2026-01-01

### Added

- Everything.
"""


def test_every_fragment_has_the_form_of_the_readme() -> None:
    changelog.fragments(ROOT / "changelog.d")


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("slack.new.md", "Alerts go to Slack.", "name it NAME.TYPE.md"),
        ("slack.added.txt", "Alerts go to Slack.", "name it NAME.TYPE.md"),
        ("slack.added.md", "Alerts go to Slack", "write one sentence"),
        ("slack.added.md", "- Alerts go to Slack.", "write one sentence"),
        ("slack.added.md", f"Alerts {'x' * 400}.", "write one sentence"),
    ],
)
def test_a_fragment_of_another_form_is_rejected(
    tmp_path: Path, name: str, text: str, complaint: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(changelog.FragmentError, match=complaint):
        changelog.fragments(tmp_path)


def test_a_fragment_moves_to_the_section_of_its_type() -> None:
    after = changelog.collected(BEFORE, {"fixed": ["A fix."], "added": ["A new entry."]})
    unreleased = after.partition("## 0.1.0")[0]
    assert unreleased.endswith(
        "### Added\n\n- An old entry.\n- A new entry.\n\n### Fixed\n\n- A fix.\n\n"
    )
    assert after.partition("## 0.1.0")[2] == BEFORE.partition("## 0.1.0")[2]


def test_moving_nothing_changes_nothing() -> None:
    assert changelog.collected(BEFORE, {}) == BEFORE
    current = (ROOT / "CHANGELOG.md").read_text()
    assert changelog.collected(current, {}) == current


def test_a_release_gets_its_version_and_date() -> None:
    after = changelog.released(BEFORE, "0.2.0", date(2026, 2, 1))
    assert after.startswith("# Changelog\n\n## Unreleased\n\n## 0.2.0 - 2026-02-01\n")
