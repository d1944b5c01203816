"""Keep a Lambda function with administrator permissions from running."""

from collections.abc import Mapping
from dataclasses import dataclass

from countermand.actions.gone import false_when_gone
from countermand.actions.iam import admin_role
from countermand.core.model import Finding, Principal
from countermand.ports import ActionInfo, Cloud, Plan


@dataclass(frozen=True, slots=True)
class LimitFunctionConcurrency:
    """Calls lambda:PutFunctionConcurrency with 0; undo sets or deletes the limit as it was.

    https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionConcurrency.html
    """

    info = ActionInfo(
        name="limit_function_concurrency",
        description=(
            "Reserve no concurrency for the function, so that it does not run, if its role has "
            "unconditional administrator permissions now. Undo restores the previous limit, or "
            "removes the new limit."
        ),
        reads=(
            *admin_role.READS,
            "lambda:GetFunctionConcurrency",
            "lambda:GetFunctionConfiguration",
        ),
        writes=("lambda:PutFunctionConcurrency",),
        undo_calls=("lambda:DeleteFunctionConcurrency", "lambda:PutFunctionConcurrency"),
    )

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        asked = finding.subject.name
        function = cloud.call("lambda:GetFunctionConfiguration", FunctionName=asked)
        # The limit belongs to the function, so the ARN is cut before the version.
        arn = ":".join(function["FunctionArn"].split(":")[:7])
        limit = _limit(cloud, arn)
        if limit == "0":
            return None
        roles = admin_role.demand_admin(cloud, [function["Role"]])
        return Plan({"function_arn": arn, "previous_limit": limit}, role_arns=roles)

    @false_when_gone
    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        _put(cloud, params, 0)
        return True

    @false_when_gone
    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        """Return whether the function can run."""
        return _limit(cloud, params["function_arn"]) != "0"

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


def _limit(cloud: Cloud, arn: str) -> str:
    """Return the reserved concurrency in digits, or '' without one."""
    answer = cloud.call("lambda:GetFunctionConcurrency", FunctionName=arn)
    return str(answer.get("ReservedConcurrentExecutions", ""))
