"""Answer every error with a problem document (RFC 9457), and describe these answers for OpenAPI.

A text in a document comes from here or names what the caller sent; it never shows what is inside.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.types import Scope

from countermand.api.headers import SECURITY_HEADERS
from countermand.api.health import CheckView, UnhealthyError
from countermand.core.errors import Transient

PROBLEM_TYPE = "application/problem+json"
_TITLES = {
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    422: "Unprocessable Content",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
DETAILS = {
    401: "Send the token as Authorization: Bearer TOKEN.",
    404: "There is nothing at this path.",
    405: "Only GET is allowed here.",
    422: "Some parameters were rejected.",
    500: "An internal error occurred. The log has the trace.",
    503: "The ledger cannot be read right now.",
}
_RETRY_AFTER_SECONDS = 5
_LONGEST_SHOWN = 256


class Flaw(BaseModel):
    """A parameter of a request that was rejected."""

    name: str = Field(description="The parameter.", examples=["limit"])
    reason: str = Field(
        description="Why it was rejected.",
        examples=["Input should be less than or equal to 100"],
    )


class ProblemDetail(BaseModel):
    """An error in the form of RFC 9457."""

    type: str = Field(
        default="about:blank",
        description="Always `about:blank`: the status says everything.",
        examples=["about:blank"],
    )
    title: str = Field(description="The status in words.", examples=["Not Found"])
    status: int = Field(description="The HTTP status.", examples=[404])
    detail: str = Field(
        description="What happened, for people.", examples=["There is no such decision."]
    )
    instance: str = Field(
        description="The path of the request.",
        examples=["/decisions/d-0f1e2d3c4b5a69788796"],
    )
    errors: list[Flaw] | None = Field(
        default=None, description="With 422: every parameter that was rejected."
    )
    checks: list[CheckView] | None = Field(
        default=None, description="With 503 from a probe: every check."
    )


def add_problems(app: FastAPI) -> None:
    """Turn every error into a problem document."""

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: Exception) -> Response:
        status = getattr(error, "status_code", 500)
        detail = getattr(error, "detail", "")
        headers = getattr(error, "headers", None)
        if status in DETAILS and detail == HTTPStatus(status).phrase:
            detail = DETAILS[status]
        return problem(request.scope, status, detail, headers=headers)

    @app.exception_handler(RequestValidationError)
    async def bad_request(request: Request, error: Exception) -> Response:
        found = error.errors() if isinstance(error, RequestValidationError) else ()
        flaws = [Flaw(name=_shown(f["loc"][-1]), reason=f["msg"]) for f in found]
        return problem(request.scope, 422, DETAILS[422], errors=flaws)

    @app.exception_handler(UnhealthyError)
    async def unhealthy(request: Request, error: Exception) -> Response:
        checks = error.checks if isinstance(error, UnhealthyError) else []
        return problem(request.scope, 503, str(error), checks=checks)

    @app.exception_handler(Transient)
    async def unavailable(request: Request, _error: Exception) -> Response:
        retry = {"retry-after": str(_RETRY_AFTER_SECONDS)}
        return problem(request.scope, 503, DETAILS[503], headers=retry)

    @app.exception_handler(Exception)
    async def bug(request: Request, _error: Exception) -> Response:
        # Starlette raises it again after this answer, so that uvicorn logs the trace.
        return problem(request.scope, 500, DETAILS[500])


def problem(
    scope: Scope,
    status: int,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    errors: list[Flaw] | None = None,
    checks: list[CheckView] | None = None,
) -> Response:
    """Answer with a problem document."""
    document = ProblemDetail(
        title=_TITLES.get(status) or HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=_instance(scope),
        errors=errors,
        checks=checks,
    )
    return JSONResponse(
        document.model_dump(mode="json", exclude_none=True),
        status_code=status,
        headers={**SECURITY_HEADERS, **(headers or {})},
        media_type=PROBLEM_TYPE,
    )


def _instance(scope: Scope) -> str:
    """Return the path without its query, which may hold a secret."""
    return quote(_shown(scope["path"]), safe="/:@~")


def _shown(untrusted: object) -> str:
    return str(untrusted)[:_LONGEST_SHOWN]


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the problem documents of a route for OpenAPI."""
    return {status: _refusal(status) for status in (*statuses, 500)}


def _refusal(status: int) -> dict[str, Any]:
    example: dict[str, Any] = {
        "type": "about:blank",
        "title": _TITLES[status],
        "status": status,
        "detail": DETAILS[status],
        "instance": "/decisions",
    }
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        reason = "Input should be less than or equal to 100"
        example["errors"] = [{"name": "limit", "reason": reason}]
    schema = {"$ref": "#/components/schemas/ProblemDetail"}
    return {
        "description": _TITLES[status],
        "content": {PROBLEM_TYPE: {"schema": schema, "example": example}},
    }
