"""The kind of Typer app that all groups of commands are, and the options of their lists.

Typer's help shows `<bool>` behind each flag, as if it took a value. Here, a flag is only its name.
"""

from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="Comma-separated values.")]


def _without_types(params: list[Any]) -> list[Any]:
    for param in params:
        if getattr(param, "is_flag", False):
            param.metavar = ""
    return params


class _Command(TyperCommand):
    def get_params(self, ctx: Any) -> Any:  # noqa: ANN401 - Typer's own type is private
        return _without_types(list(super().get_params(ctx)))


class _Group(TyperGroup):
    def get_params(self, ctx: Any) -> Any:  # noqa: ANN401
        return _without_types(list(super().get_params(ctx)))


class App(typer.Typer):
    """A group of commands, with plain help."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - of Typer
        super().__init__(cls=_Group, **options)

    def command(self, name: str | None = None, **options: Any) -> Callable[[Any], Any]:  # noqa: ANN401
        """Register a command, as `Typer.command` does."""
        return super().command(name, cls=_Command, **options)
