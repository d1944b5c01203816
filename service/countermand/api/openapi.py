"""Complete the OpenAPI document with what FastAPI cannot know."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from countermand.api.problems import ProblemDetail
from countermand.api.token import OPEN_PATHS


def openapi(app: FastAPI, *, guarded: bool) -> dict[str, Any]:
    """Return the document with the problem documents and the bearer token."""
    if app.openapi_schema is not None:
        return app.openapi_schema
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        license_info=app.license_info,
        servers=app.servers,
        routes=app.routes,
    )
    components = document["components"]
    schema = ProblemDetail.model_json_schema(ref_template="#/components/schemas/{model}")
    components["schemas"] |= schema.pop("$defs") | {"ProblemDetail": schema}
    if guarded:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        for path, operations in document["paths"].items():
            operations["get"]["security"] = [] if path in OPEN_PATHS else [{"token": []}]
    app.openapi_schema = document
    return document
