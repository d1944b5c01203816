"""The HTTP side: probes, metrics, and the history of decisions. It reads, and never changes.

    guard (bearer token) -> headers -> routes -> ledger, health, metrics
                                          |-> problem documents (RFC 9457) for everything else

Runs in the worker's process on a thread of its own, so that a slow reader cannot hold up a message.
Values in a decision are an attacker's choice: answers are JSON that no browser may take for more.
"""

from functools import partial

from fastapi import FastAPI

from countermand import __version__
from countermand.api.decisions import add_decisions
from countermand.api.openapi import describe
from countermand.api.probes import Health, add_metrics, add_probes
from countermand.api.problems import add_problems
from countermand.api.security import BearerGuard, SecurityHeaders
from countermand.metrics import Metrics
from countermand.ports import Ledger


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
    add_probes(app, health)
    add_metrics(app, metrics)
    add_decisions(app, ledger, public_url)
    add_problems(app)
    if token is not None:
        app.add_middleware(BearerGuard, token=token)
    app.add_middleware(SecurityHeaders)
    app.openapi = partial(describe, app, guarded=token is not None)  # type: ignore[method-assign]
    return app
