"""The HTTP side: probes, metrics, and the history of decisions. It reads, and never changes.

    guard (bearer token) -> headers -> routes -> ledger, health, metrics
                                          |-> problem documents (RFC 9457) for everything else

Runs in the worker's process on a thread of its own, so that a slow reader cannot hold up a message.
Values in a decision are an attacker's choice: answers are JSON that no browser may take for more.
"""

import hmac
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from socket import AF_INET, AF_INET6, create_server
from typing import Annotated, Any, Protocol
from urllib.parse import quote

import uvicorn
from fastapi import Depends, FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from countermand import __version__
from countermand.api.views import DecisionPage, DecisionView, decision_page, decision_view
from countermand.core.errors import ConfigError, Permanent, Transient
from countermand.core.model import Severity, Verdict
from countermand.metrics import CONTENT_TYPE, Metrics
from countermand.ports import DecisionQuery, HealthCheck, Ledger

PROBLEM_TYPE = "application/problem+json"
OPEN_PATHS = frozenset({"/livez", "/readyz", "/healthz", "/metrics"})
"""No token asked: kubelet and Prometheus have none, and nothing here names a user."""

_SECURITY_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
}
_TITLES = {
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    422: "Unprocessable Content",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_DETAILS = {
    401: "Send the token as Authorization: Bearer TOKEN.",
    404: "There is nothing at this path.",
    405: "Only GET is allowed here.",
    422: "Some parameters were refused.",
    500: "Something went wrong inside; the log has the trace.",
    503: "The ledger cannot be read right now.",
}
_RETRY_AFTER_SECONDS = 5
_KEEP_ALIVE_SECONDS = 5
_MOST_CONNECTIONS = 200
"""Uvicorn answers 503 beyond: clients that only connect must not use up the worker's files."""
_GRACE_SECONDS = 1
_TICK_SECONDS = 0.005
_LONGEST_SHOWN = 256
_METRICS_EXAMPLE = """\
# HELP countermand_events_ignored_total Events that no rule matched; deleted without a decision.
# TYPE countermand_events_ignored_total counter
countermand_events_ignored_total 3.0
"""
_PLAIN = r"^[^\x00-\x1f\x7f]+$"


class Health(Protocol):
    """What the probes ask. The details are shown to anybody: no ARNs, no names."""

    def alive(self) -> HealthCheck:
        """Whether the worker's loop still turns. Must not wait: it is called on the event loop."""
        ...

    def ready(self) -> Sequence[HealthCheck]:
        """Last good poll, ledger, credentials ..."""
        ...


class CheckView(BaseModel):
    """One thing that health depends on."""

    name: str = Field(description="What was looked at.", examples=["queue"])
    ok: bool = Field(description="Whether it is as it should be.", examples=[True])
    detail: str = Field(description="Why, or why not.", examples=["last good poll 3 s ago"])


class HealthView(BaseModel):
    """All is well; otherwise the answer is a problem document with the same `checks`."""

    status: str = Field(description="Always `ok`.", examples=["ok"])
    checks: list[CheckView] = Field(description="Everything that was looked at.")


class Flaw(BaseModel):
    """One parameter of a request that was refused."""

    name: str = Field(description="The parameter.", examples=["limit"])
    reason: str = Field(
        description="What is wrong with it.",
        examples=["Input should be less than or equal to 100"],
    )


class ProblemDetail(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str = Field(
        default="about:blank",
        description="Always `about:blank`: the status says all.",
        examples=["about:blank"],
    )
    title: str = Field(description="The status in words.", examples=["Not Found"])
    status: int = Field(description="The HTTP status.", examples=[404])
    detail: str = Field(
        description="What happened, for people.", examples=["There is no such decision."]
    )
    instance: str = Field(
        description="The path that was asked for.",
        examples=["/decisions/d-0f1e2d3c4b5a69788796"],
    )
    errors: list[Flaw] | None = Field(
        default=None, description="With 422: every parameter that was refused."
    )
    checks: list[CheckView] | None = Field(
        default=None, description="With 503 from a probe: everything that was looked at."
    )


class Filter(BaseModel):
    """Query parameters of `/decisions`; those that are absent do not filter."""

    verdict: Verdict | None = Field(
        default=None, description="Only this verdict.", examples=["remediate"]
    )
    rule_id: str | None = Field(
        default=None,
        pattern=r"^[a-z][a-z0-9_]{2,63}$",
        description="Only decisions led by this rule.",
        examples=["admin_policy_attached_to_user"],
    )
    severity: Severity | None = Field(
        default=None, description="Only this severity.", examples=["critical"]
    )
    target: str | None = Field(
        default=None,
        max_length=128,
        pattern=_PLAIN,
        description="Only about the principal of exactly this name.",
        examples=["iam-test-user"],
    )
    actor: str | None = Field(
        default=None,
        max_length=2048,
        pattern=_PLAIN,
        description="Only about calls by exactly this ARN.",
        examples=["arn:aws:iam::111122223333:user/mallory"],
    )
    account_id: str | None = Field(
        default=None,
        pattern=r"^[0-9]{12}$",
        description="Only from this account.",
        examples=["111122223333"],
    )
    since: AwareDatetime | None = Field(
        default=None,
        description="Decided at this time or later; with a time zone.",
        examples=["2025-06-01T00:00:00Z"],
    )
    until: AwareDatetime | None = Field(
        default=None,
        description="Decided before this time; with a time zone.",
        examples=["2025-07-01T00:00:00Z"],
    )
    limit: int = Field(default=50, ge=1, le=100, description="Decisions on a page.", examples=[50])
    cursor: str | None = Field(
        default=None,
        max_length=1024,
        pattern=_PLAIN,
        description="The `next_cursor` of the page before, with the same filters.",
        examples=["eyJhdCI6IjIwMjUtMDYtMDEifQ"],
    )


type DecisionId = Annotated[
    str,
    Path(
        pattern=r"^d-[0-9a-f]{20}$",
        description="Id of the decision, as in the alert.",
        examples=["d-0f1e2d3c4b5a69788796"],
    ),
]


def create_app(
    ledger: Ledger,
    health: Health,
    metrics: Metrics,
    token: str | None = None,
    public_url: str = "",
) -> FastAPI:
    """The API over its ports. Without a token nobody is asked for one."""
    app = FastAPI(
        title="Countermand",
        version=__version__,
        summary="Decisions of an IAM guardrail",
        description="What was decided about risky IAM changes, why, and what was done.",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        servers=[{"url": public_url}] if public_url else None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would repeat the Host header of the request
    )
    _add_probes(app, health)
    _add_metrics(app, metrics)
    _add_decisions(app, ledger, public_url)
    _add_problems(app)
    if token is not None:
        app.add_middleware(_BearerGuard, token=token)
    app.add_middleware(_SecurityHeaders)
    app.openapi = partial(_openapi, app, guarded=token is not None)  # type: ignore[method-assign]
    return app


def _add_probes(app: FastAPI, health: Health) -> None:
    # `async`, so that slow reads of the ledger cannot keep every thread from it.
    @app.get("/healthz", tags=["probes"], responses=_refusals(503), summary="Alias of /livez")
    @app.get("/livez", tags=["probes"], responses=_refusals(503), summary="Is the loop turning?")
    async def livez() -> HealthView:
        """200 while the worker's loop turns. No dependency is asked, because a restart would not
        mend it. `/healthz` is the same.
        """
        return _probe([health.alive()])

    @app.get("/readyz", tags=["probes"], responses=_refusals(503), summary="Can it do its work?")
    def readyz() -> HealthView:
        """200 when the queue answered lately, the ledger can be written to and the credentials
        work; otherwise 503 with every check and why it failed.
        """
        return _probe(health.ready())


def _probe(checks: Sequence[HealthCheck]) -> HealthView:
    views = [CheckView(name=c.name, ok=c.ok, detail=c.detail) for c in checks]
    if not all(view.ok for view in views):
        raise _UnhealthyError(views)
    return HealthView(status="ok", checks=views)


class _UnhealthyError(Exception):
    """Some check failed."""

    def __init__(self, checks: list[CheckView]) -> None:
        super().__init__("; ".join(f"{c.name}: {c.detail}" for c in checks if not c.ok))
        self.checks = checks


def _add_metrics(app: FastAPI, metrics: Metrics) -> None:
    content = {CONTENT_TYPE: {"schema": {"type": "string"}, "example": _METRICS_EXAMPLE}}

    @app.get(
        "/metrics",
        tags=["metrics"],
        summary="Metrics for Prometheus",
        response_class=Response,
        responses={200: {"description": "Text exposition format", "content": content}},
    )
    def read_metrics() -> Response:
        """All series. Labels are words of the rules and of the code, never names or ids."""
        return Response(metrics.render(), media_type=CONTENT_TYPE)


def _add_decisions(app: FastAPI, ledger: Ledger, public_url: str) -> None:
    @app.get(
        "/decisions",
        tags=["decisions"],
        summary="The history of decisions",
        responses=_refusals(401, 422, 503),
        dependencies=[Depends(_only(frozenset(Filter.model_fields)))],
    )
    def list_decisions(filters: Annotated[Filter, Query()]) -> DecisionPage:
        """Decisions that pass every filter, newest first. Follow `next_cursor` for older ones."""
        if filters.since and filters.until and filters.since >= filters.until:
            raise _refused("until", "Should be later than since")
        try:
            page = ledger.find(DecisionQuery(**dict(filters)))
        except Permanent as error:
            raise _refused("cursor", "Not a cursor of these filters") from error
        return decision_page(page.records, page.next_cursor, public_url)

    @app.get(
        "/decisions/{decision_id}",
        tags=["decisions"],
        summary="One decision",
        responses=_refusals(401, 404, 422, 503),
        dependencies=[Depends(_only(frozenset()))],
    )
    def get_decision(decision_id: DecisionId) -> DecisionView:
        """A decision with every reason, outcome and timing."""
        record = ledger.get(decision_id)
        if record is None:
            raise HTTPException(404, "There is no such decision.")
        return decision_view(record, public_url)


def _only(known: frozenset[str]) -> Callable[[Request], None]:
    """Refuse parameters that are unknown or given twice: a filter that is silently ignored, or
    read differently by a proxy, would show too much.
    """

    def check(request: Request) -> None:
        names = [name for name, _ in request.query_params.multi_items()]
        flaws = [_flaw(n, "There is no such parameter") for n in names if n not in known]
        flaws += [_flaw(n, "Given more than once") for n in known if names.count(n) > 1]
        if flaws:
            raise RequestValidationError(flaws)

    return check


def _flaw(name: str, reason: str) -> dict[str, Any]:
    return {"loc": ("query", name), "msg": reason}


def _refused(name: str, reason: str) -> RequestValidationError:
    return RequestValidationError([_flaw(name, reason)])


def _add_problems(app: FastAPI) -> None:
    """Everything that is not a good answer becomes a problem document."""

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: Exception) -> Response:
        status = getattr(error, "status_code", 500)
        detail = getattr(error, "detail", "")
        headers = getattr(error, "headers", None)
        if status in _DETAILS and detail == HTTPStatus(status).phrase:
            detail = _DETAILS[status]
        return _problem(request.scope, status, detail, headers=headers)

    @app.exception_handler(RequestValidationError)
    async def bad_request(request: Request, error: Exception) -> Response:
        found = error.errors() if isinstance(error, RequestValidationError) else ()
        flaws = [Flaw(name=_shown(f["loc"][-1]), reason=f["msg"]) for f in found]
        return _problem(request.scope, 422, _DETAILS[422], errors=flaws)

    @app.exception_handler(_UnhealthyError)
    async def unhealthy(request: Request, error: Exception) -> Response:
        checks = error.checks if isinstance(error, _UnhealthyError) else []
        return _problem(request.scope, 503, str(error), checks=checks)

    @app.exception_handler(Transient)
    async def unavailable(request: Request, _error: Exception) -> Response:
        retry = {"retry-after": str(_RETRY_AFTER_SECONDS)}
        return _problem(request.scope, 503, _DETAILS[503], headers=retry)

    @app.exception_handler(Exception)
    async def bug(request: Request, _error: Exception) -> Response:
        # Starlette raises it again after this answer, so that uvicorn logs the trace.
        return _problem(request.scope, 500, _DETAILS[500])


def _problem(
    scope: Scope,
    status: int,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    errors: list[Flaw] | None = None,
    checks: list[CheckView] | None = None,
) -> Response:
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
        headers={**_SECURITY_HEADERS, **(headers or {})},
        media_type=PROBLEM_TYPE,
    )


