"""The runbooks of all rules: numbered steps, searches with a window, commands that exist."""

import re
from collections.abc import Iterable, Mapping
from functools import cache

import pytest
from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import ServiceModel

from countermand.actions import ALL
from countermand.core.rules.rule import Correlation, Rule
from countermand.core.runbook import steps_of
from countermand.rules.rulebook import BUILT_IN, load_rules

EMAIL_CHARACTERS = 1024
RULES = load_rules(ALL, BUILT_IN).every
EVERY_RULE = pytest.mark.parametrize("rule", RULES, ids=[rule.id for rule in RULES])
WINDOW = re.compile(r"\b(minutes|hours|days|now)\b|in that period")


def options(members: Iterable[str]) -> set[str]:
    return {xform_name(member, "-") for member in members}


@cache
def parameters(service: str) -> Mapping[str, tuple[set[str], set[str]]]:
    """The parameters of each CLI command of a service, and which of them it requires."""
    model = ServiceModel(Loader().load_service_model(service, "service-2"))
    found = {}
    for name in model.operation_names:
        shape = model.operation_model(name).input_shape
        accepted, required = (shape.members, shape.required_members) if shape else ((), ())
        found[xform_name(name, "-")] = (options(accepted), options(required))
    return found


@EVERY_RULE
def test_a_runbook_has_two_to_four_steps(rule: Rule | Correlation) -> None:
    """The steps are numbered from 1, and all of them fit into an email."""
    numbers = [step.partition(". ")[0] for step in steps_of(rule.runbook)]
    assert numbers == [str(number) for number in range(1, len(numbers) + 1)]
    assert len(numbers) in {2, 3, 4}
    assert len(rule.runbook) <= EMAIL_CHARACTERS
    assert "://" not in rule.runbook, "an email defuses URLs"


@EVERY_RULE
def test_each_cloudtrail_search_has_a_window(rule: Rule | Correlation) -> None:
    """A responder reads for each search of CloudTrail which hours or days it covers."""
    searches = re.findall(r"[Ss]earch (?:the )?CloudTrail.*?\.(?= |$)", rule.runbook)
    assert [search for search in searches if not WINDOW.search(search)] == []


@EVERY_RULE
def test_the_aws_cli_accepts_each_command(rule: Rule | Correlation) -> None:
    """Each `aws` command exists, knows its options, and has those that it requires."""
    for command in re.findall(r"`aws ([^`]*)`", rule.runbook):
        service, operation, *_ = command.split()
        accepted, required = parameters(service)[operation]
        given = set(re.findall(r"(?<= --)[a-z0-9-]+", command))
        assert given <= accepted, command
        assert given >= required, command
