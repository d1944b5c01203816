"""The command line. Each command reads the settings it needs and leaves the work to its module.

Imports of what only one command needs stand inside it, so that `--help` answers at once.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from countermand import __version__
from countermand.core.errors import ConfigError, CountermandError
from countermand.core.model import Mode
from countermand.settings import load as load_settings

app = typer.Typer(
    name="countermand",
    help="An IAM guardrail for AWS: detects risky changes, evaluates them, alerts, and reverts "
    "them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
simulate_app = typer.Typer(
    help="Stage an attack, and watch the decision on it.", no_args_is_help=True
)
app.add_typer(simulate_app, name="simulate")
rules_app = typer.Typer(help="The rules in force, and rules of your own.", no_args_is_help=True)
app.add_typer(rules_app, name="rules")
actions_app = typer.Typer(help="The remediations that rules can name.", no_args_is_help=True)
app.add_typer(actions_app, name="actions")

_FAILED = 1
_MISUSED = 2


@contextmanager
def _explained() -> Iterator[None]:
    """Expected failures end the command with one clear message and no trace."""
    try:
        yield
    except ConfigError as error:
        typer.secho(str(error), err=True, fg="red")
        raise typer.Exit(_MISUSED) from None
    except CountermandError as error:
        typer.secho(f"{error}", err=True, fg="red")
        raise typer.Exit(_FAILED) from None


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


@app.command()
def run(
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Show the settings in force, and end.")
    ] = False,
) -> None:
    """Run the worker until SIGTERM; configured by COUNTERMAND_* variables."""
    with _explained():
        if print_config:
            typer.echo(load_settings(os.environ).as_text())
            return
    from countermand.app import run as run_worker  # noqa: PLC0415

    run_worker(os.environ)


@app.command()
def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep everything running until Ctrl-C.")
    ] = False,
) -> None:
    """Run the whole scenario on an embedded LocalStack: attack, decision, email, undo."""
    from countermand.lab.demo import Demo  # noqa: PLC0415
    from countermand.lab.localstack import LocalStackError  # noqa: PLC0415

    with _explained():
        try:
            code = Demo().run(keep=keep)
        except LocalStackError as error:
            raise ConfigError(str(error)) from error
        raise typer.Exit(code)


@app.command()
def attack(
    api: Annotated[
        str | None,
        typer.Option(help="URL of the workers' API. Default: its public URL."),
    ] = None,
) -> None:
    """Run the whole scenario on a stack that runs on LocalStack, such as that of compose.

    The running workers stay as they are; the command starts its own worker for enforce mode.
    """
    with _explained():
        from countermand.lab.attack import attack as run_attack  # noqa: PLC0415

        settings = load_settings(os.environ)
        raise typer.Exit(run_attack(settings, api or settings.api_base_url))


@simulate_app.command("attach-admin")
def simulate_attach_admin(
    user: Annotated[str, typer.Option(help="Name of the IAM user.")],
    tag: Annotated[list[str] | None, typer.Option(help="Tag for the user, K=V.")] = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the decision.")] = 60,
) -> None:
    """Attach AdministratorAccess to a user, and wait for the decision on it.

    With an emulator (AWS_ENDPOINT_URL set) the user is created and the event is put on the bus too;
    in AWS the user must exist and be in scope, and CloudTrail brings the event.
    """
    with _explained():
        from countermand.lab.simulate import attach_admin  # noqa: PLC0415

        settings = load_settings(os.environ)
        decision = attach_admin(settings, user, _tags(tag or []), wait)
        typer.echo(json.dumps(decision, indent=2))


@app.command()
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
    with _explained():
        from countermand.cli.replay import show_replay, show_report  # noqa: PLC0415

        ok = (show_report if report else show_replay)(source, os.environ, as_json=as_json)
        if not ok:
            raise typer.Exit(_FAILED)


@app.command()
def undo(
    decision_id: Annotated[str, typer.Argument(help="The decision ID, from the alert.")],
) -> None:
    """Undo a remediation: run the stored inverse call with your own AWS credentials."""
    with _explained():
        from countermand.app import undo_decision  # noqa: PLC0415

        record = undo_decision(load_settings(os.environ), decision_id)
        for outcome in record.outcomes:
            if outcome.inverse is not None:
                params = ", ".join(f"{k}={v}" for k, v in outcome.inverse.params.items())
                typer.secho(f"Done: {outcome.inverse.action} ({params})", fg="green")
        typer.echo("Countermand will not revert this change again for events up to now.")


@app.command()
def decisions(
    limit: Annotated[int, typer.Option(min=1, max=100, help="Number of decisions.")] = 20,
    target: Annotated[str | None, typer.Option(help="Only this user, role, or group.")] = None,
    rule_id: Annotated[str | None, typer.Option(help="Only this rule.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List the newest decisions, from the ledger."""
    with _explained():
        from countermand.app import find_decisions  # noqa: PLC0415
        from countermand.cli.render import show_decisions  # noqa: PLC0415

        settings = load_settings(os.environ)
        records = find_decisions(settings, limit=limit, target=target, rule_id=rule_id)
        show_decisions(records, as_json=as_json)


