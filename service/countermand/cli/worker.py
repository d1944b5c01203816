"""Commands that run the worker, and that check and prepare its AWS setup."""

import os
from typing import Annotated

import typer

from countermand.cli.errors import explained


def run(
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Show the settings in force, and end.")
    ] = False,
) -> None:
    """Run the worker until SIGTERM; configured by COUNTERMAND_* variables."""
    with explained():
        from countermand.settings import load as load_settings  # noqa: PLC0415

        if print_config:
            typer.echo(load_settings(os.environ).as_text())
            return
    from countermand.app import run as run_worker  # noqa: PLC0415

    run_worker(os.environ)


def doctor(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a check, for machines.")
    ] = False,
) -> None:
    """Check whatever can keep events from arriving, and print the command that fixes it.

    Ends with 0 if all is well, 1 if a check fails, 2 without access to AWS, and 3 if nothing fails
    but something could not be checked. It changes nothing.
    """
    with explained():
        from countermand.cli.checks import show_checks  # noqa: PLC0415
        from countermand.deployment.doctor.examine import examine  # noqa: PLC0415
        from countermand.deployment.doctor.result import exit_code  # noqa: PLC0415
        from countermand.settings import load as load_settings  # noqa: PLC0415

        results = examine(load_settings(os.environ))
        show_checks(results, as_json=as_json)
        raise typer.Exit(exit_code(results))


def provision() -> None:
    """Create queue, topic, EventBridge rules and log group in an emulator, and print the settings.

    With COUNTERMAND_LEDGER_URL=dynamodb:TABLE, the ledger's table too.
    """
    with explained():
        from countermand.lab.simulate import provision_emulator  # noqa: PLC0415

        for name, text in provision_emulator(os.environ).items():
            typer.echo(f"{name}={text}")
