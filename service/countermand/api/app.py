"""The API over its ports: probes, metrics, and the decision history. It reads and never changes.

    bearer token -> security headers -> routes -> ledger, health, metrics
                                          |-> problem documents (RFC 9457) for every error

It runs in the worker's process on its own thread, so that a slow reader cannot delay a message.
Attackers choose values in decisions: answers are JSON that no browser interprets.
"""

from functools import partial

from fastapi import FastAPI

from countermand import __version__
from countermand.api.decisions import add_decisions
from countermand.api.headers import SecurityHeaders
from countermand.api.health import Health
from countermand.api.openapi import openapi
from countermand.api.probes import add_metrics, add_probes
from countermand.api.problems import add_problems
from countermand.api.token import BearerGuard
from countermand.metrics import Metrics
from countermand.ports import Ledger


def create_app(
    ledger: Ledger,
    health: Health,
    metrics: Metrics,
    token: str | None = None,
    public_url: str = "",
) -> FastAPI:
    """Build the API over its ports. Without a token, it asks for none."""
    app = FastAPI(
        title="Countermand",
        version=__version__,
        summary="Decisions of an IAM guardrail",
        description="What Countermand decided about risky IAM changes, why, and what it did.",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        servers=[{"url": public_url}] if public_url else None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would repeat the Host header of the request
    )
    add_probes(app, health)
    add_metrics(app, metrics)
    add_decisions(app, ledger, public_url)
    add_problems(app)
    if token is not None:
        app.add_middleware(BearerGuard, token=token)
    app.add_middleware(SecurityHeaders)
    app.openapi = partial(openapi, app, guarded=token is not None)  # type: ignore[method-assign]
    return app
