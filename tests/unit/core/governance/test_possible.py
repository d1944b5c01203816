"""The decisions that the metrics foresee are those of the guards' own table."""

import re

from countermand.core.governance import guards
from countermand.core.governance.possible import VERDICTS
from countermand.core.model import Guard


def test_each_guard_has_the_verdict_of_the_table() -> None:
    """The table at the top of guards.py, which people read, says the same."""
    row = re.compile(r"^    (\w+) .*? (skip|alert_only|wait|remediate) ", re.MULTILINE)
    found = dict(row.findall(str(guards.__doc__).replace("(none)  ", "approved")))
    assert found | {"own_change": "skip"} == VERDICTS
    assert set(Guard) == set(VERDICTS)
