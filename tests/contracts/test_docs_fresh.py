from pathlib import Path

import pytest

from countermand.cli.docs import PAGES

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", PAGES)
def test_a_generated_page_is_what_the_code_says_now(page: str) -> None:
    assert (DOCS / page).read_text() == PAGES[page](), "stale: run 'make docs'"
