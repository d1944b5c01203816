"""Conditions about who may call a Lambda function, and whose code it runs."""

from collections.abc import Mapping
from typing import Any

from countermand.core.checks.request import Evidence, texts
from countermand.core.errors import Malformed
from countermand.core.model import Event


def function_is_open(event: Event, evidence: Evidence) -> Evidence | None:
    """Check whether lambda:AddPermission allows everyone or another account to call the function.

    For an AWS service, the accounts in `sourceAccount` and `sourceArn` decide:

    | accounts                                            | check                         |
    |-----------------------------------------------------|-------------------------------|
    | one is the account of the function                  | none: a normal permission     |
    | one is another account, or a wildcard               | this one                      |
    | none, but a bucket ARN, a token or an organization  | none: the account is unknown  |
    | none                                                | `function_serves_anybody`     |
    """
    if (request := _seen(event)) is None:
        return evidence
    principal = _grantee(request)
    if _is_service(principal):
        accounts = _source_accounts(request)
        if not accounts or event.account_id in accounts:
            return None
        return {**evidence, "summary": f"allows {principal[:200]} for {accounts[0][:200]}"}
    if not _is_foreign(principal, event.account_id):
        return None
    return {**evidence, "summary": f"allows {principal[:200]}"}


def function_serves_anybody(event: Event, evidence: Evidence) -> Evidence | None:
    """Check whether lambda:AddPermission allows an AWS service for any account.

    Anyone can then point a bucket, topic or API of their own at the function.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
    """
    if (request := _seen(event)) is None:
        return None
    principal = _grantee(request)
    if not _is_service(principal) or _source_accounts(request):
        return None
    resource = _text(request, "sourceArn").rpartition(":")[2]
    limits = (_text(request, "eventSourceToken"), _text(request, "principalOrgID"))
    if resource.strip("*") or any(limits):
        return None
    return {**evidence, "summary": f"allows {principal[:200]} for any account"}


def _seen(event: Event) -> Mapping[str, Any] | None:
    return None if event.hides_request else event.request


def _grantee(request: Mapping[str, Any]) -> str:
    principal = request.get("principal")
    if type(principal) is not str:
        raise Malformed("detail.requestParameters.principal must be a string")
    return principal


def _is_service(principal: str) -> bool:
    return principal.endswith((".amazonaws.com", ".amazonaws.com.cn", ".amazon.com"))


def _source_accounts(request: Mapping[str, Any]) -> list[str]:
    """Return the accounts for which a service may call, wildcards included."""
    account = _text(request, "sourceAccount")
    in_arn = (_text(request, "sourceArn").split(":", 5)[4:5] or [""])[0]
    return [name for name in (account, in_arn) if name]


def _text(where: Mapping[str, Any], key: str) -> str:
    found = where.get(key)
    return found if type(found) is str else ""


def layer_is_foreign(event: Event, evidence: Evidence) -> Evidence | None:
    """Check whether a Lambda function gets a layer of another account."""
    request = event.request
    if request is None or event.hides_request:
        return evidence
    layers = texts(request.get("layers"))
    found = next((name for name in layers if _is_foreign(name, event.account_id)), None)
    return None if found is None else {**evidence, "summary": f"layer {found[:200]}"}


def _is_foreign(name: str, account_id: str) -> bool:
    if name.startswith("arn:"):
        return name.split(":")[4:5] != [account_id]
    # An ID such as AROA..., in a request as it was sent, may belong to any account.
    return name != account_id
