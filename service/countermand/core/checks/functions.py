"""Conditions about who may call a Lambda function, and whose code it runs."""

from collections.abc import Mapping
from typing import Any

from countermand.core.checks.request import Evidence, texts
from countermand.core.errors import Malformed
from countermand.core.model import Event


def function_is_open(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether lambda:AddPermission lets in everybody, another account, or a service of AWS's on
    behalf of another account.

    | a service's `sourceAccount`, and the account in its `sourceArn`  | told by                  |
    |------------------------------------------------------------------|--------------------------|
    | one is the function's own                                        | nobody                   |
    | one is another, or a wildcard                                    | this check               |
    | none, but an ARN without account (a bucket), a token or an org   | nobody: it hides whose   |
    | none                                                             | `function_serves_anybody` |
    """
    if (request := _seen(event)) is None:
        return evidence
    principal = _grantee(request)
    if _is_service(principal):
        accounts = _source_accounts(request)
        if not accounts or event.account_id in accounts:
            return None
        return {**evidence, "summary": f"lets in {principal[:200]} for {accounts[0][:200]}"}
    if not _is_foreign(principal, event.account_id):
        return None
    return {**evidence, "summary": f"lets in {principal[:200]}"}


def function_serves_anybody(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether lambda:AddPermission lets in a service of AWS's on behalf of whoever asks it: anybody
    can then have a bucket, topic or API of his own call the function.

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
    return {**evidence, "summary": f"lets in {principal[:200]} for anybody"}


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
    """For whom a service may act, as far as the grant says; wildcards as they are."""
    account = _text(request, "sourceAccount")
    in_arn = (_text(request, "sourceArn").split(":", 5)[4:5] or [""])[0]
    return [name for name in (account, in_arn) if name]


def _text(where: Mapping[str, Any], key: str) -> str:
    found = where.get(key)
    return found if type(found) is str else ""


def layer_is_foreign(event: Event, evidence: Evidence) -> Evidence | None:
    """Whether a Lambda function gets a layer (`requestParameters.layers`) of another account."""
    request = event.request
    if request is None or event.hides_request:
        return evidence
    layers = texts(request.get("layers"))
    found = next((name for name in layers if _is_foreign(name, event.account_id)), None)
    return None if found is None else {**evidence, "summary": f"layer {found[:200]}"}


def _is_foreign(name: str, account_id: str) -> bool:
    if name.startswith("arn:"):
        return name.split(":")[4:5] != [account_id]
    # An id such as AROA..., in a request as it was sent, may be of any account.
    return name != account_id
