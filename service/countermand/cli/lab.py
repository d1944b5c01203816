"""Commands that stage an attack and show how Countermand responds."""

import os
from typing import Annotated

import typer

from countermand.cli.app import App
from countermand.cli.errors import explained
from countermand.core.errors import ConfigError

simulate_app = App(help="Stage an attack, and watch the decision on it.", no_args_is_help=True)


def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep everything running until Ctrl-C.")
    ] = False,
) -> None:
    """Run the whole scenario on an embedded LocalStack: attack, decision, email, undo."""
    from countermand.lab.demo import Demo  # noqa: PLC0415
    from countermand.lab.localstack import LocalStackError  # noqa: PLC0415

    with explained():
        try:
            code = Demo().run(keep=keep)
        except LocalStackError as error:
            raise ConfigError(str(error)) from error
        raise typer.Exit(code)


def attack(
    api: Annotated[
        str | None,
        typer.Option(help="URL of the workers' API. Default: its public URL."),
    ] = None,
) -> None:
    """Run the whole scenario on a stack that runs on LocalStack, such as that of compose.

    The running workers stay as they are; the command starts its own worker for enforce mode.
    """
    with explained():
        from countermand.lab.attack import attack as run_attack  # noqa: PLC0415
        from countermand.settings import load as load_settings  # noqa: PLC0415

        settings = load_settings(os.environ)
        raise typer.Exit(run_attack(settings, api or settings.api_base_url))


@simulate_app.command("attach-admin")
def simulate_attach_admin(
    user: Annotated[str, typer.Option(help="Name of the IAM user.")],
    tag: Annotated[list[str] | None, typer.Option(help="Tag for the user, K=V.")] = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the decision.")] = 60,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as the API does.")] = False,
) -> None:
    """Attach AdministratorAccess to a user, and wait for the decision on it.

    With an emulator (AWS_ENDPOINT_URL set) the user is created and the event is put on the bus too;
    in AWS the user must exist and be in scope, and CloudTrail brings the event.
    """
    with explained():
        from countermand.cli.render import show_answer  # noqa: PLC0415
        from countermand.lab.simulate import attach_admin  # noqa: PLC0415
        from countermand.settings import load as load_settings  # noqa: PLC0415

        settings = load_settings(os.environ)
        decision = attach_admin(settings, user, _tags(tag or []), wait)
        show_answer(decision, as_json=as_json)


def _tags(pairs: list[str]) -> dict[str, str]:
    tags = dict(pair.partition("=")[::2] for pair in pairs)
    if not all(tags) or not all("=" in pair for pair in pairs):
        raise ConfigError("--tag: must be KEY=VALUE, for example SecurityApproved=true")
    return tags
