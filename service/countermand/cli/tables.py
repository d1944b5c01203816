"""Tables for people: as wide as the terminal at most, and plain lines when piped."""

import csv
import json
import sys
from collections.abc import Sequence
from enum import StrEnum

from rich.console import Console
from rich.table import Table
from rich.text import Text

from countermand.core.errors import ConfigError
from countermand.core.policies.document import printable

_LONGEST_CELL = 2_000
_WIDE = 150
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Form(StrEnum):
    """How a list is printed."""

    TABLE = "table"
    JSON = "json"
    """One JSON object a line."""
    CSV = "csv"

    @classmethod
    def chosen(cls, *, as_json: bool, as_csv: bool) -> "Form":
        """Return the form of the options. Raises `ConfigError` for both."""
        if as_json and as_csv:
            raise ConfigError("--json and --csv: choose one")
        return cls.JSON if as_json else cls.CSV if as_csv else cls.TABLE


def show_list(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    form: Form,
    *,
    styles: Sequence[str] = (),
    with_headers: bool = True,
    narrow: Sequence[int] = (),
) -> None:
    """Print rows under their headers; without rows, a table says so.

    A terminal of less than `_WIDE` columns shows the columns `narrow` only, if there are any.
    """
    if form is Form.JSON:
        _print_json(headers, rows)
    elif form is Form.CSV:
        _print_csv([headers, *rows] if with_headers else rows)
    elif not rows:
        Console().print("nothing found", highlight=False)
    else:
        shown = _fitting(narrow, len(headers))
        show_table(
            Console(),
            [headers[n] if with_headers else "" for n in shown],
            [[row[n] for n in shown] for row in rows],
            styles or [""] * len(rows),
        )


def _print_json(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    names = [header.lower() for header in headers]
    for row in rows:
        print(json.dumps(dict(zip(names, row, strict=True))))  # noqa: T201


def _print_csv(lines: Sequence[Sequence[str]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerows([_for_a_spreadsheet(cell) for cell in line] for line in lines)


def _fitting(narrow: Sequence[int], number: int) -> Sequence[int]:
    console = Console()
    is_narrow = console.is_terminal and console.width < _WIDE
    return narrow if narrow and is_narrow else range(number)


def _for_a_spreadsheet(cell: str) -> str:
    """Keep a spreadsheet from taking a name for a formula, and a terminal from obeying it.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    text = printable(cell, _LONGEST_CELL)
    return f"'{text}" if text[:1] in _FORMULA else text


def show_table(
    console: Console, headers: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str]
) -> None:
    """Print rows under their headers; `styles` has the color of the first cell of each row.

    A cell may be an attacker's text: it is printed in ASCII, and never interpreted.
    """
    cells = [[printable(cell, _LONGEST_CELL) for cell in row] for row in rows]
    if not console.is_terminal:
        widths = [max(map(len, column)) for column in zip(headers, *cells, strict=True)]
        for row in (headers, *cells) if any(headers) else cells:
            padded = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
            console.out("  ".join(padded).rstrip(), highlight=False)
        return
    table = Table(box=None, pad_edge=False, header_style="bold", show_header=any(headers))
    for number, header in enumerate(headers):
        last = number == len(headers) - 1
        table.add_column(header, overflow="fold", no_wrap=not last, ratio=1 if last else None)
    for row, style in zip(cells, styles, strict=True):
        table.add_row(Text(row[0], style=style), *map(Text, row[1:]))
    console.print(table)
