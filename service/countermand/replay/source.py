"""Open what `countermand replay` is pointed at: a file, a folder tree, or standard input."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from countermand.core.errors import ConfigError
from countermand.replay.readers import Source

_SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".log", ".txt", ".gz")


def paths(name: str) -> Iterator[Path]:
    """Yield the file, or the recordings of a folder tree in order of their names."""
    path = Path(name)
    if not path.is_dir():
        yield path
        return
    # Links are not followed, because a tree may link to itself.
    for folder, folders, files in os.walk(path):
        folders.sort()
        for file in sorted(files):
            found = Path(folder, file)
            if found.suffix.lower() in _SUFFIXES and found.is_file():
                yield found


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading. Raises `ConfigError` with the path and the reason."""
    try:
        stream = path.open("rb")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    with stream:
        yield stream


def sources(name: str) -> Iterator[tuple[str, Source]]:
    """Yield the name and the bytes of each recording; `-` is standard input."""
    if name == "-":
        yield "standard input", sys.stdin.buffer
        return
    for path in paths(name):
        with opened(path) as stream:
            yield str(path), stream