@app.command()
def doctor() -> None:
    """Check the AWS setup of the worker, and print a fix for each check that fails."""
    with _explained():
        from countermand.cli.render import show_checks  # noqa: PLC0415
        from countermand.deployment.doctor import examine  # noqa: PLC0415

        results = examine(load_settings(os.environ))
        show_checks(results)
        if not all(result.ok for result in results):
            raise typer.Exit(_FAILED)


@app.command()
def provision() -> None:
    """Create queue, topic, EventBridge rules and log group in an emulator, and print the settings.

    With COUNTERMAND_LEDGER_URL=dynamodb:TABLE, the ledger's table too.
    """
    with _explained():
        from countermand.lab.simulate import provision_emulator  # noqa: PLC0415

        for name, text in provision_emulator(os.environ).items():
            typer.echo(f"{name}={text}")


_FolderOption = Annotated[
    Path | None, typer.Argument(help="A folder of rule files. Default: the rules in force.")
]


@rules_app.command("list")
def rules_list(folder: _FolderOption = None) -> None:
    """List the rules: ID, severity, remediation, title."""
    with _explained():
        from countermand.cli.catalogue import rules_in  # noqa: PLC0415
        from countermand.cli.render import show_rules  # noqa: PLC0415

        show_rules(rules_in(folder, os.environ))


@rules_app.command("show")
def rules_show(
    rule_id: Annotated[str, typer.Argument(help="The rule ID, from `countermand rules list`.")],
    folder: _FolderOption = None,
) -> None:
    """Show one rule in full, and what its remediation does and needs."""
    with _explained():
        from countermand.cli.catalogue import rule_in  # noqa: PLC0415
        from countermand.cli.render import show_rule  # noqa: PLC0415

        show_rule(rule_in(rule_id, folder, os.environ))


@rules_app.command("lint")
def rules_lint(folder: _FolderOption = None) -> None:
    """Check rule files as the worker does at start-up, print every error of every file, and check
    that EventBridge accepts the patterns that route their events.
    """
    with _explained():
        from countermand.cli.catalogue import rules_in  # noqa: PLC0415
        from countermand.deployment.iam_policy import routing_patterns  # noqa: PLC0415

        found = rules_in(folder, os.environ)
        routing_patterns(found)
        typer.echo(f"{len(found)} rules, no errors")


@rules_app.command("test")
def rules_test(
    folder: Annotated[
        Path, typer.Argument(help="A folder of rule files, with their cases in its `cases/`.")
    ],
) -> None:
    """Run each rule on its cases: named CloudTrail records under `matches` and `ignores` in
    `cases/RULE_ID.yaml`.
    """
    with _explained():
        from countermand.cli.cases import run_cases  # noqa: PLC0415
        from countermand.cli.render import show_cases  # noqa: PLC0415

        results = run_cases(folder)
        show_cases(results)
        if not all(result.ok for result in results):
            raise typer.Exit(_FAILED)


@rules_app.command("coverage")
def rules_coverage(folder: _FolderOption = None) -> None:
    """List the API calls that the rules cover, by service, with the rules of each."""
    with _explained():
        from countermand.cli.catalogue import calls_of, rules_in  # noqa: PLC0415
        from countermand.cli.render import show_coverage  # noqa: PLC0415

        show_coverage(calls_of(rules_in(folder, os.environ)))


@rules_app.command("event-pattern")
def rules_event_pattern(folder: _FolderOption = None) -> None:
    """Print the EventBridge rules that route the events of the rules: name, pattern and state."""
    with _explained():
        from countermand.cli.catalogue import rules_in  # noqa: PLC0415
        from countermand.deployment.iam_policy import routing_patterns  # noqa: PLC0415

        typer.echo(json.dumps(routing_patterns(rules_in(folder, os.environ)), indent=2))


@app.command("iam-policy")
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
    with _explained():
        from countermand.cli.catalogue import chosen, rules_in, worker_document  # noqa: PLC0415

        rule_set = rules_in(None, os.environ)
        if rules is not None:
            rule_set = chosen(rule_set, rules)
        document = worker_document(mode, rule_set, place or [], only_writes=only_writes)
        typer.echo(json.dumps(document, indent=2))


@actions_app.command("list")
def actions_list() -> None:
    """List the remediations: what each does, and the permissions that it and its undo need."""
    with _explained():
        from countermand.actions import ALL  # noqa: PLC0415
        from countermand.cli.render import show_actions  # noqa: PLC0415

        show_actions(ALL.values())


@app.command(hidden=True)
def docs(folder: Path) -> None:
    """Write the generated pages of the documentation."""
    from countermand.cli.docs import PAGES  # noqa: PLC0415

    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")


def _tags(pairs: list[str]) -> dict[str, str]:
    tags = dict(pair.partition("=")[::2] for pair in pairs)
    if not all(tags) or not all("=" in pair for pair in pairs):
        raise ConfigError("--tag: must be KEY=VALUE, for example SecurityApproved=true")
    return tags
