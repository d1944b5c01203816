"""Access policies of EKS clusters. Moto does not implement them: so against botocore's model."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from countermand.actions import ALL
from support.steps import Script, plan, remediate_and_undo

ADMIN = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
VIEW = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"
WHO = {"clusterName": "prod", "principalArn": "arn:aws:iam::111122223333:role/deploy"}
ENCODED = "arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fdeploy"
SCOPE = {"type": "namespace", "namespaces": ["web", "db"]}


def associated(script: Script, *policies: str) -> None:
    found: Sequence[Mapping[str, Any]] = [
        {"policyArn": policy, "accessScope": SCOPE} for policy in policies
    ]
    script.expect(
        "list_associated_access_policies", WHO, {**WHO, "associatedAccessPolicies": found}
    )


@pytest.mark.parametrize("principal_arn", [ENCODED, WHO["principalArn"]])
def test_access_is_reverted_and_undone(principal_arn: str) -> None:
    """Undo associates the access policy again with the same scope."""
    script = Script("eks")
    associated(script, VIEW, ADMIN)
    associated(script, VIEW, ADMIN)
    script.expect("disassociate_access_policy", {**WHO, "policyArn": ADMIN}, {})
    associated(script, VIEW)
    wanted = {**WHO, "policyArn": ADMIN, "accessScope": SCOPE}
    script.expect("associate_access_policy", wanted, {})
    associated(script, VIEW, ADMIN)
    evidence = {"principal_arn": principal_arn, "access_policy_arn": ADMIN}
    params = plan(script.cloud(), "disassociate_access_policy", "prod", **evidence)
    remediate_and_undo(script.cloud(), "disassociate_access_policy", params)
    script.ended()


def test_removed_access_is_left_alone() -> None:
    """The action plans nothing when the access policy is no longer associated."""
    script = Script("eks")
    associated(script, VIEW)
    evidence = {"principal_arn": ENCODED, "access_policy_arn": ADMIN}
    assert plan(script.cloud(), "disassociate_access_policy", "prod", **evidence) is None


def test_a_cluster_that_is_gone_needs_nothing() -> None:
    script, action = Script("eks"), ALL["disassociate_access_policy"]
    params = {"cluster": "prod", "principal_arn": WHO["principalArn"], "policy_arn": ADMIN}
    script.refuse("disassociate_access_policy", "ResourceNotFoundException")
    script.refuse("list_associated_access_policies", "ResourceNotFoundException")
    assert not action.apply(script.cloud(), params)
    assert not action.is_present(script.cloud(), params)
