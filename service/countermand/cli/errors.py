"""How a command ends when it fails: one clear message, and an exit code."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from countermand.core.errors import ConfigError, CountermandError, NoAccess

FAILED = 1
_MISUSED = 2


@contextmanager
def explained() -> Iterator[None]:
    """End the command with one message and no trace when an expected error is raised."""
    try:
        yield
    except (ConfigError, NoAccess) as error:
        typer.secho(str(error), err=True, fg="red")
        raise typer.Exit(_MISUSED) from None
    except CountermandError as error:
        typer.secho(str(error), err=True, fg="red")
        raise typer.Exit(FAILED) from None