def _instance(scope: Scope) -> str:
    """The path without its query, which may hold what should not be repeated."""
    return quote(_shown(scope["path"]), safe="/:@~")


def _shown(untrusted: object) -> str:
    return str(untrusted)[:_LONGEST_SHOWN]


class _SecurityHeaders:
    """ASGI middleware: headers that keep answers out of caches and out of a browser's hands."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._headers = [(k.encode(), v.encode()) for k, v in _SECURITY_HEADERS.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                ours = [
                    (k, v) for k, v in message["headers"] if k.decode() not in _SECURITY_HEADERS
                ]
                message["headers"] = [*ours, *self._headers]
            await send(message)

        await self._app(scope, receive, send_with_headers)


class _BearerGuard:
    """ASGI middleware: asks for the token before routing, so that a path that nobody thought of,
    and the difference between 404 and 405, are behind it too.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if self._right(given):
            await self._app(scope, receive, send)
            return
        challenge = 'Bearer realm="countermand"' + (', error="invalid_token"' if given else "")
        headers = {"www-authenticate": challenge}
        response = _problem(scope, 401, _DETAILS[401], headers=headers)
        await response(scope, receive, send)

    def _right(self, given: Sequence[bytes]) -> bool:
        """Bytes throughout: a header may hold any of them."""
        if len(given) != 1:
            return False
        scheme, _, token = given[0].partition(b" ")
        same = hmac.compare_digest(token.strip(), self._token)
        return same and scheme.lower() == b"bearer"


