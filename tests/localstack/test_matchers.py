"""Our matcher beside LocalStack's and moto's, on the same patterns and events.

Each disagreement is listed here with what AWS documents. The pages are
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html,
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns-arrays.html and the
README and code of https://github.com/aws/event-ruler, which EventBridge runs.
"""

import json
import random
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

import pytest

from countermand.core.rules.pattern import compile_pattern
from countermand.lab.localstack import default_home
from support.patterns import CASES

MATCHERS = {
    "LocalStack": (
        str(default_home() / "venv" / "bin" / "python"),
        """
from localstack.services.events.event_rule_engine import EventPatternCompiler, EventRuleEngine
def match(pattern, event):
    compiled = EventPatternCompiler().compile_event_pattern(json.dumps(pattern))
    return EventRuleEngine().evaluate_pattern_on_event(compiled, json.dumps(event))
""",
    ),
    "moto": (
        sys.executable,
        """
from moto.events.models import EventPattern
def match(pattern, event):
    return EventPattern.load(json.dumps(pattern)).matches_event(event)
""",
    ),
}
_LOOP = """
for line in sys.stdin:
    try:
        print(json.dumps(bool(match(*json.loads(line)))))
    except Exception as error:
        print(json.dumps(type(error).__name__))
"""

JSON_TYPES = "values are compared as JSON writes them: true is not 1, 300 is not 300.0"
NUMBERS = "numeric is about JSON numbers from -5e9 to 5e9; others, and true, do not match"
WILDCARD = "a wildcard stands for zero or more characters; a backslash takes its meaning away"
ELEMENT = "what a pattern says about the objects in a list must hold for one of them"
LEAVES = "exists is about leaves, and an empty list has none"
LISTS = "the elements of a list, of whatever depth, are the values of its field"
ADDRESS = "cidr is about addresses, which are texts: of four numbers or of digits and colons"
HOST = "of the address in a cidr only the leading bits count"
DECIMALS = (
    "numeric is exact to six decimals; a number with more does not match (ComparableNumber.java)"
)
LETTERS = "case is ignored for each character by itself (EqualsIgnoreCaseParser.java)"
DISAGREEMENTS = {
    "LocalStack": {
        "true is not 1": JSON_TYPES,
        "false is not 0": JSON_TYPES,
        "300 is not 300.0": JSON_TYPES,
        "anything but 1, of true": JSON_TYPES,
        "true is no number": NUMBERS,
        "a number beyond all": NUMBERS,
        "a number of 400 digits": NUMBERS,
        "a wildcard for nothing": WILDCARD,
        "only a wildcard": WILDCARD,
        "a star that is meant": WILDCARD,
        "a backslash that is meant": WILDCARD,
        "a star and one that is meant": WILDCARD,
        "one and the same object of a list": ELEMENT,
        "the object has it": ELEMENT,
        "one object for what $or says too": ELEMENT,
        "a number in place of an address": ADDRESS,
        "an address with a zone": ADDRESS,
        "an address in both notations": ADDRESS,
        "a host with its network": HOST,
        "a number with seven decimals": DECIMALS,
        "a sigma at the end": LETTERS,
        "a sigma no longer at the end": LETTERS,
        "a sigma alone": LETTERS,
    },
    "moto": {
        "true is not 1": JSON_TYPES,
        "false is not 0": JSON_TYPES,
        "300 is not 300.0": JSON_TYPES,
        "anything but 1, of true": JSON_TYPES,
        "true is no number": NUMBERS,
        "a number beyond all": NUMBERS,
        "a number of 400 digits": NUMBERS,
        "an empty list has no value": LEAVES,
        "an empty list is nothing": LEAVES,
        "one object lacks it": LISTS,
        "one object of a list": LISTS,
        "a list in a list": LISTS,
        "objects in a list in a list": LISTS,
        "one object with what $or says too": LISTS,
        "a number in place of an address": ADDRESS,
        "an address with a zone": ADDRESS,
        "an address in both notations": ADDRESS,
        "a host with its network": HOST,
        "a number with seven decimals": DECIMALS,
        "a sigma at the end": LETTERS,
        "a sigma no longer at the end": LETTERS,
        "a sigma alone": LETTERS,
    },
}


def theirs(matcher: str, pairs: Iterable[tuple[Any, Any]]) -> list[bool | str]:
    """What another matcher says, or the name of its error."""
    python, program = MATCHERS[matcher]
    done = subprocess.run(
        [python, "-c", f"import json, sys{program}{_LOOP}"],
        input="".join(json.dumps(pair) + "\n" for pair in pairs),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.usefixtures("localstack")
@pytest.mark.parametrize("matcher", MATCHERS)
def test_other_matchers_agree(matcher: str) -> None:
    """Each disagreement names the AWS page that decides it."""
    answers = theirs(matcher, [(pattern, event) for _, pattern, event, _ in CASES])
    differ = {
        name
        for (name, _, _, expected), answer in zip(CASES, answers, strict=True)
        if answer != expected
    }
    assert differ == DISAGREEMENTS[matcher].keys()


class Dice:
    """Random patterns and events of the part of the language that all three get right."""

    def __init__(self, seed: int) -> None:
        self.roll = random.Random(seed)  # noqa: S311

    def text(self) -> str:
        return self.roll.choice(("", "a", "A", "ab", "abc", "Bc", "c"))

    def value(self) -> Any:
        several = [self.text(), self.text()]
        return self.roll.choice([self.text(), self.text(), self.roll.randint(2, 5), None, several])

    def condition(self) -> Any:
        return self.roll.choice(
            [
                self.text(),
                self.roll.randint(2, 5),
                None,
                {"prefix": self.text()},
                {"suffix": self.text()},
                {"equals-ignore-case": self.text()},
                {"anything-but": self.text()},
                {"anything-but": [self.text(), self.text()]},
                {"anything-but": {"prefix": self.text() or "a"}},
                {"exists": self.roll.random() < 0.5},
                {"numeric": [">", 2, "<=", 4]},
            ]
        )

    def pattern(self) -> dict[str, Any]:
        return {
            key: [self.condition() for _ in range(self.roll.randint(1, 2))]
            for key in self.roll.sample("abc", self.roll.randint(1, 2))
        }

    def event(self) -> dict[str, Any]:
        return {key: self.value() for key in self.roll.sample("abc", self.roll.randint(1, 3))}

    def pair(self) -> tuple[dict[str, Any], dict[str, Any]]:
        shape = self.roll.random()
        if shape < 0.4:
            return self.pattern(), self.event()
        if shape < 0.7:
            return {"x": self.pattern()}, {"x": self.event()}
        return {"$or": [self.pattern(), {"x": self.pattern()}]}, {**self.event(), "x": self.event()}


@pytest.mark.usefixtures("localstack")
@pytest.mark.parametrize("matcher", MATCHERS)
def test_other_matchers_agree_on_random_patterns(matcher: str) -> None:
    dice = Dice(seed=20_26)
    pairs = [dice.pair() for _ in range(2000)]
    ours = [compile_pattern(pattern)(event) for pattern, event in pairs]
    assert 200 < sum(ours) < 1800
    answers = theirs(matcher, pairs)
    differ = [
        (pair, our, their)
        for pair, our, their in zip(pairs, ours, answers, strict=True)
        if our != their
    ]
    assert differ == []
