"""Commands about rules: list, show, lint, test, and what they cover."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from countermand.cli.app import App, CsvOption, JsonOption
from countermand.cli.errors import FAILED, explained

rules_app = App(help="The rules in force, and rules of your own.", no_args_is_help=True)

_FolderOption = Annotated[
    Path | None, typer.Argument(help="A folder of rule files. Default: the rules in force.")
]


@rules_app.command("list")
def rules_list(
    folder: _FolderOption = None, *, as_json: JsonOption = False, as_csv: CsvOption = False
) -> None:
    """List the rules: ID, severity, remediation, title."""
    with explained():
        from countermand.cli.catalogue import rules_in  # noqa: PLC0415
        from countermand.cli.render import show_rules  # noqa: PLC0415
        from countermand.cli.tables import Form  # noqa: PLC0415

        form = Form.chosen(as_json=as_json, as_csv=as_csv)
        show_rules(rules_in(folder, os.environ), form)


@rules_app.command("show")
def rules_show(
    rule_id: Annotated[str, typer.Argument(help="The rule ID, from `countermand rules list`.")],
    folder: _FolderOption = None,
) -> None:
    """Show one rule in full, and what its remediation does and needs."""
    with explained():
        from countermand.cli.catalogue import rule_in  # noqa: PLC0415
        from countermand.cli.render import show_rule  # noqa: PLC0415

        show_rule(rule_in(rule_id, folder, os.environ))


@rules_app.command("lint")
def rules_lint(folder: _FolderOption = None) -> None:
    """Check rule files as the worker does at start-up, print every error of every file, and check
    that EventBridge accepts the patterns that route their events.
    """
    with explained():
        from countermand.cli.catalogue import rules_in  # noqa: PLC0415
        from countermand.deployment.routing import routing_patterns  # noqa: PLC0415

        found = rules_in(folder, os.environ)
        routing_patterns(found)
        typer.echo(f"{len(found)} rules, no errors")


@rules_app.command("new")
def rules_new(
    rule_id: Annotated[str, typer.Argument(help="A fact in the past tense: bucket_policy_opened.")],
    event: Annotated[
        str, typer.Argument(help="A file with the event, in any shape of `replay`, or - .")
    ],
    folder: Annotated[Path, typer.Option(help="Where the rule is written.")] = Path(),
) -> None:
    """Write a rule and its cases from a real event."""
    with explained():
        from countermand.cli.new_rule import new_rule  # noqa: PLC0415

        for path in new_rule(rule_id, event, folder):
            typer.echo(f"wrote {path}")


@rules_app.command("test")
def rules_test(
    folder: Annotated[
        Path, typer.Argument(help="A folder of rule files, with their cases in its `cases/`.")
    ],
) -> None:
    """Run each rule on its cases: named CloudTrail records under `matches` and `ignores` in
    `cases/RULE_ID.yaml`.
    """
    with explained():
        from countermand.cli.cases import run_cases  # noqa: PLC0415
        from countermand.cli.render import show_cases  # noqa: PLC0415

        results = run_cases(folder)
        show_cases(results)
        if not all(result.ok for result in results):
            raise typer.Exit(FAILED)


@rules_app.command("coverage")
def rules_coverage(
    folder: _FolderOption = None, *, as_json: JsonOption = False, as_csv: CsvOption = False
) -> None:
    """List the API calls that the rules cover, by service, with the rules of each."""
    with explained():
        from countermand.cli.catalogue import calls_of, rules_in  # noqa: PLC0415
        from countermand.cli.render import show_coverage  # noqa: PLC0415
        from countermand.cli.tables import Form  # noqa: PLC0415

        form = Form.chosen(as_json=as_json, as_csv=as_csv)
        show_coverage(calls_of(rules_in(folder, os.environ)), form)


@rules_app.command("event-pattern")
def rules_event_pattern(folder: _FolderOption = None) -> None:
    """Print the EventBridge rules that route the events of the rules: name, pattern and state."""
    with explained():
        from countermand.cli.catalogue import rules_in  # noqa: PLC0415
        from countermand.deployment.routing import routing_patterns  # noqa: PLC0415

        typer.echo(json.dumps(routing_patterns(rules_in(folder, os.environ)), indent=2))
