"""What the evaluation of one policy of 6 KB costs, from text to answer, on one core.

Run by `make bench`. Nothing is cached between calls. The machine is noisy: every figure is the best
of many rounds, and the ratio to parsing the same text as JSON is what counts.
"""

import json
import timeit
from collections.abc import Callable
from functools import partial

from moto.iam.aws_managed_policies import aws_managed_policies_data

from countermand.core.policies.evaluate import Holder, evaluate_policies

LONGEST = 6144
"""Characters of a managed policy, without white space.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""
HOLDER = Holder("111122223333", "arn:aws:iam::111122223333:user/bob")

type Statement = dict[str, object]


def filled(*pattern: Statement) -> str:
    """As many statements of a pattern as fit; `#` becomes another number in each."""
    template = json.dumps(pattern)
    statements: list[Statement] = []
    while True:
        more = [*statements, *json.loads(template.replace("#", str(len(statements))))]
        if len(policy(more)) > LONGEST:
            return policy(statements)
        statements = more


def as_text(document: object) -> str:
    return json.dumps(document, separators=(",", ":"))


def policy(statements: list[Statement]) -> str:
    return as_text({"Version": "2012-10-17", "Statement": statements})


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


def costs(text: str) -> tuple[float, float]:
    """Of the evaluation and of parsing alone."""
    judging = microseconds(partial(evaluate_policies, {"": text}, HOLDER))
    return judging, microseconds(partial(json.loads, text))


def main() -> None:
    managed = [
        as_text(found["Document"]) for found in json.loads(aws_managed_policies_data).values()
    ]
    near = [text for text in managed if LONGEST * 0.9 <= len(text) <= LONGEST]
    each = sorted(costs(text) for text in near)
    print("us per evaluation, text to answer, best round; in brackets: times json.loads")
    for name, (judging, parsing) in (("median", each[len(each) // 2]), ("worst", each[-1])):
        print(f"  {name} of {len(each)} AWS-managed policies of 6 KB: {judging:5.1f} ", end="")
        print(f"({judging / parsing:.1f})")
    print("policies of 6 KB made of one thing:")
    for name, text in SHAPES.items():
        judging, parsing = costs(text)
        claim = evaluate_policies({"": text}, HOLDER).privilege
        print(f"  {name:<26} {judging:6.1f} ({judging / parsing:4.1f}), {claim}")


if __name__ == "__main__":
    main()
