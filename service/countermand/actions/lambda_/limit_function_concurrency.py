"""Keep a Lambda function with administrator rights from running."""

from collections.abc import Mapping
from dataclasses import dataclass

from countermand.actions.iam import admin_role
from countermand.core.errors import Gone
from countermand.core.model import Finding, Principal
from countermand.ports import Cloud, Plan


@dataclass(frozen=True, slots=True)
class LimitFunctionConcurrency:
    """lambda:PutFunctionConcurrency of 0, undone by the limit of before, or by deleting it.

    https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionConcurrency.html
    """

    name = "limit_function_concurrency"
    description = (
        "Reserve no concurrency for the function if its role grants administrator rights now, "
        "under no condition, so that it does not run; undo sets the limit that was there, or "
        "removes it."
    )
    needs = ()
    read_permissions = (
        *admin_role.READS,
        "lambda:GetFunctionConcurrency",
        "lambda:GetFunctionConfiguration",
    )
    permissions = ("lambda:PutFunctionConcurrency",)
    undo_permissions = ("lambda:DeleteFunctionConcurrency", "lambda:PutFunctionConcurrency")

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        asked = finding.subject.name
        function = cloud.call("lambda:GetFunctionConfiguration", FunctionName=asked)
        # The limit is the function's, not a version's.
        name = ":".join(function["FunctionArn"].split(":")[:7])
        limit = _limit(cloud, name)
        if limit == "0":
            return None
        roles = admin_role.demand_admin(cloud, [function["Role"]])
        return Plan({"function_arn": name, "previous_limit": limit}, role_arns=roles)

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            _put(cloud, params, 0)
        except Gone:
            return False
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        """Whether the function may run."""
        try:
            return _limit(cloud, params["function_arn"]) != "0"
        except Gone:
            return False

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        if params["previous_limit"]:
            _put(cloud, params, int(params["previous_limit"]))
        else:
            cloud.call("lambda:DeleteFunctionConcurrency", FunctionName=params["function_arn"])


def _put(cloud: Cloud, params: Mapping[str, str], limit: int) -> None:
    cloud.call(
        "lambda:PutFunctionConcurrency",
        FunctionName=params["function_arn"],
        ReservedConcurrentExecutions=limit,
    )


def _limit(cloud: Cloud, name: str) -> str:
    """The reserved concurrency in digits, or nothing."""
    answer = cloud.call("lambda:GetFunctionConcurrency", FunctionName=name)
    return str(answer.get("ReservedConcurrentExecutions", ""))
