"""What the judgement of one policy of 6 KB costs, from text to answer, on one core.

Run by `make bench`. Nothing is cached between calls. The machine is noisy: every figure is the best
of many rounds, and the ratio to parsing the same text as JSON is what counts.
"""

import json
import timeit
from collections.abc import Callable
from functools import partial

from countermand.core.policydoc import Holder, judge_policies

LONGEST = 6144
"""Characters of a managed policy, without white space.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""
HOLDER = Holder("111122223333", "arn:aws:iam::111122223333:user/bob")

type Statement = dict[str, object]


def filled(*pattern: Statement) -> str:
    """As many statements of a pattern as fit; `#` becomes another number in each."""
    text = json.dumps(pattern)
    statements: list[Statement] = []
    while (
        len(as_text(more := [*statements, *json.loads(text.replace("#", str(len(statements))))]))
        <= LONGEST
    ):
        statements = more
    return as_text(statements)


def as_text(statements: list[Statement]) -> str:
    document = {"Version": "2012-10-17", "Statement": statements}
    return json.dumps(document, separators=(",", ":"))


def allow(*actions: str, resources: tuple[str, ...] = ("*",), **others: object) -> Statement:
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)} | others


READS = tuple(
    f"{service}:Describe{noun}" for service in ("ec2", "rds") for noun in ("A#", "B#", "C#")
)
WRITES = ("iam:GetRole", "lambda:CreateFunction", "lambda:UpdateFunctionCode", "ec2:RunInstances")
ARNS = (
    "arn:aws:lambda:*:*:function:app-#-*",
    "arn:aws:ec2:*:*:instance/i-#*",
    "arn:aws:iam::*:role/a#*",
)
CONDITION = {"StringEquals": {"aws:ResourceTag/team": "blue"}}

SHAPES = {
    "names of actions": filled(allow(*READS, *WRITES)),
    "actions with wildcards": filled(
        allow("ec2:Get#*", "s3:*Object#", "lambda:List*#", "iam:*Tags#")
    ),
    "resources and conditions": filled(allow(*WRITES, resources=ARNS, Condition=CONDITION)),
    "many short statements": filled(allow("s3:*#"), {**allow("iam:*#"), "Effect": "Deny"}),
    "an escalation at the end": filled(allow(*READS))[:-2]
    + ","
    + json.dumps(allow("iam:*"))
    + "]}",
}


def microseconds(function: Callable[[], object], rounds: int = 40, calls: int = 50) -> float:
    """Best round, per call."""
    return min(timeit.repeat(function, number=calls, repeat=rounds)) / calls * 1e6


def main() -> None:
    print("us per judgement of a policy of 6 KB, best of 40 rounds of 50")
    for name, text in SHAPES.items():
        cost = microseconds(partial(judge_policies, {"": text}, HOLDER))
        parsing = microseconds(partial(json.loads, text))
        claim = judge_policies({"": text}, HOLDER).claim
        print(f"  {name:<26} {cost:6.1f} ({cost / parsing:.1f} times json.loads), {claim}")


if __name__ == "__main__":
    main()
