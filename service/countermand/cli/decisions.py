"""Commands about decisions: replay recorded events, list the ledger, undo a remediation."""

import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from countermand.settings import Settings

from countermand.cli.app import App, CsvOption, JsonOption
from countermand.cli.errors import FAILED, explained
from countermand.core.errors import ConfigError
from countermand.core.model import Severity, Verdict


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
    reason: Annotated[
        str, typer.Option(help="Why; the ledger and the API keep it.", show_default=False)
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Undo a remediation with your own AWS credentials.

    It shows the calls and what changed on the target since the decision, and asks.
    """
    with explained():
        from countermand.app import undoing  # noqa: PLC0415
        from countermand.cli.undo import show_plan, show_undone  # noqa: PLC0415

        with undoing(_settings()) as undoing_:
            plan = undoing_.plan(decision_id)
            show_plan(plan, undoing_.person)
            if dry_run:
                typer.echo("Nothing was changed: this was a dry run.")
                return
            if not yes and not sys.stdin.isatty():
                raise ConfigError("--yes: required where nobody can be asked. Nothing was changed")
            if not yes and not typer.confirm("Undo it?"):
                typer.echo("Nothing was changed.")
                raise typer.Exit(FAILED)
            show_undone(undoing_.run(decision_id, reason))


decisions_app = App(help="The history of decisions, from the ledger.")


@decisions_app.callback(invoke_without_command=True)
def decisions(  # noqa: PLR0913 - one option a filter
    context: typer.Context,
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Number of decisions.")] = 20,
    verdict: Annotated[Verdict | None, typer.Option(help="Only this verdict.")] = None,
    rule_id: Annotated[str | None, typer.Option(help="Only decisions led by this rule.")] = None,
    severity: Annotated[Severity | None, typer.Option(help="Only this severity.")] = None,
    target: Annotated[str | None, typer.Option(help="Only this user, role, or group.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only calls by this ARN.")] = None,
    account_id: Annotated[str | None, typer.Option(help="Only this account.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Decided since then: 2h, 7d, or 2026-11-27T12:00:00Z.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Decided before then; same forms.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print new decisions until Ctrl-C.")
    ] = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """List the newest decisions, or show one: `countermand decisions show DECISION_ID`."""
    if context.invoked_subcommand is not None:
        return
    with explained():
        from countermand.cli.history import follow_decisions, moment, newest  # noqa: PLC0415
        from countermand.cli.render import show_decisions  # noqa: PLC0415
        from countermand.cli.tables import Form  # noqa: PLC0415
        from countermand.ledger.opened import ledger_of  # noqa: PLC0415
        from countermand.ports import DecisionQuery  # noqa: PLC0415

        now = datetime.now(UTC)
        query = DecisionQuery(
            verdict=verdict,
            rule_id=rule_id,
            severity=severity,
            target=target,
            actor=actor,
            account_id=account_id,
            since=moment("--since", since, now),
            until=moment("--until", until, now),
            limit=min(limit, 100),
        )
        form = Form.chosen(as_json=as_json, as_csv=as_csv)
        with ledger_of(_settings()) as ledger:
            found = newest(ledger, query, limit)
            show_decisions(found, form)
            if follow:
                follow_decisions(ledger, query, found, form)


@decisions_app.command("show")
def decisions_show(
    decision_id: Annotated[str, typer.Argument(help="The decision ID, from the alert.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print it as the API does.")] = False,
) -> None:
    """Show one decision in full: caller, reasons, steps, and what was sent."""
    with explained():
        from countermand.cli.history import one  # noqa: PLC0415
        from countermand.cli.render import show_decision  # noqa: PLC0415
        from countermand.ledger.opened import ledger_of  # noqa: PLC0415

        with ledger_of(_settings()) as ledger:
            show_decision(one(ledger, decision_id), as_json=as_json)


def _settings() -> "Settings":
    """Return the settings of which only the ledger and the region are needed."""
    from countermand.cli.in_force import settings_in_force  # noqa: PLC0415

    settings = settings_in_force(os.environ)
    if settings is None:
        raise ConfigError(
            "COUNTERMAND_LEDGER_URL: is not set. Set it as the worker has it, for example "
            "COUNTERMAND_LEDGER_URL=dynamodb:countermand"
        )
    return settings
