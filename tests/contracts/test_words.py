"""The word linter: what counts as prose, what is found in it, and how the ratchet turns."""

from pathlib import Path

import pytest
import words

from support.tools import ROOT

TABLE = r"""
terms:
  - banned: '\b(told|tells?)\b'
    use: notify
    allow: '\btells? .{0,20} apart\b'
  - banned: '\btaken?\b[^.]{0,20}? back\b'
    use: revert
  - banned: '\b(he|his)\b'
    use: they
    rule: 8
    files: ['service/*']
skip: [docs/generated.md]
"""
WORDS = words.Words.read(TABLE)


def found(path: str, text: str) -> list[tuple[int, str]]:
    return [(hit.line, " ".join(hit.text.split())) for hit in WORDS.hits(path, text)]


def test_a_banned_term_is_found_with_its_line() -> None:
    assert found("README.md", "One\n\nThe team is told.\n") == [(3, "told")]


def test_a_phrase_is_found_across_a_line_break() -> None:
    assert found("README.md", "It is taken\nback.\n") == [(1, "taken back")]


def test_an_allowed_context_is_no_hit() -> None:
    assert found("README.md", "A rule tells the two apart.\n") == []


def test_a_term_of_some_files_is_not_searched_in_others() -> None:
    assert found("README.md", "his\n") == []
    assert found("service/rule.yaml", "his\n") == [(1, "his")]


@pytest.mark.parametrize(
    "code",
    [
        "`told` is a field\n",
        "```\ntold\n```\n",
        "Run:\n\n    grep told\n\nThen\n",
        "[a link](docs/told.md)\n",
        "<https://example.com/told>\n",
    ],
)
def test_code_in_markdown_is_not_prose(code: str) -> None:
    assert found("README.md", code) == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('"""He is told."""\n', [(1, "He"), (1, "told")]),
        ("told = tell()  # is told\n", [(1, "told")]),
        ('raise Error(f"{name} was told")\n', [(1, "told")]),
        ('x = ("it is taken "\n     "back now")\n', [(1, "taken back")]),
        ('record["told"]\n', []),
        ("told(his)\n", []),
        ('"""The field `told`."""\n', []),
    ],
)
def test_comments_and_texts_of_python_are_prose(line: str, expected: list[tuple[int, str]]) -> None:
    assert found("service/module.py", line) == expected


def test_names_of_tests_are_prose() -> None:
    code = "def test_the_team_is_told() -> None: ...\n"
    assert found("tests/unit/test_module.py", code) == [(1, "told")]
    assert found("service/module.py", code) == []


def test_names_of_cases_are_prose_and_their_records_are_not() -> None:
    case = "# He is told.\n- name: Someone is told\n  record: {eventName: the user is told}\n"
    assert found("tests/rules/cases/some.yaml", case) == [(1, "told"), (2, "told")]


def test_comments_and_texts_of_terraform_are_prose() -> None:
    code = '# is told\nname = told.his\ndescription = "Who is told."\nkey = "told"\n'
    assert found("terraform/main.tf", code) == [(1, "told"), (3, "told")]


def test_generated_files_are_skipped() -> None:
    assert not WORDS.searched("docs/generated.md")
    assert WORDS.searched("docs/written.md")


HITS = {"a.md": WORDS.hits("a.md", "told told\n"), "b.md": []}


def test_as_many_hits_as_allowed_pass() -> None:
    assert words.complaints(HITS, {"a.md": 2}) == []


def test_a_new_hit_fails_and_says_what_to_write() -> None:
    *hits, total = words.complaints(HITS, {"a.md": 1})
    assert hits == ["a.md:1: 'told': write notify (rule 3)"] * 2
    assert total == "a.md: 2 hits, 1 are allowed"


def test_a_cleaned_file_fails_until_its_number_is_lowered() -> None:
    (complaint,) = words.complaints(HITS, {"a.md": 2, "b.md": 1})
    assert complaint == "b.md: only 0 of 1 hits left: run `make words-update`"


def test_the_ratchet_never_rises() -> None:
    assert words.lowered(HITS, {"a.md": 1, "b.md": 3, "gone.md": 1}) == {"a.md": 1}


def test_a_renamed_file_takes_its_number_along() -> None:
    assert words.lowered(HITS, {"old.md": 1}) == {"a.md": 1}
    assert words.lowered(HITS, {"b.md": 2}) == {}


def test_every_row_of_the_term_table_names_a_rule_of_the_guide() -> None:
    table = words.Words.read((ROOT / ".words.yaml").read_text())
    guide = (ROOT / "docs/style-guide.md").read_text()
    assert all(f"\n{term.rule}. **" in guide for term in table.terms)


def test_every_file_with_hits_left_exists() -> None:
    left = words.left()
    assert [path for path in left if not Path(ROOT / path).is_file()] == []
