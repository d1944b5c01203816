"""How a command ends when it fails: one clear message, and an exit code."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import typer

from countermand.core.errors import ConfigError, CountermandError, NoAccess

FAILED = 1
_MISUSED = 2


def unknown(what: str, name: str, known: Iterable[str], listed_by: str) -> ConfigError:
    """Return the error about a name that is not there, with the one that was probably meant."""
    # Only here: every command loads this module, and few names are wrong.
    from difflib import get_close_matches  # noqa: PLC0415

    near = get_close_matches(name, list(known), n=1)
    hint = f"Did you mean {near[0]}?" if near else listed_by
    return ConfigError(f"no {what} {name!r}. {hint}")


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
