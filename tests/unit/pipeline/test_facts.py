"""The keys under which an undo is stored."""

import hashlib

from countermand.core.model import Finding, Severity
from countermand.pipeline.facts import grant_key
from support.fakes import ACCOUNT, ADMIN


def finding(**evidence: str) -> Finding:
    return Finding(
        rule_id="role_trust_opened",
        title="Trust of a role opened",
        severity=Severity.HIGH,
        subject=None,
        evidence=evidence,
    )


def test_a_policy_names_its_own_grant() -> None:
    assert grant_key(ACCOUNT, "AIDA1", finding(policy_arn=ADMIN)) == f"{ACCOUNT}/AIDA1/{ADMIN}"


def test_other_evidence_keeps_the_digest_of_0_1_0() -> None:
    """0.1.0 stored undos under a digest of the names that its evidence had."""
    seen = "claim=trusts arn:aws:iam::444455556666:root,role_name=deploy"
    digest = hashlib.sha256(seen.encode()).hexdigest()[:32]
    opened = finding(role_name="deploy", summary="trusts arn:aws:iam::444455556666:root")
    assert grant_key(ACCOUNT, "AROA1", opened) == f"{ACCOUNT}/AROA1/{digest}"
