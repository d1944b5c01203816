"""Whatever the docs name exists: files, links, commands, settings, metrics, alerts, messages."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer
import yaml

from countermand.actions import ALL as ACTIONS
from countermand.cli.main import app
from countermand.metrics import Metrics
from countermand.settings import Settings, variable
from support.tools import ROOT

GENERATED = {"configuration.md", "rules.md"}
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *(page for page in sorted(ROOT.glob("docs/**/*.md")) if page.name not in GENERATED),
    ROOT / "changelog.d/README.md",
]
HISTORY = {"CHANGELOG.md"}
"""Pages that also name what no longer exists."""
ROOMS = ROOT / "service/countermand"
FOLDERS = (ROOT, ROOMS, ROOT / "docs")
"""What a path in a page may be relative to, besides the folder of the page."""
ROOTS = ("bootstrap", "dev", "prod")
MADE = {"dist/sbom.cdx.json", "terraform.tfvars", "backend.hcl", "backend.tf"}
"""Files that a command or the reader makes."""
NO_FILES = {"federation-token/sts", "ssoins-1/ps-1", *map("countermand/{}/".format, ROOTS)}
"""Names of other things that look like paths."""
EXAMPLES = {"changelog.d/slack-notifier.added.md", "tests/unit/pipeline/test_leases.py"}

_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_PATH = re.compile(r"[\w.*/-]+/[\w.*-]*|[\w-]+\.(?:py|yaml|yml|json|md|svg|sh|tf|txt)")
_IDENTIFIER = re.compile(r"[a-z]+(?:_[a-z0-9]+)+(?:\*|)")


@pytest.fixture(params=PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def page(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def codes(page: Path) -> list[str]:
    return _CODE.findall(page.read_text(encoding="utf-8"))


SOURCES = ("service", "terraform", "helm", "docker", "scripts", "tests")
"""All that the docs can talk about."""


@cache
def sources(*folders: str) -> str:
    """The paths and texts of these folders, in one text."""
    suffixes = {".py", ".yaml", ".yml", ".tf", ".tpl", ".json", ".hcl", ".tftpl"}
    files = [file for folder in folders for file in (ROOT / folder).rglob("*")]
    texts = (file.read_text() for file in files if file.suffix in suffixes)
    return "\n".join([*map(str, files), *texts])


def test_every_link_leads_to_a_page_and_a_heading(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link for link in _LINK.findall(text) if not link.startswith("https:")]
    assert [link for link in links if not _leads_somewhere(page, link)] == []


def _leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return target.exists() and (not anchor or anchor in _anchors(target))


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_every_path_exists(page: Path) -> None:
    assert [path for path in _paths(page) if not _exists(page, path)] == []


def _paths(page: Path) -> Iterator[str]:
    for code in codes(page):
        if _PATH.fullmatch(code) and code[0] not in "/*." and "RULE_ID" not in code:
            yield code
    yield from re.findall(r'ARGS="?(tests/[\w./-]+)', page.read_text(encoding="utf-8"))


def _exists(page: Path, path: str) -> bool:
    if path in MADE | NO_FILES | EXAMPLES or page.name in HISTORY:
        return True
    return any(any(folder.glob(path.rstrip("/"))) for folder in (page.parent, *FOLDERS))


def test_every_command_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    known = _commands()
    named = re.findall(
        r"(?:`|^ *|-m |\$ )countermand ([a-z-]+(?: [a-z][a-z-]*)?)", text, re.MULTILINE
    )
    assert [name for name in named if not _is_command(name, known)] == []


@cache
def _commands() -> frozenset[str]:
    group = typer.main.get_group(app)
    found = set(group.commands)
    for name, command in group.commands.items():
        found |= {f"{name} {inner}" for inner in getattr(command, "commands", ())}
    return frozenset(found)


def _is_command(name: str, known: frozenset[str]) -> bool:
    first = name.split(" ", maxsplit=1)[0]
    grouped = any(command.startswith(f"{first} ") for command in known)
    return name in known if grouped and " " in name else first in known


def test_every_make_target_exists(page: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"(?:`|^ {4})make ([a-z-]+(?: [a-z-]+)*)", page.read_text(), re.MULTILINE)
    assert [name for name in named if not set(name.split()) <= set(targets)] == []


def test_every_setting_exists(page: Path) -> None:
    known = {variable(field) for field in Settings.model_fields}
    named = set(re.findall(r"COUNTERMAND_[A-Z_]*[A-Z]", page.read_text()))
    assert named - known - {"COUNTERMAND_SLACK_WEBHOOK"} == set()


def test_every_metric_exists(page: Path) -> None:
    known = Metrics().render().decode()
    named = set(re.findall(r"countermand_[a-z_]+", page.read_text()))
    assert [name for name in named if name not in known] == []


def test_every_identifier_in_code_font_exists(page: Path) -> None:
    """Rules, actions, fields, guards: any `snake_case` name occurs in the sources."""
    if page.name in HISTORY:
        return
    named = {code for code in codes(page) if _IDENTIFIER.fullmatch(code)}
    missing = {name for name in named - ACTIONS.keys() if name.rstrip("*") not in sources(*SOURCES)}
    assert missing == set()


def test_every_class_of_the_glossary_exists() -> None:
    named = {
        code.partition(".")[0] for code in codes(ROOT / "docs/glossary.md") if code[0].isupper()
    }
    named -= {code for code in named if code.startswith("COUNTERMAND_") or "=" in code}
    code = sources("service")
    missing = [name for name in named if not re.search(rf"\n(class|type) {name}\b", code)]
    assert missing == []


OPERATIONS = (ROOT / "docs/operations.md").read_text(encoding="utf-8")


def test_the_alerts_of_operations_are_those_of_prometheus() -> None:
    groups = yaml.safe_load((ROOT / "docker/prometheus/rules/countermand.yml").read_text())[
        "groups"
    ]
    alerts = [rule["alert"] for group in groups for rule in group["rules"]]
    assert re.findall(r"^\| `(Countermand\w+)` \|", OPERATIONS, re.MULTILINE) == alerts


def test_the_log_messages_of_operations_are_logged() -> None:
    section = OPERATIONS.partition("## The log")[2].partition("## ")[0]
    messages = set(re.findall(r"`([A-Z][a-z][\w -]+)`", section))
    assert [message for message in messages if f'"{message}"' not in sources("service")] == []


def test_the_phrases_of_alerts_in_operations_are_sent() -> None:
    section = OPERATIONS.partition("## What an alert means")[2].partition("\n## ")[0]
    phrases = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
    # A placeholder of an f-string, not a dict.
    sent = re.sub(r"\{[\w.]+(?::\w+)?\}", "5", sources("service"))
    assert [phrase for phrase in phrases if phrase not in sent] == []
