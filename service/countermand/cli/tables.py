"""Tables for people: as wide as the terminal at most, and plain lines when piped."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from countermand.core.policies.document import printable

_LONGEST_CELL = 2_000


def show_table(
    console: Console, headers: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str]
) -> None:
    """Print rows under their headers; `styles` has the color of the first cell of each row.

    A cell may be an attacker's text: it is printed in ASCII, and never interpreted.
    """
    cells = [[printable(cell, _LONGEST_CELL) for cell in row] for row in rows]
    if not console.is_terminal:
        widths = [max(map(len, column)) for column in zip(headers, *cells, strict=True)]
        for row in (headers, *cells):
            padded = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
            console.out("  ".join(padded).rstrip(), highlight=False)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, header in enumerate(headers):
        last = number == len(headers) - 1
        table.add_column(header, overflow="fold", no_wrap=not last, ratio=1 if last else None)
    for row, style in zip(cells, styles, strict=True):
        table.add_row(Text(row[0], style=style), *map(Text, row[1:]))
    console.print(table)
