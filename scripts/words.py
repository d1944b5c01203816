"""Hold our prose to plain US English: `words.py [--update] [--all] [FILE ...]`.

    .words.yaml         the terms that plain English replaces, and the files that are searched
    .words-left.yaml    how many hits each file may still have: the list may only shrink

Only prose is searched: Markdown without its code, the comments and strings of Python and Terraform,
the names of tests and of cases, and the whole text of everything else. A file with more hits than
it may have fails, and so does one with fewer: `--update` then lowers its number. `--all` prints
every hit, and so does naming files. docs/style-guide.md explains the rules.
"""

import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
WORDS = ROOT / ".words.yaml"
LEFT = ROOT / ".words-left.yaml"
_HEAD = "# Hits that are left, by file; `make words-update` lowers them, nothing raises them.\n"

_NO_PROSE = "\0"
"""Stands for each character that is no prose, so that no phrase is found across it."""
_GAP = re.compile(r"[\0 \t]*\0[\0 \t]*")
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?<=\n\n)(?: {4,}[^\n]*\n| *\n)+")
_INLINE = re.compile(r"`[^`\n]+`")
_TARGET = re.compile(r"\]\([^)\n]*\)|<[^>\n]*>|https?://\S+")
_SAID_IN_TERRAFORM = re.compile(r'#[^\n]*|"[^"\n]* [^"\n]*"')
_RECORD_OF_CASE = re.compile(r"^(?! *(?:#|- name: )).*$", re.MULTILINE)
_BETWEEN_WORDS = re.compile(r"(?<=[\w)?}]) (?=[\w(])")
_NAME_OF_TEST = re.compile(r"^ *(?:async )?def (test_\w+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Term:
    """One row of the term table."""

    pattern: re.Pattern[str]
    use: str
    """What to write instead."""
    rule: int
    """The number of the rule in docs/style-guide.md that asks for it."""
    files: Sequence[str]
    """Globs of the only files that the term is searched in; none: all."""
    allow: re.Pattern[str] | None
    """A context in which the word is meant."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One place where a term was found."""

    path: str
    line: int
    text: str
    term: Term

    def __str__(self) -> str:
        found = " ".join(self.text.replace(_NO_PROSE, " ").split())
        advice = f"write {self.term.use} (rule {self.term.rule})"
        return f"{self.path}:{self.line}: {found!r}: {advice}"


@dataclass(frozen=True, slots=True)
class Words:
    """What .words.yaml says."""

    terms: Sequence[Term]
    skip: Sequence[str]

    @classmethod
    def read(cls, text: str) -> "Words":
        """Read the term table; a space in a pattern is any white space, a line break too."""
        data = yaml.safe_load(text)
        return cls([_term(row) for row in data["terms"]], data["skip"])

    def hits(self, path: str, text: str) -> list[Hit]:
        """Find every term in the prose of one file, in the order of its lines."""
        prose = _GAP.sub(_NO_PROSE, prose_of(path, text))
        found = {at: hit for term in self.terms for at, hit in _found(term, path, prose)}
        return [found[at] for at in sorted(found)]

    def searched(self, path: str) -> bool:
        """Whether a file is one that people write."""
        return not any(fnmatch(path, glob) for glob in self.skip)


def _term(row: Mapping[str, Any]) -> Term:
    allow = row.get("allow")
    return Term(
        pattern=_compiled(row["banned"]),
        use=row["use"],
        rule=row.get("rule", 3),
        files=row.get("files", ()),
        allow=_compiled(allow) if allow else None,
    )


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(_BETWEEN_WORDS.sub(r"\\s+", pattern), re.IGNORECASE | re.MULTILINE)


def _found(term: Term, path: str, prose: str) -> Iterator[tuple[int, Hit]]:
    if term.files and not any(fnmatch(path, glob) for glob in term.files):
        return
    allowed = [match.span() for match in term.allow.finditer(prose)] if term.allow else []
    for match in term.pattern.finditer(prose):
        begin, end = match.span()
        if not any(first <= begin and end <= last for first, last in allowed):
            line = prose.count("\n", 0, begin) + 1
            yield begin, Hit(path, line, match.group(), term)


# --- prose: a text as long as the file, in which all else is _NO_PROSE


def prose_of(path: str, text: str) -> str:
    """The file with everything but its prose blanked, so that lines keep their numbers."""
    suffix = Path(path).suffix
    prose = _PROSE.get(suffix, str)(text)
    if suffix == ".py" and path.startswith("tests/"):
        prose = _with_names_of_tests(prose, text)
    if path.startswith("tests/rules/cases/"):
        prose = _blanked(prose, _RECORD_OF_CASE)
    return _blanked(_blanked(prose, _INLINE), _TARGET)


def _of_markdown(text: str) -> str:
    return _blanked(_blanked(text, _FENCE), _INDENTED)


def _of_python(text: str) -> str:
    """Comments and strings; a string without a blank is a key or a name, not prose."""
    lines = text.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    prose = [char if char.isspace() else _NO_PROSE for char in text]
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in {tokenize.COMMENT, tokenize.STRING, tokenize.FSTRING_MIDDLE}:
            continue
        begin = starts[token.start[0] - 1] + token.start[1]
        end = starts[token.end[0] - 1] + token.end[1]
        said = text[begin:end]
        if token.type == tokenize.COMMENT or " " in said:
            prose[begin:end] = re.sub(r"^[rbf]?['\"]+|['\"]+$|#", _spaces, said)
        elif token.type == tokenize.STRING:
            prose[begin:end] = _NO_PROSE * len(said)
    return "".join(prose)


def _with_names_of_tests(prose: str, text: str) -> str:
    for match in _NAME_OF_TEST.finditer(text):
        begin, end = match.span(1)
        prose = f"{prose[:begin]}{match.group(1).replace('_', ' ')}{prose[end:]}"
    return prose


def _blanked(text: str, pattern: re.Pattern[str]) -> str:
    return pattern.sub(lambda match: re.sub(r"\S", _NO_PROSE, match.group()), text)


def _spaces(match: re.Match[str]) -> str:
    return " " * len(match.group())


def _of_terraform(text: str) -> str:
    """Comments, and strings that hold a blank."""
    prose = re.sub(r"\S", _NO_PROSE, text)
    for match in _SAID_IN_TERRAFORM.finditer(text):
        begin, end = match.span()
        prose = f"{prose[:begin]}{re.sub('[#"]', ' ', match.group())}{prose[end:]}"
    return prose


