"""Remove a statement that exposes a Lambda function."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from countermand.actions.gone import false_when_gone
from countermand.actions.lambda_.function import request_of
from countermand.core.errors import CannotRestore
from countermand.core.model import Finding, Principal
from countermand.ports import ActionInfo, Cloud, Plan

_PARAMETERS = frozenset(
    {"EventSourceToken", "FunctionUrlAuthType", "PrincipalOrgID", "SourceAccount", "SourceArn"}
)
"""The parameters of AddPermission that become conditions: their name, with a prefix."""


@dataclass(frozen=True, slots=True)
class RemoveFunctionPermission:
    """Calls lambda:RemovePermission; undo calls lambda:AddPermission.

    https://docs.aws.amazon.com/lambda/latest/api/API_RemovePermission.html
    """

    info = ActionInfo(
        name="remove_function_permission",
        description=(
            "Remove the statement from the policy of the function. Undo adds the permission again."
        ),
        needs=("statement_id",),
        reads=("lambda:GetPolicy",),
        writes=("lambda:RemovePermission",),
        undo_calls=("lambda:AddPermission",),
    )

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        params = {
            "function": finding.subject.name,
            "statement_id": finding.evidence["statement_id"],
            "qualifier": finding.evidence.get("qualifier", ""),
        }
        statement = _statement(cloud, params)
        if statement is None:
            return None
        return Plan({**params, "grant": json.dumps(_grant(statement))})

    @false_when_gone
    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        statement_id = params["statement_id"]
        cloud.call("lambda:RemovePermission", **request_of(params), StatementId=statement_id)
        return True

    @false_when_gone
    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        return _statement(cloud, params) is not None

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        cloud.call(
            "lambda:AddPermission",
            **request_of(params),
            StatementId=params["statement_id"],
            **json.loads(params["grant"]),
        )


def _statement(cloud: Cloud, params: Mapping[str, str]) -> Any:  # noqa: ANN401  JSON
    policy = json.loads(cloud.call("lambda:GetPolicy", **request_of(params))["Policy"])
    found = (s for s in policy["Statement"] if s.get("Sid") == params["statement_id"])
    return next(found, None)


def _grant(statement: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters of AddPermission that make this statement."""
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
