"""Move the fragments in changelog.d/ into CHANGELOG.md: `changelog.py [VERSION]`.

    changelog.d/NAME.TYPE.md   one sentence about one effect on users
    CHANGELOG.md               gets it under "Unreleased", in the section of its type

With a version, the section "Unreleased" then becomes that version's, with today's date. A fragment
of the wrong form stops the move before anything is written. changelog.d/README.md has the form.
"""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from textwrap import wrap

ROOT = Path(__file__).parents[1]
TYPES = ("added", "changed", "deprecated", "removed", "fixed", "security")
UNRELEASED = "## Unreleased\n"
_NAME = re.compile(rf"[a-z0-9-]+\.({'|'.join(TYPES)})\.md")
_LINE_LENGTH = 112
_LONGEST = 400


class FragmentError(Exception):
    """Raised when a fragment does not have the form of changelog.d/README.md."""


def fragments(folder: Path) -> dict[Path, str]:
    """Read the text of every fragment; the README is not one."""
    found: dict[Path, str] = {}
    for file in sorted(folder.glob("*")):
        if file.name == "README.md":
            continue
        text = " ".join(file.read_text(encoding="utf-8").split())
        if not _NAME.fullmatch(file.name):
            raise FragmentError(f"{file.name}: name it NAME.TYPE.md; types: {', '.join(TYPES)}")
        if not text.endswith(".") or len(text) > _LONGEST or text.startswith(("-", "*  ")):
            raise FragmentError(f"{file.name}: write one sentence, at most {_LONGEST} characters")
        found[file] = text
    return found


def collected(changelog: str, texts: Mapping[str, Iterable[str]]) -> str:
    """Add the texts, by type, to the sections of "Unreleased"."""
    before, _, rest = changelog.partition(UNRELEASED)
    unreleased, separator, released = rest.partition("\n## ")
    sections = _sections(unreleased)
    for kind, entries in texts.items():
        sections.setdefault(kind, []).extend(map(_entry, entries))
    written = [
        f"\n### {kind.capitalize()}\n\n" + "\n".join(sections[kind]) + "\n"
        for kind in TYPES
        if sections.get(kind)
    ]
    return before + UNRELEASED + "".join(written) + separator + released


def released(changelog: str, version: str, today: date) -> str:
    """Give the section "Unreleased" its version, and begin a new one."""
    return changelog.replace(UNRELEASED, f"{UNRELEASED}\n## {version} - {today}\n", 1)


def _sections(unreleased: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for part in re.split(r"^### ", unreleased, flags=re.MULTILINE)[1:]:
        kind, _, entries = part.partition("\n")
        found[kind.strip().lower()] = [entries.strip("\n")]
    return found


def _entry(text: str) -> str:
    return "\n".join(
        wrap(f"- {text}", _LINE_LENGTH, subsequent_indent="  ", break_on_hyphens=False)
    )


def main(arguments: Sequence[str]) -> int:
    """Move all fragments; 1 when one has the wrong form."""
    try:
        found = fragments(ROOT / "changelog.d")
    except FragmentError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    texts: dict[str, list[str]] = {}
    for file, text in found.items():
        texts.setdefault(file.name.split(".")[1], []).append(text)
    changelog = ROOT / "CHANGELOG.md"
    new = collected(changelog.read_text(encoding="utf-8"), texts)
    for version in arguments:
        new = released(new, version, datetime.now(UTC).date())
    changelog.write_text(new, encoding="utf-8")
    for file in found:
        file.unlink()
    sys.stdout.write(f"{len(found)} fragments moved to CHANGELOG.md\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
