"""Delete the URL by which anyone can call a Lambda function."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from countermand.actions.gone import false_when_gone
from countermand.actions.lambda_.function import request_of
from countermand.core.model import Finding, Principal
from countermand.ports import ActionInfo, Cloud, Plan


@dataclass(frozen=True, slots=True)
class DeleteFunctionUrl:
    """Calls lambda:DeleteFunctionUrlConfig; undo calls lambda:CreateFunctionUrlConfig.

    https://docs.aws.amazon.com/lambda/latest/api/API_DeleteFunctionUrlConfig.html
    """

    info = ActionInfo(
        name="delete_function_url",
        description=(
            "Delete the URL of the function if it asks for no credentials. Undo creates a URL with "
            "the same settings but another address, which the callers then need."
        ),
        reads=("lambda:GetFunctionUrlConfig",),
        writes=("lambda:DeleteFunctionUrlConfig",),
        undo_calls=("lambda:CreateFunctionUrlConfig",),
    )

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        params = {
            "function": finding.subject.name,
            "qualifier": finding.evidence.get("qualifier", ""),
        }
        config = _config(cloud, params)
        if config["AuthType"] != "NONE":
            return None
        kept = {key: config[key] for key in ("Cors", "InvokeMode") if config.get(key)}
        return Plan({**params, "url": config["FunctionUrl"], "settings": json.dumps(kept)})

    @false_when_gone
    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        cloud.call("lambda:DeleteFunctionUrlConfig", **request_of(params))
        return True

    @false_when_gone
    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        return bool(_config(cloud, params)["AuthType"] == "NONE")

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        settings = json.loads(params["settings"])
        request = {**request_of(params), "AuthType": "NONE", **settings}
        cloud.call("lambda:CreateFunctionUrlConfig", **request)


def _config(cloud: Cloud, params: Mapping[str, str]) -> Any:  # noqa: ANN401  JSON
    return cloud.call("lambda:GetFunctionUrlConfig", **request_of(params))
