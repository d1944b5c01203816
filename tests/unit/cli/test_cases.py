"""`countermand rules test`: rules of a folder against the named records in its `cases/`."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from countermand.cli.cases import run_cases
from countermand.cli.main import app
from countermand.core.envelope import attach_event
from countermand.core.errors import ConfigError
from countermand.rules.rulebook import BUILT_IN
from support.fakes import ACCOUNT

ADMIN_TO_USER = "admin_policy_attached_to_user"
ADMIN = {"name": "An administrator policy", "record": attach_event(ACCOUNT, "someone")}
READ_ONLY = {
    "name": "A policy that only reads",
    "record": attach_event(ACCOUNT, "someone", "arn:aws:iam::aws:policy/ReadOnlyAccess"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one rule, `our_rule`, and no cases."""
    (built_in,) = BUILT_IN.rglob(f"{ADMIN_TO_USER}.yaml")
    text = built_in.read_text().replace(f"id: {ADMIN_TO_USER}", "id: our_rule")
    (tmp_path / "our_rule.yaml").write_text(text)
    (tmp_path / "cases").mkdir()
    return tmp_path


def with_cases(folder: Path, **cases: Any) -> None:
    (folder / "cases" / "our_rule.yaml").write_text(json.dumps(cases))


def run(folder: Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["rules", "test", str(folder)], env={"COLUMNS": "400"})
    return done.exit_code, done.output


def refusal(folder: Path) -> str:
    with pytest.raises(ConfigError) as refused:
        run_cases(folder)
    return str(refused.value).replace(f"{folder}/cases/", "")


def test_rules_are_run_on_their_cases(folder: Path) -> None:
    """A rule passes that fires on what it matches and is silent on what it ignores."""
    with_cases(folder, matches=[ADMIN], ignores=[READ_ONLY])
    assert [result.ok for result in run_cases(folder)] == [True, True]
    assert run(folder) == (0, "2 cases, 0 failed\n")


def test_a_failure_names_its_case(folder: Path) -> None:
    """The output has the rule, the kind and the name of each case that fails."""
    with_cases(folder, matches=[READ_ONLY], ignores=[ADMIN])
    code, text = run(folder)
    assert code == 1
    assert text.splitlines() == [
        "FAIL our_rule, matches, 'A policy that only reads': silent",
        "FAIL our_rule, ignores, 'An administrator policy': fired",
        "2 cases, 2 failed",
    ]


def test_a_rule_without_cases_fails(folder: Path) -> None:
    """A rule needs a case of each kind, with or without a case file."""
    kinds = [("matches", False), ("ignores", False)]
    assert [(result.kind, result.ok) for result in run_cases(folder)] == kinds
    with_cases(folder, matches=[ADMIN])
    assert [result.ok for result in run_cases(folder)] == [True, False]
    assert "cases/our_rule.yaml: ignores: no cases" in run(folder)[1]


@pytest.mark.parametrize("record", [7, {}, {"eventName": None}])
def test_a_hostile_record_is_no_match(folder: Path, record: Any) -> None:
    """A record that is not an event fails its case and stops nothing."""
    with_cases(folder, matches=[{"name": "Hostile", "record": record}], ignores=[READ_ONLY])
    assert [result.ok for result in run_cases(folder)] == [False, True]


@pytest.mark.parametrize("cases", [{"matched": []}, {"matches": ADMIN}, {"ignores": None}])
def test_a_case_file_has_two_lists(folder: Path, cases: dict[str, Any]) -> None:
    """Another key, or another value than a list, is refused."""
    with_cases(folder, **cases)
    assert "our_rule.yaml: must be an object with the lists `matches`" in refusal(folder)


def test_every_wrong_case_is_reported(folder: Path) -> None:
    """All errors of a file come at once, each with its line."""
    (folder / "cases" / "our_rule.yaml").write_text(
        "matches:\n"
        "  - eventName: AttachUserPolicy\n"
        "  - {name: '', record: {}}\n"
        "  - {name: Once, record: {}}\n"
        "ignores:\n"
        f"  - {{name: {'x' * 61}, record: {{}}}}\n"
        "  - {name: Once, record: {}}\n"
        "  - {name: Twice, record: {}, note: x}\n"
    )
    form = "must be an object with `name`, and the CloudTrail record under `record`"
    assert refusal(folder).splitlines() == [
        f"our_rule.yaml:2: matches.0: {form}",
        "our_rule.yaml:3: matches.1: name: must be a sentence of at most 60 characters",
        "our_rule.yaml:6: ignores.0: name: must be a sentence of at most 60 characters",
        "our_rule.yaml:7: ignores.1: name: another case has the name 'Once'",
        f"our_rule.yaml:8: ignores.2: {form}",
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("matches: [&a {x: 1}]\nignores: [*a]\n", "an alias is not allowed"),
        ("matches: []\nmatches: []\n", "'matches'"),
        ("matches: [" + "x" * 1_000_000, "more than 1000000 bytes"),
    ],
)
def test_a_case_file_hides_nothing(folder: Path, text: str, why: str) -> None:
    """A file with an alias or a repeated key, and one that is too large, is refused."""
    (folder / "cases" / "our_rule.yaml").write_text(text)
    assert why in refusal(folder)
