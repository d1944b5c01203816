"""Commands that run the worker, and that check and prepare its AWS setup."""

import os
from typing import Annotated

import typer

from countermand.cli.errors import FAILED, explained
from countermand.settings import load as load_settings


def run(
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Show the settings in force, and end.")
    ] = False,
) -> None:
    """Run the worker until SIGTERM; configured by COUNTERMAND_* variables."""
    with explained():
        if print_config:
            typer.echo(load_settings(os.environ).as_text())
            return
    from countermand.app import run as run_worker  # noqa: PLC0415

    run_worker(os.environ)


def doctor() -> None:
    """Check the AWS setup of the worker, and print a fix for each check that fails."""
    with explained():
        from countermand.cli.render import show_checks  # noqa: PLC0415
        from countermand.deployment.doctor import examine  # noqa: PLC0415

        results = examine(load_settings(os.environ))
        show_checks(results)
        if not all(result.ok for result in results):
            raise typer.Exit(FAILED)


def provision() -> None:
    """Create queue, topic, EventBridge rules and log group in an emulator, and print the settings.

    With COUNTERMAND_LEDGER_URL=dynamodb:TABLE, the ledger's table too.
    """
    with explained():
        from countermand.lab.simulate import provision_emulator  # noqa: PLC0415

        for name, text in provision_emulator(os.environ).items():
            typer.echo(f"{name}={text}")
