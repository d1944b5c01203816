"""Take the right to call a Lambda function from another account or from everybody."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from countermand.core.errors import CannotRestore, Gone
from countermand.core.model import Finding, Principal
from countermand.ports import Cloud, Plan

_PARAMETERS = frozenset(
    {"EventSourceToken", "FunctionUrlAuthType", "PrincipalOrgID", "SourceAccount", "SourceArn"}
)
"""Of AddPermission; each becomes the condition key of its name, behind a prefix."""


@dataclass(frozen=True, slots=True)
class RemoveFunctionPermission:
    """lambda:RemovePermission, undone by lambda:AddPermission as the policy says it now.

    https://docs.aws.amazon.com/lambda/latest/api/API_RemovePermission.html
    """

    name = "remove_function_permission"
    description = (
        "Remove the statement from the policy of the function; undo adds the permission again."
    )
    needs = ("statement_id",)
    read_permissions = ("lambda:GetPolicy",)
    permissions = ("lambda:RemovePermission",)
    undo_permissions = ("lambda:AddPermission",)

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        params = {
            "function": finding.subject.name,
            "statement_id": finding.evidence["statement_id"],
            "qualifier": finding.evidence.get("qualifier", ""),
        }
        statement = _statement(cloud, params)
        return (
            None if statement is None else Plan({**params, "grant": json.dumps(_grant(statement))})
        )

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        statement_id = params["statement_id"]
        try:
            cloud.call("lambda:RemovePermission", **_function(params), StatementId=statement_id)
        except Gone:
            return False
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            return _statement(cloud, params) is not None
        except Gone:
            return False

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        cloud.call(
            "lambda:AddPermission",
            **_function(params),
            StatementId=params["statement_id"],
            **json.loads(params["grant"]),
        )


def _function(params: Mapping[str, str]) -> dict[str, str]:
    qualifier = {"Qualifier": params["qualifier"]} if params["qualifier"] else {}
    return {"FunctionName": params["function"], **qualifier}


def _statement(cloud: Cloud, params: Mapping[str, str]) -> Any:  # noqa: ANN401  JSON
    policy = json.loads(cloud.call("lambda:GetPolicy", **_function(params))["Policy"])
    found = (s for s in policy["Statement"] if s.get("Sid") == params["statement_id"])
    return next(found, None)


def _grant(statement: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of AddPermission that make this statement."""
    principal = statement["Principal"]
    names = [principal] if isinstance(principal, str) else list(principal.values())
    if len(names) != 1 or not isinstance(names[0], str):
        raise CannotRestore("the statement names several principals")
    request = {"Action": statement["Action"], "Principal": names[0]}
    for keys in statement.get("Condition", {}).values():
        for key, value in keys.items():
            name = key.partition(":")[2]
            if name not in _PARAMETERS or not isinstance(value, str):
                raise CannotRestore(f"the statement has the condition {key[:100]}")
            request[name] = value
    return request
