"""Whether the worker role may do what its mode and its rules need, by IAM's own simulator.

It compares the role with `countermand iam-policy`. The policy of a queue or a topic, and limits of
AWS Organizations that only the management account sees, are not part of it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from countermand.actions import ALL as ACTIONS
from countermand.core.errors import Gone
from countermand.deployment.doctor.deployed import Deployed, command, listed
from countermand.deployment.doctor.result import CheckResult, unchecked, verdict, warning
from countermand.deployment.doctor.worker import name_the_role
from countermand.deployment.iam_policy import worker_policy
from countermand.deployment.values import DeploymentValues


def permissions(deployed: Deployed) -> Iterator[CheckResult]:
    """Check each statement of the worker's policy."""
    settings, role = deployed.settings, deployed.worker_role
    if deployed.aws.is_emulated:
        yield unchecked("permissions", "an emulator does not enforce them")
        return
    if role is None:
        yield unchecked("permissions", "the worker role is not known", name_the_role(deployed))
        return
    values = _values(deployed)
    policy = worker_policy(settings.mode, deployed.rules, ACTIONS, values)
    missing: list[str] = []
    for statement in policy["Statement"]:
        if statement["Effect"] == "Allow" and _is_used(deployed, statement["Sid"]):
            missing += _missing(deployed, role, statement)
    missing = sorted(set(missing))
    wrong = f"{role} lacks {listed(missing, 5)}" if missing else None
    detail = f"{role} may do all that mode {settings.mode} needs"
    yield verdict("permissions", detail, wrong, _fix(deployed, role, values))
    yield from _keys(deployed, role)


def _keys(deployed: Deployed, role: str) -> Iterator[CheckResult]:
    """Check the keys that the worker needs to read the queue and to publish to the topic.

    A key policy may also name the role itself, which the simulator does not see: a warning.
    """
    settings, aws = deployed.settings, deployed.aws
    try:
        queue = aws.queue(settings.queue_url).get("KmsMasterKeyId", "")
        topic = aws.topic(settings.topic_arn).get("KmsMasterKeyId", "")
    except Gone:
        return  # rows of their own say so
    for key_id, calls in (
        (queue, ["kms:Decrypt"]),
        (topic, ["kms:Decrypt", "kms:GenerateDataKey"]),
    ):
        if not key_id or "alias/aws/" in key_id:
            continue
        arn = aws.key(key_id)["Arn"]
        if refused := aws.refused(role, calls, arn, {}):
            policy = {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": calls, "Resource": arn}],
            }
            options = {
                "role-name": role.rpartition("/")[2],
                "policy-name": "countermand-key",
                "policy-document": policy,
            }
            text = f"{role} may lack {listed(list(refused))} on {arn}, unless the key names it"
            yield warning("worker key", text, command("iam put-role-policy", options))


def _is_used(deployed: Deployed, sid: str) -> bool:
    if sid == "Ledger":
        return deployed.settings.ledger[0] == "dynamodb"
    return sid != "Log" or deployed.settings.log_group is not None


def _values(deployed: Deployed) -> DeploymentValues:
    settings, place = deployed.settings, f"{deployed.settings.region}:{deployed.account_id}"
    kind, table = settings.ledger
    group = settings.log_group or "none"
    return DeploymentValues(
        partition=deployed.partition,
        account_id=deployed.account_id,
        queue_arn=deployed.queue_arn,
        topic_arn=settings.topic_arn,
        table_arn=f"arn:{deployed.partition}:dynamodb:{place}:table/"
        + (table if kind == "dynamodb" else "none"),
        log_group_arn=f"arn:{deployed.partition}:logs:{place}:log-group:{group}",
        user_scope=settings.user_scope,
        role_scope=settings.role_scope,
        group_scope=settings.group_scope,
        policy_scope=settings.policy_scope,
        resource_scope=settings.resource_scope,
        account_scope=settings.account_scope,
    )


def _missing(deployed: Deployed, role: str, statement: Mapping[str, Any]) -> list[str]:
    """Return the actions of a statement that the role lacks on one of its resources."""
    sent = {
        key: values[0]
        for keys in statement.get("Condition", {}).values()
        for key, values in keys.items()
        if values and values[0]
    }
    return [
        action
        for resource in statement["Resource"]
        for action in deployed.aws.refused(role, statement["Action"], resource, sent)
    ]


def _fix(deployed: Deployed, role: str, values: DeploymentValues) -> str:
    places = " ".join(
        f"--place {name}='{value}'"
        for name in values.__slots__
        if (value := str(getattr(values, name)))
    )
    made = f"countermand iam-policy --mode {deployed.settings.mode} {places} > worker.json"
    options = {
        "role-name": role.rpartition("/")[2],
        "policy-name": "countermand-worker",
        "policy-document": "file://worker.json",
    }
    return f"{made} && {command('iam put-role-policy', options)}"
