"""Bad rule files stop start-up and say where they are bad; later they leave what was in force."""

import json
import os
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from structlog.testing import capture_logs

from countermand.actions import ALL
from countermand.cli.docs import rule_schema
from countermand.core.errors import ConfigError
from countermand.core.model import Mode, Severity
from countermand.core.rules.rule import Rule
from countermand.metrics import Metrics
from countermand.rules.rulebook import BUILT_IN, Rulebook, load_rule, load_rules

GOOD = """\
id: something_happened
title: Something happened
description: Something happened that is a risk to the account.
severity: high
mitre: [T1098.003]
false_positives: Somebody does it on purpose.
runbook: Ask the caller, then look what followed.
when:
  detail:
    eventSource: [iam.amazonaws.com]
    eventName: [AttachUserPolicy]
subject: {user: detail.requestParameters.userName}
check: policy_grants_admin
remediate: detach_user_policy
"""


def written(folder: Path, text: str, name: str = "something_happened.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as error:
        load_rule(path, ALL)
    return str(error.value)


def test_a_good_file_becomes_a_rule(tmp_path: Path) -> None:
    rule = load_rule(written(tmp_path, GOOD), ALL)
    assert isinstance(rule, Rule)
    assert rule.file.id == "something_happened"
    assert rule.file.remediate == "detach_user_policy"
    assert rule.subject_paths == (("requestParameters", "userName"),)


def test_rules_load_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b_happened", "a_happened"):
        written(tmp_path, GOOD.replace("something_happened", name), f"{name}.yaml")
    assert [r.file.id for r in load_rules(ALL, tmp_path).rules] == ["a_happened", "b_happened"]


def test_other_files_in_the_folder_are_no_rules(tmp_path: Path) -> None:
    written(tmp_path, GOOD)
    written(tmp_path, "not a rule", "README.md")
    assert len(load_rules(ALL, tmp_path)) == 1


@pytest.mark.parametrize(
    ("old", "new", "line", "key"),
    [
        ("severity: high", "severity: dreadful", 4, "severity"),
        ("severity: high", "severity: [high]", 4, "severity"),
        ("title: Something happened", "title: Short", 2, "title"),
        ("title: Something happened", "title: 7", 2, "title"),
        ("mitre: [T1098.003]", "mitre: [T1098.003, T1]", 5, "mitre.1"),
        ("check: policy_grants_admin", "chek: policy_grants_admin", 13, "chek"),
        ("subject: {user: d", "subject: {robot: d", 12, "subject.robot.[key]"),
        ("detail.requestParameters.userName", "userName", 12, "subject.user.0"),
        ("{user: detail.requestParameters.userName}", "{}", 12, "subject"),
        ("remediate: detach_user_policy", "mode: brave", 14, "mode"),
        ("remediate: detach_user_policy", "remediate: [detach_user_policy]", 14, "remediate"),
        ("remediate: detach_user_policy", "reads: 1", 14, "reads"),
        ("remediate: detach_user_policy", "reads: 'yes'", 14, "reads"),
        ("title: Something happened\n", "", 1, "title"),
    ],
)
def test_the_schema_names_file_line_and_field(
    tmp_path: Path, old: str, new: str, line: int, key: str
) -> None:
    path = written(tmp_path, GOOD.replace(old, new))
    assert f"{path}:{line}: {key}: " in refusal(path)


def test_a_duplicate_key_is_refused_with_its_line(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD + "severity: low\n")
    text = refusal(path)
    assert str(path) in text
    assert "line 15" in text
    assert "duplicate key 'severity'" in text


def test_a_nested_duplicate_key_is_refused_too(tmp_path: Path) -> None:
    text = GOOD.replace("    eventName", "    eventSource: [sts.amazonaws.com]\n    eventName")
    refused = refusal(written(tmp_path, text))
    assert "line 11" in refused
    assert "duplicate key 'eventSource'" in refused


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        (
            "eventName: [AttachUserPolicy]",
            "eventName: AttachUserPolicy",
            11,
            "when.detail.eventName: needs a list of values",
        ),
        (
            "eventName: [AttachUserPolicy]",
            "eventName: [{regex: 'Attach'}]",
            11,
            "when.detail.eventName: unknown operator 'regex'",
        ),
        ("eventName: [AttachUserPolicy]", "eventName: []", 11, "when.detail.eventName: needs"),
        (
            "check: policy_grants_admin",
            "check: nobody",
            13,
            "check: Value error, unknown 'nobody'; known: policy",
        ),
        (
            "check: policy_grants_admin",
            "resolve: policy_arn",
            13,
            "resolve: Value error, 'policy_arn' is not in evidence",
        ),
        (
            "remediate: detach_user_policy",
            "remediate: delete_account",
            14,
            "remediate: unknown 'delete_account'; known: de",
        ),
        (
            "check: policy_grants_admin",
            "evidence: {user_name: detail.requestParameters.userName}",
            14,
            "remediate: detach_user_policy needs the evidence policy_arn",
        ),
        (
            "id: something_happened",
            "id: another_name",
            1,
            "id: is 'another_name', must be the name",
        ),
        (
            "  detail:\n",
            "  $or:\n  - detail: {a: [x]}\n  - detail:\n      b: [{wildcard: '**'}]\n  detail:\n",
            12,
            "when.$or[1].detail.b.wildcard: two wildcards in a row",
        ),
        (
            "eventName: [AttachUserPolicy]",
            "a: [x]\n    a[9]: x",
            11,
            "when.detail.a[9]: needs a list",
        ),
    ],
)
def test_the_code_names_file_line_and_key(
    tmp_path: Path, old: str, new: str, line: int, message: str
) -> None:
    """These checks are not part of the schema."""
    path = written(tmp_path, GOOD.replace(old, new))
    assert f"{path}:{line}: {message}" in refusal(path)


