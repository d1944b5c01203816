"""The least-privilege policies of the worker role, from the enabled rules.

Adapters and actions name the calls that they make; this puts them into policy statements. The
worker may write to IAM only in enforce mode, only what the actions of the enabled rules call, and
only within the scope. A condition limits a call that could grant to values that deny. Where IAM has
no such condition (iam:PutUserPolicy, iam:UpdateLoginProfile), the Sid begins with `CanGrant` and
the scope is the limit. A rule that is switched off needs no permission.

`user/iam-test-*` in a policy also means the user `evil` at path `/iam-test-/`, because `*` crosses
a slash there. Hence the explicit Deny on everything below a path.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
"""

from collections.abc import Mapping
from typing import Any

from countermand.aws import cloudwatch, iam, sns, sqs
from countermand.core.model import Mode, SubjectKind
from countermand.core.rules.rule import RuleSet
from countermand.deployment.calls import PLURAL, Statement, allow, calls_about, planned
from countermand.deployment.statements import enforce_statements
from countermand.deployment.values import DeploymentValues
from countermand.ledger import dynamodb_table
from countermand.live import policies
from countermand.live.values import other_reads, principal_reads
from countermand.ports import Action

type PolicyJson = dict[str, Any]


def worker_policy(
    mode: Mode, rules: RuleSet, actions: Mapping[str, Action], values: DeploymentValues
) -> PolicyJson:
    """Return what the worker role must be allowed: the reads, and in enforce mode the writes."""
    statements = [
        allow("Queue", sqs.PERMISSIONS, values.queue_arn),
        allow("Alerts", sns.PERMISSIONS, values.topic_arn),
        allow(
            "Ledger", dynamodb_table.PERMISSIONS, values.table_arn, f"{values.table_arn}/index/*"
        ),
        allow("Log", cloudwatch.PERMISSIONS, f"{values.log_group_arn}:*"),
        *_reads(rules, actions, values),
    ]
    if mode is Mode.ENFORCE:
        statements += enforce_statements(rules, actions, values)
    return {"Version": "2012-10-17", "Statement": statements}


def enforce_policy(
    rules: RuleSet, actions: Mapping[str, Action], values: DeploymentValues
) -> PolicyJson:
    """Return only the writes, which enforce mode adds to the policy of dry run."""
    return {"Version": "2012-10-17", "Statement": enforce_statements(rules, actions, values)}


def _reads(
    rules: RuleSet, actions: Mapping[str, Action], values: DeploymentValues
) -> list[Statement]:
    statements = []
    for kind, identity_reads in iam.PERMISSIONS.items():
        about = [rule for rule in rules.rules if rule.subject_kind is kind]
        needed = set(identity_reads if about else ())
        needed |= calls_about(rules, actions, kind, writing=False)
        needed |= principal_reads(kind, rules.restored)
        needed -= set(policies.PERMISSIONS)
        if needed:
            resource = values.principals(kind, "*")
            statements.append(allow(f"Look{PLURAL[kind]}", sorted(needed), resource))
    others = {
        permission
        for kind in SubjectKind
        for action in planned(rules, actions, kind)
        for permission in action.info.reads
        if not kind.is_principal or permission in policies.PERMISSIONS
    }
    others |= other_reads(rules.restored)
    if any(rule.resolve is not None for rule in rules.rules):
        others |= set(policies.PERMISSIONS)
    return [*statements, *([allow("Look", sorted(others), "*")] if others else [])]
