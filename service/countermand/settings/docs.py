"""Describe every setting for docs/configuration.md."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import NoneType, UnionType
from typing import get_args, get_origin

from annotated_types import Ge, Le
from pydantic.fields import FieldInfo

from countermand.settings.fields import Settings
from countermand.settings.names import example, is_secret, shown, variable

_PAGE_HEAD = """\
<!-- Generated from service/countermand/settings/fields.py; do not edit. -->
# Configuration

Environment variables configure Countermand. It checks all of them when it starts and reports every
mistake at once. An empty variable counts as unset. An unknown variable that begins with
`COUNTERMAND_` is a mistake, because it is most likely a typing error.
`countermand run --print-config` prints the settings in effect, with secrets masked.

In the Helm chart, `COUNTERMAND_QUEUE_URL` is the value `settings.queueUrl`, and so on. Set AWS
credentials and endpoints with the usual variables of the AWS SDK, such as `AWS_PROFILE` and
`AWS_ENDPOINT_URL`."""
_TABLE_HEAD = (
    "| Variable | Type | Default | Meaning | Example |",
    "|----------|------|---------|---------|---------|",
)
_LISTS: Mapping[str, str] = {
    "break_glass": "ARNs, comma-separated",
    "rules_folders": "absolute paths, comma-separated",
    "recheck_seconds": "whole numbers, comma-separated",
}
"""What the settings with several values take."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the page: one variable."""

    variable: str
    type: str
    default: str
    meaning: str
    example: str
    section: str


def describe(settings: type[Settings] = Settings) -> list[Row]:
    """Return a row for each variable, in the order of the fields."""
    rows: list[Row] = []
    for name, field in settings.model_fields.items():
        section = _section(field) or rows[-1].section
        rows.append(
            Row(
                variable=variable(name),
                type=_LISTS.get(name) or _type_name(field),
                default="required" if field.is_required() else shown(field.default),
                meaning=field.description or "",
                example=example(field),
                section=section,
            )
        )
    return rows


def configuration_page(settings: type[Settings] = Settings) -> str:
    """Return the text of docs/configuration.md."""
    lines = [_PAGE_HEAD]
    section = ""
    for row in describe(settings):
        if row.section != section:
            section = row.section
            lines += ["", f"## {section}", "", *_TABLE_HEAD]
        cells = (f"`{row.variable}`", row.type, _code(row.default), row.meaning, _code(row.example))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _code(text: str) -> str:
    return text if text in {"", "required", "unset"} else f"`{text}`"


def _section(field: FieldInfo) -> str | None:
    """The heading that begins with this field."""
    extra = field.json_schema_extra
    return str(extra["section"]) if isinstance(extra, dict) else None


def _type_name(field: FieldInfo) -> str:
    """Return the type in the words of an operator. Raises `TypeError` for a type without words."""
    kind = next((arg for arg in get_args(field.annotation) if arg is not NoneType), None)
    kind = kind if get_origin(field.annotation) is UnionType else field.annotation
    if is_secret(field):
        return "secret"
    if kind is bool:
        return "`true` or `false`"
    if kind is int:
        low = next(m.ge for m in field.metadata if isinstance(m, Ge))
        high = next(m.le for m in field.metadata if isinstance(m, Le))
        return f"whole number, {low} to {high}"
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return ", ".join(f"`{member}`" for member in kind)
    if kind is not str:
        raise TypeError(f"no words for the type {kind}: add the setting to _LISTS")
    return "text"
