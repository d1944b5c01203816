"""Commands about decisions: replay recorded events, list the ledger, undo a remediation."""

import os
from typing import Annotated

import typer

from countermand.cli.errors import FAILED, explained
from countermand.settings import load as load_settings


def replay(
    source: Annotated[
        str, typer.Argument(help="A file, a folder, s3://BUCKET/PREFIX, or - for standard input.")
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line, for machines.")
    ] = False,
    report: Annotated[
        bool, typer.Option("--report", help="For labeled events: show what the rules detect.")
    ] = False,
) -> None:
    """Show what would be decided on recorded events. It changes nothing in AWS.

    The settings in force are the COUNTERMAND_* variables of the worker; without any, the defaults.
    A replay takes the live state as the event left it: target exists, path /, no tags.

    It reads CloudTrail log files and folders of them, the output of `aws cloudtrail
    lookup-events`, EventBridge events, JSON Lines, and CSV exports of Athena and CloudTrail Lake,
    plain or gzip, in UTF-8 or UTF-16.
    """
    with explained():
        from countermand.cli.replay import show_replay, show_report  # noqa: PLC0415

        ok = (show_report if report else show_replay)(source, os.environ, as_json=as_json)
        if not ok:
            raise typer.Exit(FAILED)


def undo(
    decision_id: Annotated[str, typer.Argument(help="The decision ID, from the alert.")],
) -> None:
    """Undo a remediation: run the stored inverse call with your own AWS credentials."""
    with explained():
        from countermand.app import undo_decision  # noqa: PLC0415

        record = undo_decision(load_settings(os.environ), decision_id)
        for outcome in record.outcomes:
            if outcome.inverse is not None:
                params = ", ".join(f"{k}={v}" for k, v in outcome.inverse.params.items())
                typer.secho(f"Done: {outcome.inverse.action} ({params})", fg="green")
        typer.echo("Countermand will not revert this change again for events up to now.")


def decisions(
    limit: Annotated[int, typer.Option(min=1, max=100, help="Number of decisions.")] = 20,
    target: Annotated[str | None, typer.Option(help="Only this user, role, or group.")] = None,
    rule_id: Annotated[str | None, typer.Option(help="Only this rule.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List the newest decisions, from the ledger."""
    with explained():
        from countermand.app import find_decisions  # noqa: PLC0415
        from countermand.cli.render import show_decisions  # noqa: PLC0415

        settings = load_settings(os.environ)
        records = find_decisions(settings, limit=limit, target=target, rule_id=rule_id)
        show_decisions(records, as_json=as_json)
