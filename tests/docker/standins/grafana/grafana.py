"""A stand-in for Grafana's start: it reads the provisioning files and rejects what Grafana rejects.

It exits on an invalid file, so that its container never becomes healthy. It serves the health and
search paths, and the data sources with their addresses.
"""

import json
import os
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(os.environ.get("GF_PATHS_PROVISIONING", "/etc/grafana/provisioning"))
BUILT_IN = frozenset({"-- Grafana --", "-- Mixed --", "-- Dashboard --", "grafana"})


def documents(kind: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the provisioning files of one kind; Grafana accepts only version 1."""
    for path in sorted((ROOT / kind).glob("*.y*ml")):
        document = yaml.safe_load(os.path.expandvars(path.read_text()))
        if not isinstance(document, dict) or document.get("apiVersion") != 1:
            sys.exit(f"{path}: apiVersion must be 1")
        yield path, document


def datasources() -> list[dict[str, Any]]:
    """Return all data sources, each with a name and a type."""
    found = [each for _, file in documents("datasources") for each in file.get("datasources", [])]
    for each in found:
        if not each.get("name") or not each.get("type"):
            sys.exit(f"data source {each}: has no name or type")
    return found


def dashboards(known: frozenset[str]) -> list[dict[str, Any]]:
    """Return all dashboards, each with a title, a unique uid, and known data sources."""
    found: dict[str, dict[str, Any]] = {}
    for file, document in documents("dashboards"):
        for provider in document.get("providers", []):
            folder = Path(provider["options"]["path"])
            if not folder.is_dir():
                sys.exit(f"{file}: {folder} is not a folder")
            for path in sorted(folder.glob("**/*.json")):
                board = json.loads(path.read_text())
                if not board.get("title") or not board.get("uid") or board["uid"] in found:
                    sys.exit(f"{path}: title or uid is missing, or the uid is taken")
                if unknown := set(references(board)) - known:
                    sys.exit(f"{path}: unknown data sources {unknown}")
                found[board["uid"]] = board
    return list(found.values())


def references(part: object) -> Iterator[str]:
    """Yield the data sources that a dashboard names, without variables."""
    if isinstance(part, list):
        for each in part:
            yield from references(each)
    if isinstance(part, dict):
        source = part.get("datasource")
        uid = source.get("uid") if isinstance(source, dict) else source
        if isinstance(uid, str) and not uid.startswith("$"):
            yield uid
        for each in part.values():
            yield from references(each)


SOURCES = datasources()
KNOWN = BUILT_IN | {str(s[key]) for s in SOURCES for key in ("uid", "name") if key in s}
BOARDS = dashboards(frozenset(KNOWN))
ANSWERS: dict[str, object] = {
    "/api/health": {"database": "ok", "version": "stand-in"},
    "/api/datasources": SOURCES,
    "/api/search": [{"uid": b["uid"], "title": b["title"], "type": "dash-db"} for b in BOARDS],
}


class Handler(BaseHTTPRequestHandler):
    """A handler that answers from the table above."""

    def do_GET(self) -> None:
        answer = ANSWERS.get(self.path.split("?")[0])
        self.send_response(404 if answer is None else 200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: object) -> None:
        """Log nothing."""


ThreadingHTTPServer(("0.0.0.0", 3000), Handler).serve_forever()  # noqa: S104 - in a container
