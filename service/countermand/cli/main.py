"""The command line: the commands of all groups, registered in the order of `--help`.

Each command reads the settings it needs and leaves the work to its module. Imports of what only one
command needs stand inside it, so that `--help` answers at once.
"""

from pathlib import Path
from typing import Annotated

import typer

from countermand import __version__
from countermand.cli import decisions, lab, policies, rules, worker
from countermand.cli.app import App

app = App(
    name="countermand",
    help="An IAM guardrail for AWS: detects risky changes, evaluates them, alerts, and reverts "
    "them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:  # noqa: FBT001  typer's callback form
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    _version_wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command(hidden=True)
def docs(folder: Path) -> None:
    """Write the generated pages of the documentation."""
    from countermand.cli.docs import PAGES  # noqa: PLC0415

    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")


app.command()(worker.run)
app.command()(lab.demo)
app.command()(lab.attack)
app.command()(decisions.replay)
app.command()(decisions.undo)
app.command()(worker.doctor)
app.command()(worker.provision)
app.command("iam-policy")(policies.iam_policy)
app.add_typer(decisions.decisions_app, name="decisions")
app.add_typer(lab.simulate_app, name="simulate")
app.add_typer(rules.rules_app, name="rules")
app.add_typer(policies.actions_app, name="actions")
