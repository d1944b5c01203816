"""Delete the URL by which everybody can call a Lambda function."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from countermand.core.errors import Gone
from countermand.core.model import Finding, Principal
from countermand.ports import Cloud, Plan


@dataclass(frozen=True, slots=True)
class DeleteFunctionUrl:
    """lambda:DeleteFunctionUrlConfig, undone by lambda:CreateFunctionUrlConfig under a new URL.

    https://docs.aws.amazon.com/lambda/latest/api/API_DeleteFunctionUrlConfig.html
    """

    name = "delete_function_url"
    description = (
        "Delete the URL of the function if it asks nobody for credentials; undo creates one with "
        "the same settings. The address is another one then: its callers must be told."
    )
    needs = ()
    read_permissions = ("lambda:GetFunctionUrlConfig",)
    permissions = ("lambda:DeleteFunctionUrlConfig",)
    undo_permissions = ("lambda:CreateFunctionUrlConfig",)

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

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            cloud.call("lambda:DeleteFunctionUrlConfig", **_function(params))
        except Gone:
            return False
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            return bool(_config(cloud, params)["AuthType"] == "NONE")
        except Gone:
            return False

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        settings = json.loads(params["settings"])
        request = {**_function(params), "AuthType": "NONE", **settings}
        cloud.call("lambda:CreateFunctionUrlConfig", **request)


def _function(params: Mapping[str, str]) -> dict[str, str]:
    qualifier = {"Qualifier": params["qualifier"]} if params["qualifier"] else {}
    return {"FunctionName": params["function"], **qualifier}


def _config(cloud: Cloud, params: Mapping[str, str]) -> Any:  # noqa: ANN401  JSON
    return cloud.call("lambda:GetFunctionUrlConfig", **_function(params))
