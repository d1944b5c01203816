"""How the calls to Lambda name a function."""

from collections.abc import Mapping


def request_of(params: Mapping[str, str]) -> dict[str, str]:
    """Return the function, and its version or alias if the change was on one."""
    qualifier = {"Qualifier": params["qualifier"]} if params["qualifier"] else {}
    return {"FunctionName": params["function"], **qualifier}