_PROSE: Mapping[str, Callable[[str], str]] = {
    ".md": _of_markdown,
    ".py": _of_python,
    ".tf": _of_terraform,
    ".hcl": _of_terraform,
}


# --- the ratchet


def complaints(hits: Mapping[str, Sequence[Hit]], left: Mapping[str, int]) -> list[str]:
    """Say what keeps the tree from passing: new hits, and numbers that are too high."""
    said: list[str] = []
    for path in sorted(hits.keys() | left.keys()):
        found, allowed = hits.get(path, ()), left.get(path, 0)
        if len(found) > allowed:
            said += map(str, found)
            said.append(f"{path}: {len(found)} hits, {allowed} are allowed")
        elif len(found) < allowed:
            fewer = f"only {len(found)} of {allowed} hits left"
            said.append(f"{path}: {fewer}: run `make words-update`")
    return said


def left() -> dict[str, int]:
    """Read how many hits each file may still have."""
    found: dict[str, int] = yaml.safe_load(LEFT.read_text()) or {}
    return found


def lowered(hits: Mapping[str, Sequence[Hit]], left: Mapping[str, int]) -> dict[str, int]:
    """The ratchet after a cleaning: no number rises, and a clean file leaves the list.

    The hits of a file that is gone may pass to a new one, because files are renamed too.
    """
    counts = {path: min(number, len(hits.get(path, ()))) for path, number in left.items()}
    gone = sum(number for path, number in left.items() if path not in hits)
    for path in sorted(hits.keys() - left.keys()):
        counts[path] = min(gone, len(hits[path]))
        gone -= counts[path]
    return {path: number for path, number in sorted(counts.items()) if number}


def files(words: Words) -> Iterator[str]:
    """The files that git knows, or would know, and that people write."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for path in listed.stdout.splitlines():
        if words.searched(path) and (ROOT / path).is_file():
            yield path


def main(arguments: Sequence[str]) -> int:
    """Search the tree; 1 when it must not pass."""
    words = Words.read(WORDS.read_text())
    names = [name for name in arguments if not name.startswith("--")]
    paths = names or files(words)
    found = {path: words.hits(path, (ROOT / path).read_text()) for path in paths}
    if names or "--all" in arguments:
        hits = [hit for each in found.values() for hit in each]
        sys.stdout.write("".join(f"{hit}\n" for hit in hits))
        return bool(hits)
    allowed = left()
    if "--update" in arguments:
        allowed = lowered(found, allowed)
        LEFT.write_text(_HEAD + yaml.safe_dump(allowed))
    said = complaints(found, allowed)
    said.append(f"words: {sum(allowed.values())} hits are left in {len(allowed)} files")
    sys.stdout.write("\n".join(said) + "\n")
    return len(said) > 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
