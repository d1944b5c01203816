"""Routes of the probes and of Prometheus."""

from fastapi import FastAPI, Response

from countermand.api.health import Health, HealthView, healthy
from countermand.api.problems import refusals
from countermand.metrics import CONTENT_TYPE, Metrics

_METRICS_EXAMPLE = """\
# HELP countermand_events_ignored_total Events that no rule matched; deleted without a decision.
# TYPE countermand_events_ignored_total counter
countermand_events_ignored_total 3.0
"""


def add_probes(app: FastAPI, health: Health) -> None:
    """Add `/livez`, its alias `/healthz`, and `/readyz`."""

    # `async`, so that slow reads of the ledger cannot keep every thread from it.
    @app.get("/healthz", tags=["probes"], responses=refusals(503), summary="Alias of /livez")
    @app.get("/livez", tags=["probes"], responses=refusals(503), summary="Is the loop running?")
    async def livez() -> HealthView:
        """Answer 200 while the receive loop is running. No dependency counts here, because a
        restart would not fix it. `/healthz` is the same.
        """
        return healthy([health.alive()])

    @app.get("/readyz", tags=["probes"], responses=refusals(503), summary="Can it do its work?")
    def readyz() -> HealthView:
        """Answer 200 if the queue answered recently, the ledger accepts writes, and the
        credentials work; otherwise 503 with every check and why it failed.
        """
        return healthy(health.ready())


def add_metrics(app: FastAPI, metrics: Metrics) -> None:
    """Add `/metrics`."""
    content = {CONTENT_TYPE: {"schema": {"type": "string"}, "example": _METRICS_EXAMPLE}}

    @app.get(
        "/metrics",
        tags=["metrics"],
        summary="Metrics for Prometheus",
        response_class=Response,
        responses={200: {"description": "Text exposition format", "content": content}},
    )
    def read_metrics() -> Response:
        """Return all series. Labels come from rules and code, and are never names or IDs."""
        return Response(metrics.render(), media_type=CONTENT_TYPE)