def _refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problem documents of a route, for OpenAPI."""
    return {status: _refusal(status) for status in (*statuses, 500)}


def _refusal(status: int) -> dict[str, Any]:
    example: dict[str, Any] = {
        "type": "about:blank",
        "title": _TITLES[status],
        "status": status,
        "detail": _DETAILS[status],
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


def _openapi(app: FastAPI, *, guarded: bool) -> dict[str, Any]:
    """FastAPI's description, with what it cannot know: problem documents and the guard."""
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


class ApiServer:
    """Uvicorn on a thread of its own; signals stay with the main thread."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        """`port` 0 takes any free one."""
        self._host = host
        self.port = port
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                loop="asyncio",
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                limit_concurrency=_MOST_CONNECTIONS,
                timeout_graceful_shutdown=_GRACE_SECONDS,
            )
        )
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}"

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Return once it listens, with the real port in `port`. `ConfigError`: it cannot."""
        family = AF_INET6 if ":" in self._host else AF_INET
        try:
            listener = create_server((self._host, self.port), family=family)
        except OSError as error:
            raise ConfigError(
                f"COUNTERMAND_API_HOST, COUNTERMAND_API_PORT: cannot listen on {self.url}: "
                f"{error.strerror or error}"
            ) from error
        self.port = listener.getsockname()[1]
        run = partial(self._server.run, sockets=[listener])
        self._thread = threading.Thread(target=run, name="api", daemon=True)
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                listener.close()
                raise ConfigError(f"the API did not start on {self.url}")
            time.sleep(_TICK_SECONDS)

    def stop(self) -> None:
        """Finish the requests in hand, for a second or two, and close. Harmless when stopped."""
        if self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join(_GRACE_SECONDS + 1)
        self._thread = None
