"""Builders of the values that most tests begin with: an attack on `iam-test-user` and its finding.

A test names only the fields that it is about: `an_event(region="eu-west-1")`.
"""

from datetime import timedelta
from typing import Any

from countermand.core.model import Actor, Event, Finding, Severity, Subject, SubjectKind
from support.fakes import ACCOUNT, ADMIN, NOW

MALLORY = f"arn:aws:iam::{ACCOUNT}:user/mallory"


def an_event(**changes: Any) -> Event:
    """AttachUserPolicy by mallory, thirty seconds ago."""
    fields: dict[str, Any] = {
        "id": f"{ACCOUNT}/1",
        "event_id": "1",
        "account_id": ACCOUNT,
        "region": "us-east-1",
        "source": "iam.amazonaws.com",
        "name": "AttachUserPolicy",
        "time": NOW - timedelta(seconds=30),
        "actor": Actor("IAMUser", MALLORY, ACCOUNT, ""),
        "record_account_id": ACCOUNT,
    }
    return Event(**fields | changes)


def a_finding(**changes: Any) -> Finding:
    """The finding of `admin_policy_attached_to_user` about that event."""
    fields: dict[str, Any] = {
        "rule_id": "admin_policy_attached_to_user",
        "title": "Administrator policy attached to a user",
        "severity": Severity.CRITICAL,
        "subject": Subject(SubjectKind.USER, "iam-test-user"),
        "evidence": {"policy_arn": ADMIN},
        "remediation": "detach_user_policy",
    }
    return Finding(**fields | changes)
