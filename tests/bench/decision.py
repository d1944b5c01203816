"""What one decision costs, body to decision without I/O, on one core.

Run by `make bench`, with `EVENTS=FILE` also over the labeled events of a file, as `countermand
replay --report` takes them. The machine is noisy: every figure is the best of many rounds,
everything is measured in one run, and the ratios are what counts. moto's and LocalStack's own
matchers do only the pattern match, on the same event and pattern, already parsed.
"""

import json
import subprocess
import sys
import timeit
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from countermand.actions import ALL
from countermand.core.decide import decide
from countermand.core.envelope import ADMIN_POLICY, attach_event, envelope
from countermand.core.errors import Malformed
from countermand.core.governance.guardrails import Guardrails
from countermand.core.governance.guards import evaluate, screen
from countermand.core.model import Decision, Facts, Principal, SubjectKind
from countermand.core.parse import parse
from countermand.core.rules.detect import detect
from countermand.core.rules.rule import RuleSet, compile_rule
from countermand.core.rules.schema import RuleFile
from countermand.lab.localstack import default_home
from countermand.rules.rulebook import BUILT_IN, load_rules

ACCOUNT = "111122223333"
POLICY = Guardrails(ACCOUNT, "us-east-1")
NOW = datetime.now(UTC)
FACTS = Facts(
    now=NOW,
    principal=Principal(
        kind=SubjectKind.USER,
        name="iam-test-user",
        arn=f"arn:aws:iam::{ACCOUNT}:user/iam-test-user",
        unique_id="AIDAEXAMPLE",
        path="/",
        created=NOW.replace(year=NOW.year - 1),
        tags={},
    ),
    grant_present=True,
    params={"user_name": "iam-test-user", "policy_arn": ADMIN_POLICY},
)


def decision(body: str, rules: RuleSet) -> Decision | None:
    """The whole pure path, as the pipeline walks it."""
    event = parse(body)
    findings = detect(event, rules)
    if not findings:
        return None
    rulings = [screen(event, f, POLICY) or evaluate(event, f, POLICY, FACTS) for f in findings]
    return decide(event, rulings)


def more_rules(number: int) -> RuleSet:
    """The built-in rules and others beside them, up to so many."""
    built_in = load_rules(ALL, BUILT_IN).rules
    template = built_in[0].file.model_dump(mode="json")
    others = []
    for index in range(number - len(built_in)):
        when = json.loads(json.dumps(template["when"]))
        when["detail"]["eventName"] = [f"SomeOtherCall{index}"]
        changed = {"id": f"rule_{index}", "when": when}
        others.append(compile_rule(RuleFile.model_validate(template | changed)))
    return RuleSet([*built_in, *others])


def root_rule_ratio(body: str, rules: RuleSet) -> float:
    """What a rule about any call of root costs the calls of others; in turns, for the noise."""
    without = RuleSet(rule for rule in rules.rules if rule.id != "root_acted")
    assert len(without) < len(rules.rules)
    costs: dict[RuleSet, float] = {}
    for _ in range(5):
        for each in (rules, without):
            cost = microseconds(partial(decision, body, each), rounds=10)
            costs[each] = min(cost, costs.get(each, cost))
    return costs[rules] / costs[without]


def microseconds(function: Callable[[], object], rounds: int = 40, calls: int = 500) -> float:
    """Best round, per call."""
    return min(timeit.repeat(function, number=calls, repeat=rounds)) / calls * 1e6


def stream(file: Path, rules: RuleSet) -> str:
    """The mean over published events, of which nearly all are of no interest."""
    bodies = []
    with file.open("rb") as lines:
        for line in lines:
            body = envelope(json.loads(line)["event"]) | {"account": ACCOUNT}
            bodies.append(json.dumps(body, separators=(",", ":"), ensure_ascii=False))
    decided = [body for body in bodies if is_event(body, rules)]
    fired = sum(decision(body, rules) is not None for body in decided)

    def all_of_them() -> None:
        for body in decided:
            decision(body, rules)

    mean = min(timeit.repeat(all_of_them, number=1, repeat=40)) / len(decided) * 1e6
    size = sum(map(len, decided)) // len(decided)
    return f"{len(decided)} events of {size} characters on average, {fired} fire: {mean:5.2f} each"


def is_event(body: str, rules: RuleSet) -> bool:
    try:
        decision(body, rules)
    except Malformed:
        return False
    return True


def other_matchers(event: dict[str, object], pattern: dict[str, object]) -> dict[str, float]:
    """The same match by the emulators' own code, in their own environments."""
    given = json.dumps([event, pattern])
    programs = {
        "moto": (sys.executable, "_MOTO"),
        "LocalStack": (str(default_home() / "venv/bin/python"), "_LOCALSTACK"),
    }
    figures = {}
    for name, (python, program) in programs.items():
        if not Path(python).exists():
            print(f"  {name}: not installed here")
            continue
        answer = subprocess.run(
            [python, "-c", globals()[program]],
            input=given,
            capture_output=True,
            text=True,
            check=True,
        )
        figures[name] = float(answer.stdout.split()[-1])
    return figures


_TIMING = """
import json, sys, timeit
event, pattern = json.load(sys.stdin)
{setup}
assert {call}
print(min(timeit.repeat(lambda: {call}, number=200, repeat=20)) / 200 * 1e6)
"""
_MOTO = _TIMING.format(
    setup="from moto.events.models import EventPattern\n"
    "compiled = EventPattern.load(json.dumps(pattern))",
    call="compiled.matches_event(event)",
)
_LOCALSTACK = _TIMING.format(
    setup="from localstack.services.events.event_rule_engine import EventRuleEngine, "
    "EventPatternCompiler\nengine = EventRuleEngine()\n"
    "compiled = EventPatternCompiler().compile_event_pattern(json.dumps(pattern))",
    call="engine.evaluate_pattern_on_event(compiled, json.dumps(event))",
)


def main() -> None:
    record = attach_event(ACCOUNT, "iam-test-user")
    fires = json.dumps(envelope(record), separators=(",", ":"))
    ignored = fires.replace("AttachUserPolicy", "ListUsers")
    spaced = json.dumps(envelope(record))
    built_in, many = more_rules(0), more_rules(300)
    assert decision(fires, built_in) is not None

    print(f"body: {len(fires)} bytes; us per event, best of 40 rounds of 500")
    costs = []
    for rules in (built_in, many):
        costs.append(microseconds(partial(decision, fires, rules)))
        passed = microseconds(partial(decision, ignored, rules))
        print(f"  {len(rules)} rules: body to decision {costs[-1]:5.2f}, ignored {passed:5.2f}")
    print(f"  300 rules / the built-in ones: {costs[1] / costs[0]:.2f}")
    for name, body in {"fires": fires, "ignored": ignored}.items():
        print(f"  with / without root_acted, {name}: {root_rule_ratio(body, built_in):.2f}")
    print(f"  parse alone: {microseconds(lambda: parse(fires)):5.2f}, ", end="")
    print(f"with spaces in the JSON: {microseconds(lambda: parse(spaced)):5.2f}")

    if len(sys.argv) > 1:
        print(f"  {stream(Path(sys.argv[1]), built_in)}")

    rule = built_in.candidates(parse(fires))[0]
    event = json.loads(fires)
    ours = microseconds(lambda: rule.matches(event))
    print(f"the match alone: ours {ours:5.2f}")
    for name, figure in other_matchers(event, rule.file.when).items():
        print(f"  {name}: {figure:5.2f} ({figure / ours:.0f} times ours)")


if __name__ == "__main__":
    main()
