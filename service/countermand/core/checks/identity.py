"""Conditions about users, sessions and the account's password policy."""

from collections.abc import Mapping
from typing import Any

from countermand.core.checks.request import Evidence
from countermand.core.errors import Malformed
from countermand.core.model import EXCEPTION_TAG, Event

EXCEPTION_TAG_KEY = EXCEPTION_TAG[0]
"""The default key of the exception tag, and the only tag that an action may remove."""

_LENGTH = 14
_ROOT_USER = "AWS ROOT USER"
"""The name of root as a target in CloudTrail. No IAM user name contains a space.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-aws-console-sign-in-events.html"""


def password_policy_is_weak(event: Event, evidence: Evidence) -> Evidence | None:
    """Check whether the new password policy requires fewer than 14 characters (CIS AWS 1.8).

    An absent length means 6.
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccountPasswordPolicy.html
    """
    request = event.request
    if request is None or event.hides_request:
        return evidence
    length = request.get("minimumPasswordLength", 6)
    if type(length) is not int:
        raise Malformed("detail.requestParameters.minimumPasswordLength must be a whole number")
    return {**evidence, "summary": f"at least {length} characters"} if length < _LENGTH else None


def done_to_another(event: Event, evidence: Evidence) -> Evidence | None:
    """Check whether `requestParameters.userName` is not the caller. Absent means the caller.

    A role session has no user name, so any name is another user. Root as the target does not count:
    other rules cover what root does to itself.
    """
    request, detail = event.request, event.body.get("detail")
    if request is None or event.hides_request:
        return evidence if event.error_code is not None or request is not None else None
    target = request.get("userName")
    if type(target) is not str or target == _ROOT_USER:
        return None
    identity = _object(detail, "userIdentity")
    # The `userName` of root is the account alias.
    own = None if identity.get("type") == "Root" else identity.get("userName")
    return evidence if not _is_same_name(target, own) else None


def done_to_oneself(event: Event, evidence: Evidence) -> Evidence | None:
    """Check whether a session of a role names that role, or a user names themself or nobody.

    When a user names nobody, IAM takes the caller.
    """
    request, detail = event.request, event.body.get("detail")
    if request is None or event.hides_request:
        return evidence
    identity = _object(detail, "userIdentity")
    issuer = _object(_object(identity, "sessionContext"), "sessionIssuer")
    if identity.get("type") == "IAMUser" and not {"userName", "roleName"} & request.keys():
        return evidence
    for target, caller in (
        (request.get("userName"), identity if identity.get("type") == "IAMUser" else {}),
        (request.get("roleName"), issuer if issuer.get("type") == "Role" else {}),
    ):
        if _is_same_name(target, caller.get("userName")):
            return evidence
    return None


def _is_same_name(asked: object, own: object) -> bool:
    """Compare names without case: CloudTrail keeps the caller's spelling and IAM ignores case."""
    return type(asked) is str and type(own) is str and asked.lower() == own.lower()


def _object(value: object, key: str) -> Mapping[str, Any]:
    """Return the object under a key; or an empty one."""
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}