@pytest.mark.parametrize(
    "text",
    [
        "id: [",
        "\tid: x",
        "id: x\n---\nid: y\n",
        "id: *nowhere",
        "[" * 5000,
        "id: !!python/object/apply:os.system ['true']",
        "id: !!python/name:os.system",
        "id: !unknown x",
        "? [a, b]\n: c",
        "? {a: b}\n: c",
        "id: 2026-99-99",
        "a: \x00",
    ],
)
def test_a_file_that_is_no_plain_yaml_is_refused(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    assert refusal(path).startswith(f"{path}: not readable as YAML")


def test_a_file_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "something_happened.yaml"
    path.write_bytes(GOOD.encode() + b"# \xff\n")
    assert "not readable as YAML" in refusal(path)


def test_a_tag_runs_no_code(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    refusal(written(tmp_path, f"id: !!python/object/apply:os.mkdir ['{witness}']"))
    assert not witness.exists()


@pytest.mark.parametrize("text", ["", "# nothing\n", "null", "7", "- id: x", "just text"])
def test_a_file_that_holds_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    assert f"{path}:1: the file: " in refusal(path)


def test_multiplying_aliases_are_refused(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)
    )
    assert "an alias is not allowed" in refusal(written(tmp_path, bomb + GOOD))


def test_multiplying_pattern_aliases_are_refused(tmp_path: Path) -> None:
    layers = "".join(f"    a{n}: &a{n} {{b: *a{n - 1}, c: *a{n - 1}}}\n" for n in range(1, 40))
    text = GOOD.replace("    eventSource", f"    a0: &a0 {{b: [x]}}\n{layers}    eventSource")
    refused = refusal(written(tmp_path, text))
    assert "an alias is not allowed" in refused
    assert "line 11" in refused


def test_a_recursive_pattern_is_refused(tmp_path: Path) -> None:
    """A pattern that contains itself is refused."""
    text = GOOD.replace("  detail:\n", "  detail: &again\n    more: *again\n")
    assert "an alias is not allowed" in refusal(written(tmp_path, text))


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no rule files"):
        load_rules(ALL, tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        load_rules(ALL, tmp_path / "missing")


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(ConfigError, match="not readable"):
        load_rules(ALL, tmp_path)


@pytest.mark.timeout(10)
def test_a_pipe_is_refused_and_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(ConfigError, match=r"pipe.yaml: not readable as YAML: not a regular file"):
        load_rules(ALL, tmp_path)


def test_a_file_that_disappears_is_refused(tmp_path: Path) -> None:
    """A file that disappears during the load is refused."""
    written(tmp_path, GOOD)
    (tmp_path / "gone.yaml").symlink_to("nowhere")
    (tmp_path / "round.yaml").symlink_to("round.yaml")
    with pytest.raises(ConfigError) as error:
        load_rules(ALL, tmp_path)
    assert "gone.yaml: not readable" in str(error.value)
    assert "round.yaml: not readable" in str(error.value)


def test_unreadable_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, GOOD)
    look = Path.stat

    def closed(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if self == path:
            raise PermissionError(13, "Permission denied", str(self))
        return look(self, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", closed)
    with pytest.raises(ConfigError, match="Permission denied"):
        load_rules(ALL, tmp_path)


def test_a_file_with_another_suffix_is_reported(
    tmp_path: Path,
) -> None:
    written(tmp_path, GOOD)
    other = written(tmp_path, GOOD, "other_happened.yml")
    with pytest.raises(ConfigError, match=r"must end in \.yaml") as error:
        load_rules(ALL, tmp_path)
    assert str(error.value).startswith(f"{other}: ")


@pytest.mark.parametrize("text", ["[]", "false", "0", "''", "7", "[something_happened]"])
def test_overrides_must_be_a_mapping(tmp_path: Path, text: str) -> None:
    """Overrides that are no mapping are refused."""
    written(tmp_path, GOOD)
    overrides = written(tmp_path, text, "overrides")
    with pytest.raises(ConfigError, match="valid dictionary") as error:
        load_rules(ALL, tmp_path, overrides=overrides)
    assert str(error.value).startswith(f"{overrides}:1: the file: ")


@pytest.mark.parametrize("text", ["", "# nothing yet", "null", "{}"])
def test_overrides_may_be_empty(tmp_path: Path, text: str) -> None:
    written(tmp_path, GOOD)
    assert len(load_rules(ALL, tmp_path, overrides=written(tmp_path, text, "overrides"))) == 1


def test_a_switch_is_exactly_true_or_false(tmp_path: Path) -> None:
    written(tmp_path, GOOD)
    overrides = written(tmp_path, "something_happened:\n  enabled: 'off'\n", "overrides")
    with pytest.raises(ConfigError, match=r":2: something_happened\.enabled: .*boolean"):
        load_rules(ALL, tmp_path, overrides=overrides)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("severity: high", "severity: dreadful"),
        ("title: Something happened", "title: 7"),
        ("{user: detail.requestParameters.userName}", "{user: []}"),
        ("{user: detail.requestParameters.userName}", "{user: userName}"),
        ("{user: detail.requestParameters.userName}", f"{{user: [{', '.join(['detail.a'] * 6)}]}}"),
        ("remediate: detach_user_policy", "reads: 1"),
        ("remediate: detach_user_policy", "unknown: 1"),
        ("remediate: detach_user_policy", "mode: brave"),
    ],
)
def test_the_published_schema_refuses_it_too(tmp_path: Path, old: str, new: str) -> None:
    schema = Draft202012Validator(json.loads(rule_schema()))
    assert schema.is_valid(yaml.safe_load(GOOD))
    assert schema.is_valid(yaml.safe_load(STORY))
    text = GOOD.replace(old, new)
    refusal(written(tmp_path, text))
    assert not schema.is_valid(yaml.safe_load(text))


def test_all_errors_of_all_files_are_reported(tmp_path: Path) -> None:
    written(tmp_path, GOOD)
    wrong = GOOD.replace("severity: high", "severity: x").replace("check: ", "chek: ")
    written(tmp_path, wrong, "first_wrong.yaml")
    written(tmp_path, GOOD.replace("id: something", "id: other"), "second_wrong.yaml")
    written(tmp_path, "id: [", "third_wrong.yaml")
    with pytest.raises(ConfigError) as error:
        load_rules(ALL, tmp_path)
    text = str(error.value)
    assert f"{tmp_path / 'first_wrong.yaml'}:4: severity" in text
    assert f"{tmp_path / 'first_wrong.yaml'}:13: chek" in text
    assert "second_wrong.yaml:1: id" in text
    assert "third_wrong.yaml: not readable" in text
    assert "something_happened.yaml" not in text


def test_the_rules_that_we_ship_load() -> None:
    assert len(load_rules(ALL, BUILT_IN)) == len(list(BUILT_IN.rglob("*.yaml")))


# --- while the worker runs


def mounted(tmp_path: Path) -> tuple[Rulebook, Metrics]:
    written(tmp_path, GOOD)
    metrics = Metrics()
    return Rulebook(ALL, tmp_path, metrics=metrics), metrics


def stale(metrics: Metrics) -> bool:
    return b"countermand_rules_stale 1.0" in metrics.render()


def ids(rulebook: Rulebook) -> list[str]:
    return [rule.id for rule in rulebook.rules.rules]


def test_bad_rules_stop_the_start(tmp_path: Path) -> None:
    written(tmp_path, "id: [")
    with pytest.raises(ConfigError):
        Rulebook(ALL, tmp_path, metrics=Metrics())


def test_a_changed_file_is_reloaded(tmp_path: Path) -> None:
    rulebook, _ = mounted(tmp_path)
    written(tmp_path, GOOD.replace("severity: high", "severity: medium"))
    rulebook.refresh()
    assert [rule.severity for rule in rulebook.rules.rules] == [Severity.MEDIUM]


def test_files_come_and_go_with_their_rules(tmp_path: Path) -> None:
    rulebook, metrics = mounted(tmp_path)
    path = written(tmp_path, GOOD.replace("something", "other_thing"), "other_thing_happened.yaml")
    rulebook.refresh()
    assert ids(rulebook) == ["other_thing_happened", "something_happened"]
    assert b"countermand_rules 2.0" in metrics.render()
    path.unlink()
    rulebook.refresh()
    assert ids(rulebook) == ["something_happened"]


def test_a_changed_override_is_reloaded(tmp_path: Path) -> None:
    folder, overrides = tmp_path / "rules", tmp_path / "overrides.yaml"
    folder.mkdir()
    written(folder, GOOD)
    overrides.write_text("{}")
    rulebook = Rulebook(ALL, folder, overrides=overrides, metrics=Metrics())
    overrides.write_text("something_happened: {mode: observe}")
    rulebook.refresh()
    assert [rule.mode for rule in rulebook.rules.rules] == [Mode.OBSERVE]


def test_a_swapped_mount_is_reloaded(tmp_path: Path) -> None:
    for version, severity in (("1", "high"), ("2", "low_")):
        (tmp_path / version).mkdir()
        text = GOOD.replace("severity: high", f"severity: {severity.strip('_')}")
        file = written(tmp_path / version, text)
        os.utime(file, (0, 0))
    mount = tmp_path / "mount"
    mount.symlink_to("1")
    rulebook = Rulebook(ALL, mount, metrics=Metrics())
    (tmp_path / "next").symlink_to("2")
    (tmp_path / "next").replace(mount)
    rulebook.refresh()
    assert [rule.severity for rule in rulebook.rules.rules] == [Severity.LOW]


def test_a_bad_file_keeps_the_previous_rules(tmp_path: Path) -> None:
    """The log and a metric say so."""
    rulebook, metrics = mounted(tmp_path)
    before = rulebook.rules
    assert not stale(metrics)
    with capture_logs() as logs:
        written(tmp_path, GOOD.replace("severity: high", "severity: dreadful"))
        rulebook.refresh()
        rulebook.refresh()
    assert rulebook.rules is before
    assert stale(metrics)
    (told,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert "something_happened.yaml:4: severity" in told["error"]


def test_a_missing_folder_keeps_the_rules(tmp_path: Path) -> None:
    """A missing folder keeps the previous rules."""
    rulebook, metrics = mounted(tmp_path)
    (tmp_path / "something_happened.yaml").unlink()
    rulebook.refresh()
    assert ids(rulebook) == ["something_happened"]
    assert stale(metrics)


def test_a_fixed_file_ends_the_alarm(tmp_path: Path) -> None:
    rulebook, metrics = mounted(tmp_path)
    path = written(tmp_path, "id: [")
    rulebook.refresh()
    assert stale(metrics)
    path.write_text(GOOD)
    rulebook.refresh()
    assert not stale(metrics)


def test_a_reload_that_crashed_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rulebook, _ = mounted(tmp_path)
    written(tmp_path, GOOD.replace("severity: high", "severity: medium"))

    def broken(*_: object, **__: object) -> None:
        raise MemoryError

    with monkeypatch.context() as once:
        once.setattr("countermand.rules.rulebook.load_rules", broken)
        with pytest.raises(MemoryError):
            rulebook.refresh()
    rulebook.refresh()
    assert [rule.severity for rule in rulebook.rules.rules] == [Severity.MEDIUM]


def test_unchanged_files_are_not_reloaded(tmp_path: Path) -> None:
    """Unchanged files are reloaded only when asked."""
    rulebook, _ = mounted(tmp_path)
    before = rulebook.rules
    rulebook.refresh()
    assert rulebook.rules is before
    rulebook.refresh(asked=True)
    assert rulebook.rules is not before


# --- rules about several events

STORY = """\
id: story_happened
title: Several things happened
description: Several things happened that mean more together.
severity: high
mitre: [T1098.003]
false_positives: Somebody does it on purpose.
runbook: Ask the caller, then look what followed.
correlate:
  by: user
  within_minutes: 10
  steps:
    - [something_happened]
"""


def story(folder: Path, text: str = STORY) -> Path:
    written(folder, GOOD)
    return written(folder, text, "story_happened.yaml")


def test_a_correlation_loads_beside_the_rules(tmp_path: Path) -> None:
    story(tmp_path)
    rules = load_rules(ALL, tmp_path)
    assert [rule.id for rule in rules.every] == ["something_happened", "story_happened"]
    assert [rule.id for rule in rules.correlations] == ["story_happened"]


@pytest.mark.parametrize(
    ("old", "new", "line", "key"),
    [
        ("by: user", "by: policy", 9, "correlate.by"),
        ("within_minutes: 10", "within_minutes: 1441", 10, "correlate.within_minutes"),
        ("  steps:\n    - [something_happened]\n", "", 8, "correlate"),
        ("    - [something_happened]", "    - []", 12, "correlate.steps.0"),
        ("  steps:", "  denied_calls: 5\n  steps:", 8, "correlate"),
        ("correlate:", "when: {}\ncorrelate:", 8, "when"),
        ("  steps:", "  denied_calls: 1\n  steps:", 11, "correlate.denied_calls"),
        ("within_minutes: 10", "within_minutes: '10'", 10, "correlate.within_minutes"),
        ("within_minutes: 10", "within_minutes: yes", 10, "correlate.within_minutes"),
    ],
)
def test_an_error_in_a_correlation_has_a_line(
    tmp_path: Path, old: str, new: str, line: int, key: str
) -> None:
    """An error in a correlation has file and line."""
    path = story(tmp_path, STORY.replace(old, new))
    assert f"{path}:{line}: {key}: " in refusal(path)


def test_a_step_must_be_a_rule(tmp_path: Path) -> None:
    path = story(tmp_path, STORY.replace("- [something_happened]", "- [nobody, story_happened]"))
    with pytest.raises(ConfigError) as error:
        load_rules(ALL, tmp_path)
    for rule_id in ("nobody", "story_happened"):
        assert f"{path}: correlate.steps: {rule_id}: no such rule" in str(error.value)


def test_an_override_changes_a_correlation_too(tmp_path: Path) -> None:
    story(tmp_path)
    overrides = tmp_path / "overrides"
    overrides.write_text("story_happened: {mode: observe, severity: low}")
    (rule,) = load_rules(ALL, tmp_path, overrides=overrides).correlations
    assert (rule.mode, rule.severity) == (Mode.OBSERVE, Severity.LOW)
