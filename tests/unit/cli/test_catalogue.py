"""The rules as people look at them, folders of their own, and overrides by ID."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from countermand.actions import ALL
from countermand.cli.catalogue import calls_of, reaction
from countermand.cli.docs import rule_schema, rules_page
from countermand.cli.main import app
from countermand.core.errors import ConfigError
from countermand.core.model import Mode, Severity
from countermand.rules.rulebook import BUILT_IN, load_rules

ADMIN_TO_USER = "admin_policy_attached_to_user"


def of_ones_own(folder: Path, rule_id: str = "our_rule", **changes: Any) -> Path:
    """A rule file like a built-in one."""
    folder.mkdir(exist_ok=True)
    document = yaml.safe_load(next(BUILT_IN.rglob(f"{ADMIN_TO_USER}.yaml")).read_text())
    path = folder / f"{rule_id}.yaml"
    path.write_text(yaml.safe_dump(document | {"id": rule_id} | changes))
    return path


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(arguments), env={"COUNTERMAND_QUEUE_URL": None})
    return done.exit_code, done.output


# --- commands


def test_every_rule_is_listed_with_what_it_does() -> None:
    code, text = run("rules", "list")
    assert code == 0
    for path in BUILT_IN.rglob("*.yaml"):
        assert path.stem in text
    assert "detach_user_policy" in text


def test_one_rule_is_shown_whole_with_what_its_action_needs() -> None:
    code, text = run("rules", "show", ADMIN_TO_USER)
    assert code == 0
    assert "AttachUserPolicy" in text
    assert "iam:DetachUserPolicy" in text


def actions_allowed(*arguments: str) -> set[str]:
    code, text = run("iam-policy", "--mode", "enforce", *arguments)
    assert code == 0, text
    statements = json.loads(text)["Statement"]
    allowed = [s["Action"] for s in statements if s["Effect"] == "Allow"]
    return {action for actions in allowed for action in actions}


def test_the_policy_of_some_rules_allows_what_these_need_and_no_more() -> None:
    writes = actions_allowed("--only-writes", "--rules", ADMIN_TO_USER)
    assert writes == {"iam:DetachUserPolicy"}
    several = f"{ADMIN_TO_USER}, trail_stopped", "new_user_made_powerful"
    writes = actions_allowed("--only-writes", "--rules", several[0], "--rules", several[1])
    assert writes == {
        "cloudtrail:StartLogging",
        "iam:DetachUserPolicy",
        "iam:PutUserPermissionsBoundary",
    }
    read = actions_allowed("--rules", ADMIN_TO_USER)
    assert {"iam:ListAttachedUserPolicies", "sqs:ReceiveMessage"} < read
    assert not {"iam:ListAttachedRolePolicies", "cloudtrail:StartLogging"} & read
    assert read < actions_allowed()


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ("nobody", "no rule 'nobody' is enabled; `countermand rules list` shows all"),
        (f"{ADMIN_TO_USER},", "no rule '' is enabled"),
        ("root_signed_in", "none of the enabled rules reverts a change"),
    ],
)
def test_a_policy_of_no_such_rules_is_refused(rules: str, why: str) -> None:
    code, text = run("iam-policy", "--mode", "enforce", "--only-writes", "--rules", rules)
    assert code == 2
    assert why in " ".join(text.split())


def test_an_unknown_rule_is_refused_with_where_to_look() -> None:
    code, text = run("rules", "show", "nobody")
    assert code == 2
    assert "rules list" in text


def test_lint_says_every_error_of_every_file(tmp_path: Path) -> None:
    of_ones_own(tmp_path, severity="dreadful")
    of_ones_own(tmp_path, "other_rule", check="nobody")
    code, text = run("rules", "lint", str(tmp_path))
    assert code == 2
    flat = text.replace("\n", "")
    assert "severity" in flat
    assert "unknown 'nobody'" in flat
    assert run("rules", "lint")[0] == 0


def test_coverage_names_each_call_and_its_rules() -> None:
    calls = calls_of(load_rules(ALL, BUILT_IN))
    assert ADMIN_TO_USER in calls["iam:AttachUserPolicy"]
    assert "iam:AttachUserPolicy" in run("rules", "coverage")[1]


def test_every_action_is_listed_with_its_permissions() -> None:
    text = run("actions", "list")[1]
    for action in ALL.values():
        assert action.info.name in text
        assert all(permission in text for permission in action.info.writes)


def test_lint_says_that_a_pattern_is_too_long_for_eventbridge(tmp_path: Path) -> None:
    when = {"source": ["aws.sts"], "detail": {"eventName": ["x" * 2100]}}
    of_ones_own(tmp_path, when=when, reads=True, check=None, remediate=None)
    code, text = run("rules", "lint", str(tmp_path))
    assert code == 2
    assert "more than the 2048 of EventBridge" in " ".join(text.split())


# --- folders and overrides


def test_a_folder_adds_to_the_built_in_rules(tmp_path: Path) -> None:
    of_ones_own(tmp_path)
    rules = load_rules(ALL, BUILT_IN, tmp_path)
    assert "our_rule" in {rule.id for rule in rules.rules}
    assert len(rules) == len(list(BUILT_IN.rglob("*.yaml"))) + 1


def test_a_folder_of_links_as_kubernetes_mounts_one_is_read(tmp_path: Path) -> None:
    real, mounted = tmp_path / "..data", tmp_path / "mounted"
    of_ones_own(real)
    mounted.mkdir()
    (mounted / "our_rule.yaml").symlink_to(real / "our_rule.yaml")
    assert len(load_rules(ALL, mounted)) == 1


def test_a_reused_rule_id_names_both_files(tmp_path: Path) -> None:
    path = of_ones_own(tmp_path, ADMIN_TO_USER)
    with pytest.raises(ConfigError) as refusal:
        load_rules(ALL, BUILT_IN, tmp_path)
    assert str(path) in str(refusal.value)
    assert f"/rules/iam/{path.name}" in str(refusal.value)


def overridden(tmp_path: Path, text: str) -> dict[str, Any]:
    file = tmp_path / "overrides.yaml"
    file.write_text(text)
    rules = load_rules(ALL, BUILT_IN, overrides=file).rules
    return {rule.id: rule for rule in rules}


def test_an_override_changes_severity_and_mode_of_one_rule(tmp_path: Path) -> None:
    rules = overridden(tmp_path, f"{ADMIN_TO_USER}: {{severity: low, mode: observe}}")
    assert (rules[ADMIN_TO_USER].severity, rules[ADMIN_TO_USER].mode) == (
        Severity.LOW,
        Mode.OBSERVE,
    )
    assert rules["admin_policy_attached_to_role"].severity is Severity.CRITICAL


def test_an_override_can_switch_a_rule_off(tmp_path: Path) -> None:
    assert ADMIN_TO_USER not in overridden(tmp_path, f"{ADMIN_TO_USER}: {{enabled: false}}")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("nobody: {mode: observe}", ":1: nobody: no such rule"),
        (f"{ADMIN_TO_USER}:\n  mode: brave", f":2: {ADMIN_TO_USER}.mode"),
        (f"{ADMIN_TO_USER}:\n  severty: low", f":2: {ADMIN_TO_USER}.severty"),
        ("- list", "overrides.yaml:1"),
        ("a: &x {}\nb: *x", "alias"),
    ],
)
def test_a_wrong_override_is_refused_with_its_place(tmp_path: Path, text: str, place: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        overridden(tmp_path, text)
    assert place in str(refusal.value)


def test_a_folder_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"big_{number}.yaml").write_bytes(b"#" * 4_000_000)
    with pytest.raises(ConfigError, match="12000000 bytes of rules"):
        load_rules(ALL, tmp_path)


def test_a_thousand_rules_are_loaded(tmp_path: Path) -> None:
    for number in range(1000):
        of_ones_own(tmp_path, f"rule_number_{number}")
    assert len(load_rules(ALL, tmp_path)) == 1000


# --- pages


def test_the_page_has_a_section_for_every_rule() -> None:
    page = rules_page()
    for rule in load_rules(ALL, BUILT_IN).rules:
        assert f"\n## {rule.id}\n" in page
        assert reaction(rule) in page


def test_the_page_lists_the_steps_of_a_runbook() -> None:
    """Each step is a line, as Markdown needs it."""
    (section,) = [s for s in rules_page().split("\n## ") if s.startswith(f"{ADMIN_TO_USER}\n")]
    steps = section.partition("Runbook:\n\n")[2].splitlines()
    assert [step[:3] for step in steps if step] == ["1. ", "2. ", "3. ", "4. "]


def test_a_rule_is_shown_with_the_lines_of_its_runbook() -> None:
    """`rules show` prints a runbook as its file has it."""
    assert "runbook: |-\n  1. " in run("rules", "show", ADMIN_TO_USER)[1]


def test_every_built_in_rule_fits_the_published_schema() -> None:
    schema = json.loads(rule_schema())
    for path in BUILT_IN.rglob("*.yaml"):
        jsonschema.validate(yaml.safe_load(path.read_text()), schema)
