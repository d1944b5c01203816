"""Managed policies read live: always the default version, and each version once."""

import pytest

from countermand.core.errors import Gone, Transient
from countermand.live.policies import ManagedPolicies, managed_policies
from support.fakes import ACCOUNT, FakeIdentities

ARN = f"arn:aws:iam::{ACCOUNT}:policy/innocent"
READ = {"Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}}
ADMIN = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}


@pytest.fixture
def iam() -> FakeIdentities:
    fake = FakeIdentities()
    fake.documents[ARN] = [READ]
    return fake


def test_a_version_is_read_once(iam: FakeIdentities) -> None:
    """A version is read once, and the default each time."""
    policies = ManagedPolicies(iam)
    assert [policies.document(ARN) for _ in range(3)] == [READ] * 3
    assert len(iam.called("iam:GetPolicy")) == 3
    assert iam.called("iam:GetPolicyVersion") == [(ARN, "v1")]


def test_a_new_default_version_is_seen_at_once(iam: FakeIdentities) -> None:
    policies = ManagedPolicies(iam)
    assert policies.document(ARN) == READ
    iam.documents[ARN].append(ADMIN)
    assert policies.document(ARN) == ADMIN


def test_a_recreated_policy_is_read_again(iam: FakeIdentities) -> None:
    policies = ManagedPolicies(iam)
    before = iam.documents[ARN]
    assert policies.document(ARN) == READ
    iam.documents[ARN] = [ADMIN]
    assert iam.documents[ARN] is not before
    assert policies.document(ARN) == ADMIN


def test_readers_of_one_cloud_share_policies(iam: FakeIdentities) -> None:
    """All that read through one cloud share what was read."""
    assert managed_policies(iam).document(ARN) == READ
    assert managed_policies(iam).document(ARN) == READ
    assert len(iam.called("iam:GetPolicyVersion")) == 1
    other = FakeIdentities()
    other.documents[ARN] = [ADMIN]
    assert managed_policies(other).document(ARN) == ADMIN


def test_a_policy_that_is_gone_raises_gone(iam: FakeIdentities) -> None:
    with pytest.raises(Gone):
        ManagedPolicies(iam).document(f"{ARN}-other")


def test_a_failure_is_not_remembered(iam: FakeIdentities) -> None:
    policies = ManagedPolicies(iam)
    iam.fail["iam:GetPolicyVersion"] = [Transient("throttled")]
    with pytest.raises(Transient):
        policies.document(ARN)
    assert policies.document(ARN) == READ


def test_what_is_kept_is_bounded(iam: FakeIdentities) -> None:
    policies = ManagedPolicies(iam)
    for number in range(600):
        iam.documents[f"{ARN}-{number}"] = [READ]
        policies.document(f"{ARN}-{number}")
    for number in (599, 0):
        policies.document(f"{ARN}-{number}")
    read = iam.called("iam:GetPolicyVersion")
    assert read.count((f"{ARN}-599", "v1")) == 1
    assert read.count((f"{ARN}-0", "v1")) == 2
