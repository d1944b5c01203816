"""The settings as documentation: one row a variable, and the page docs/configuration.md."""

from dataclasses import dataclass
from enum import StrEnum
from types import NoneType, UnionType
from typing import get_args, get_origin

from annotated_types import Ge, Le
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from countermand.settings.fields import Fields, variable

_MASK = "********"


@dataclass(frozen=True, slots=True)
class Row:
    """One variable, as the documentation shows it."""

    variable: str
    type: str
    default: str
    meaning: str
    example: str
    section: str


def describe(fields: type[Fields]) -> list[Row]:
    """Return one row for each variable, in the order of the fields."""
    rows: list[Row] = []
    for name, field in fields.model_fields.items():
        section = _section(field) or rows[-1].section
        rows.append(
            Row(
                variable=variable(name),
                type=_type_name(field),
                default="required" if field.is_required() else as_text(field.default),
                meaning=field.description or "",
                example=example(field),
                section=section,
            )
        )
    return rows


def configuration_page(fields: type[Fields] = Fields) -> str:
    """Return the text of docs/configuration.md."""
    lines = [_PAGE_HEAD]
    section = ""
    for row in describe(fields):
        if row.section != section:
            section = row.section
            lines += ["", f"## {section}", "", *_TABLE_HEAD]
        cells = (f"`{row.variable}`", row.type, _code(row.default), row.meaning, _code(row.example))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


_PAGE_HEAD = """\
<!-- Generated from service/countermand/settings/fields.py; do not edit. -->
# Configuration

Countermand is configured by environment variables only. All of them are checked when it starts,
and all errors are reported at once. An empty variable counts as unset. An unknown variable
that begins with `COUNTERMAND_` is an error too, because it is probably a typo.
`countermand run --print-config` prints what is in force, with secrets masked.

In the Helm chart, `COUNTERMAND_QUEUE_URL` is the value `settings.queueUrl`, and so on. AWS
credentials and endpoints are not set here: boto3 reads its usual variables, such as `AWS_PROFILE`
and `AWS_ENDPOINT_URL`."""
_TABLE_HEAD = (
    "| Variable | Type | Default | Meaning | Example |",
    "|----------|------|---------|---------|---------|",
)


def _code(text: str) -> str:
    return text if text in {"", "required", "unset"} else f"`{text}`"


def _section(field: FieldInfo) -> str | None:
    """Return the heading that begins with this field, or None."""
    return _extra(field, "section")


def _extra(field: FieldInfo, key: str) -> str | None:
    extra = field.json_schema_extra
    return str(extra[key]) if isinstance(extra, dict) and key in extra else None


def example(field: FieldInfo) -> str:
    """Return a right value of a field, as it would be in a variable."""
    return str((field.examples or [""])[0])


def is_secret(field: FieldInfo) -> bool:
    """Whether the value must not be shown."""
    return "SecretStr" in str(field.annotation)


def _type_name(field: FieldInfo) -> str:
    """Return the type in an operator's words."""
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
    return "text" if kind is str else f"comma-separated {_extra(field, 'lists')}"


def as_text(value: object) -> str:
    """Return a value as it would be in a variable; a secret is masked."""
    match value:
        case None:
            return "unset"
        case SecretStr():
            return _MASK
        case bool():
            return str(value).lower()
        case tuple():
            return ",".join(map(str, value))
        case _:
            return str(value)
