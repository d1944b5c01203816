"""Decide what an event pattern cannot express: the conditions that a rule names.

An event and its evidence come in; the evidence, extended, or None goes out. Pure. A new check is a
function in the module of its service and a row in `CHECKS`.
"""

from collections.abc import Mapping

from countermand.core.checks.functions import (
    function_is_open,
    function_serves_anybody,
    layer_is_foreign,
)
from countermand.core.checks.identity import (
    done_to_another,
    done_to_oneself,
    password_policy_is_weak,
)
from countermand.core.checks.policies import (
    deny_policy_is_protected,
    document_grants_admin,
    permission_set_grants_admin,
    policy_grants_admin,
    policy_is_the_customers,
    trust_is_open,
    trust_names_users,
)
from countermand.core.checks.request import Condition, Evidence
from countermand.core.checks.trails import selectors_miss_changes
from countermand.core.model import Event

__all__ = ["CHECKS", "Condition", "pattern_says_all"]


def pattern_says_all(_event: Event, evidence: Evidence) -> Evidence:
    """Return the evidence unchanged, for a rule without a check."""
    return evidence


CHECKS: Mapping[str, Condition] = {
    "policy_grants_admin": policy_grants_admin,
    "policy_is_the_customers": policy_is_the_customers,
    "document_grants_admin": document_grants_admin,
    "deny_policy_is_protected": deny_policy_is_protected,
    "trust_is_open": trust_is_open,
    "trust_names_users": trust_names_users,
    "password_policy_is_weak": password_policy_is_weak,
    "done_to_another": done_to_another,
    "done_to_oneself": done_to_oneself,
    "permission_set_grants_admin": permission_set_grants_admin,
    "function_is_open": function_is_open,
    "function_serves_anybody": function_serves_anybody,
    "layer_is_foreign": layer_is_foreign,
    "selectors_miss_changes": selectors_miss_changes,
}
