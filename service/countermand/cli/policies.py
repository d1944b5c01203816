"""Commands that print which permissions the worker and its remediations need."""

import json
import os
from collections.abc import Sequence
from typing import Annotated

import typer

from countermand.cli.app import App, CsvOption, JsonOption
from countermand.cli.errors import explained
from countermand.core.errors import ConfigError
from countermand.core.model import Mode

actions_app = App(help="The remediations that rules can name.", no_args_is_help=True)


def iam_policy(
    mode: Annotated[Mode, typer.Option(help="The mode that the worker will run in.")],
    *,
    only_writes: Annotated[
        bool,
        typer.Option(
            "--only-writes", help="Only the permissions that enforce adds, as a separate policy."
        ),
    ] = False,
    rules: Annotated[
        list[str] | None,
        typer.Option(help="Comma-separated rule IDs. Default: all enabled rules."),
    ] = None,
    place: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=VALUE, such as account_id=111122223333. Unset names stay as ${NAME}."
        ),
    ] = None,
) -> None:
    """Print the least-privilege policy of the worker role for the enabled rules."""
    with explained():
        from countermand.actions import ALL  # noqa: PLC0415
        from countermand.cli.catalogue import chosen, rules_in  # noqa: PLC0415
        from countermand.deployment.iam_policy import (  # noqa: PLC0415
            enforce_policy,
            worker_policy,
        )
        from countermand.deployment.values import VARIABLES, DeploymentValues  # noqa: PLC0415

        rule_set = rules_in(None, os.environ)
        if rules is not None:
            rule_set = chosen(rule_set, rules)
        values = DeploymentValues(**_named(place or [], VARIABLES))
        if only_writes:
            document = enforce_policy(rule_set, ALL, values)
            if not document["Statement"]:
                raise ConfigError("--only-writes: none of the enabled rules reverts a change")
        else:
            document = worker_policy(mode, rule_set, ALL, values)
        typer.echo(json.dumps(document, indent=2))


@actions_app.command("list")
def actions_list(
    *,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """List the remediations: what each does, and the permissions that it and its undo need."""
    with explained():
        from countermand.actions import ALL  # noqa: PLC0415
        from countermand.cli.render import show_actions  # noqa: PLC0415
        from countermand.cli.tables import Form  # noqa: PLC0415

        show_actions(ALL.values(), Form.chosen(as_json=as_json, as_csv=as_csv))


def _named(pairs: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Return the values of `--place NAME=VALUE` by name."""
    named = dict(pair.partition("=")[::2] for pair in pairs)
    if wrong := [name for name, value in named.items() if name not in names or not value]:
        known = ", ".join(names)
        raise ConfigError(f"--place {wrong[0]}: must be NAME=VALUE; the names are {known}")
    return named
