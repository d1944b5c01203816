"""Whether AWS lets EventBridge, or a topic between, write to a queue or a topic.

The policy of the queue decides, and that of its key if it is encrypted with one.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from os.path import commonprefix
from typing import Any

from countermand.core.policies.document import UnreadableError, read_policy
from countermand.core.policies.services import (
    Access,
    ServiceAccess,
    ServiceCall,
    access_of,
    denial_of,
)
from countermand.deployment.doctor.deployed import Deployed, command
from countermand.deployment.doctor.result import CheckResult, Status, verdict, warning

_KEY_CALLS = ("kms:GenerateDataKey", "kms:Decrypt")
_MANY = 4
_MANAGED_BY_AWS = "AWS"
_ENABLED = "Enabled"


def refusal(
    document: object, service: str, action: str, resource: str, sources: Sequence[str]
) -> tuple[Access, str]:
    """Return the worst answer of a resource policy for calls in the name of these sources."""
    worst = (Access.ALLOWED, "")
    for source in sources:
        found = access_of(document, ServiceCall(service, action, resource, sent_for(source)))
        if found.access is Access.REFUSED:
            return found.access, f"{found.why} ({source})"
        if found.access is Access.UNSURE:
            worst = (found.access, f"{found.why} ({source})")
    return worst


def sent_for(source: str) -> Mapping[str, str]:
    """Return the condition keys that AWS sends with a call in the name of an ARN."""
    return {
        "aws:sourcearn": source,
        "aws:sourceaccount": source.split(":")[4],
        "aws:securetransport": "true",
        "aws:principalisawsservice": "true",
    }


def policy_row(what: str, answer: tuple[Access, str], well: str, fix: str) -> CheckResult:
    """Return the row of a policy: refused fails, and what only AWS can know is a warning."""
    access, why = answer
    if access is Access.UNSURE:
        return warning(what, f"{why}: make sure that it is met", fix)
    return verdict(what, well, why if access is Access.REFUSED else None, fix)


def denied_role(
    document: object, role_arn: str, actions: Sequence[str], resource: str
) -> ServiceAccess | None:
    """Return how a resource policy denies a role one of these calls, the worst of them."""
    found = [denial_of(document, role_arn, action, resource) for action in actions]
    denials = sorted((d for d in found if d is not None), key=lambda d: d.access)
    return denials[0] if denials else None  # "refused" is before "unsure"


def sparing(document: object, role_arn: str) -> Mapping[str, Any]:
    """Return a policy whose Denies of all but some principals spare this role too."""
    statements = []
    for statement in read_policy(document).statements:
        condition = {
            operator: {
                key: [*_listed(values), role_arn]
                if "Not" in operator and key.lower() == "aws:principalarn"
                else values
                for key, values in keys.items()
            }
            for operator, keys in statement.get("Condition", {}).items()
        }
        spared = {"Condition": condition} if condition and statement["Effect"] == "Deny" else {}
        statements.append({**statement, **spared})
    return {"Version": "2012-10-17", "Statement": statements}


def _listed(one_or_many: Any) -> list[Any]:  # noqa: ANN401  a policy's own choice
    return one_or_many if isinstance(one_or_many, list) else [one_or_many]


def with_statement(document: object, statement: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a policy with one more statement; one that cannot be read is replaced."""
    try:
        kept = list(read_policy(document).statements)
    except UnreadableError:
        kept = []
    kept = [each for each in kept if each.get("Sid") != statement["Sid"]]
    return {"Version": "2012-10-17", "Statement": [*kept, statement]}


def send_statement(
    service: str, action: str, resource: str, sources: Sequence[str]
) -> Mapping[str, Any]:
    """Return the statement that lets a service make a call in the name of these sources only."""
    return {
        "Sid": "CountermandEvents",
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": action,
        "Resource": resource,
        "Condition": {"ArnLike": {"aws:SourceArn": _as_few(sources)}},
    }


def _as_few(sources: Sequence[str]) -> list[str]:
    """Return the ARNs, or for many rules of one prefix the glob that names them all."""
    shared = commonprefix(list(sources))  # noqa: RUF071  letters, cut at the last hyphen
    prefix, hyphen, _ = shared.rpartition("-")
    if len(sources) < _MANY or not prefix.partition(":rule/")[2]:
        return list(sources)
    return [f"{prefix}{hyphen}*"]


def encryption(
    deployed: Deployed, what: str, key_id: str | None, plain: str, turn_off: str
) -> Iterator[CheckResult]:
    """Check that EventBridge may use the key of a queue or topic.

    AWS's own keys, such as `alias/aws/sqs`, have a policy that nobody can change, and it has no
    place for EventBridge.
    """
    if not key_id:
        yield CheckResult(what, Status.OK, plain)
        return
    if "alias/aws/" in key_id:
        yield _unusable(what, key_id, turn_off)
        return
    region = deployed.settings.region
    key = deployed.aws.key(key_id)
    if key["KeyManager"] == _MANAGED_BY_AWS:
        yield _unusable(what, key_id, turn_off)
    elif key["KeyState"] != _ENABLED:
        wake = "cancel-key-deletion" if key["KeyState"] == "PendingDeletion" else "enable-key"
        fix = command(f"kms {wake}", {"key-id": key["Arn"]}, region)
        yield CheckResult(what, Status.FAILS, f"key {key_id} is {key['KeyState']}", fix)
    else:
        yield _key_policy(deployed, what, key)


def _unusable(what: str, key_id: str, turn_off: str) -> CheckResult:
    detail = f"encrypted with {key_id}, which EventBridge may not use: no event can arrive"
    return CheckResult(what, Status.FAILS, detail, turn_off)


def _key_policy(deployed: Deployed, what: str, key: Mapping[str, str]) -> CheckResult:
    statement = {
        "Sid": "CountermandEvents",
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": list(_KEY_CALLS),
        "Resource": "*",
    }
    policy = json.dumps(with_statement(key["Policy"], statement), separators=(",", ":"))
    options = {"key-id": key["Arn"], "policy-name": "default", "policy": policy}
    fix = command("kms put-key-policy", options, deployed.settings.region)
    source = deployed.rule_arn(next(iter(deployed.routes), "none"), deployed.settings.region)
    unsure = ""
    for action in _KEY_CALLS:
        sent = ServiceCall("events", action, key["Arn"], sent_for(source))
        found = access_of(key["Policy"], sent)
        if found.access is Access.REFUSED:
            return CheckResult(what, Status.FAILS, f"key {key['Arn']}: {found.why}", fix)
        # Not every service sends the rule and the account to KMS: a condition on them is a risk.
        certain = access_of(key["Policy"], ServiceCall("events", action, key["Arn"]))
        unsure = unsure if certain.access is Access.ALLOWED else certain.why
    if unsure:
        detail = f"key {key['Arn']}: {unsure}, which EventBridge may not meet"
        return warning(what, detail, fix)
    return CheckResult(what, Status.OK, f"key {key['Arn']}")
