"""Probes and metrics: the paths that kubelet and Prometheus read without a token."""

from collections.abc import Sequence
from typing import Protocol

from fastapi import FastAPI, Response
from pydantic import BaseModel, Field

from countermand.api.problems import CheckView, UnhealthyError, refusals
from countermand.metrics import CONTENT_TYPE, Metrics
from countermand.ports import HealthCheck

_METRICS_EXAMPLE = """\
# HELP countermand_events_ignored_total Events that no rule matched; deleted without a decision.
# TYPE countermand_events_ignored_total counter
countermand_events_ignored_total 3.0
"""


class Health(Protocol):
    """What the probes ask. The details are public: no ARNs, no names."""

    def alive(self) -> HealthCheck:
        """Whether the worker's loop still runs. Must not wait: it is called on the event loop."""
        ...

    def ready(self) -> Sequence[HealthCheck]:
        """Last good poll, ledger, credentials ..."""
        ...


class HealthView(BaseModel):
    """All is well; otherwise the answer is a problem document with the same `checks`."""

    status: str = Field(description="Always `ok`.", examples=["ok"])
    checks: list[CheckView] = Field(description="Every check.")


def add_probes(app: FastAPI, health: Health) -> None:
    """Add `/livez`, `/healthz` and `/readyz`."""

    # `async`, so that slow reads of the ledger cannot keep every thread from it.
    @app.get("/healthz", tags=["probes"], responses=refusals(503), summary="Alias of /livez")
    @app.get(
        "/livez", tags=["probes"], responses=refusals(503), summary="Is the worker's loop running?"
    )
    async def livez() -> HealthView:
        """200 while the worker's loop runs. No dependency is checked, because a restart would not
        fix it. `/healthz` is the same.
        """
        return _probe([health.alive()])

    @app.get(
        "/readyz", tags=["probes"], responses=refusals(503), summary="Can the worker do its work?"
    )
    def readyz() -> HealthView:
        """200 when the queue answered recently, the ledger can be written to and the credentials
        work; otherwise 503 with every check and why it failed.
        """
        return _probe(health.ready())


def _probe(checks: Sequence[HealthCheck]) -> HealthView:
    views = [CheckView(name=c.name, ok=c.ok, detail=c.detail) for c in checks]
    if not all(view.ok for view in views):
        raise UnhealthyError(views)
    return HealthView(status="ok", checks=views)


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
        """All series. Labels are words of the rules and of the code, never names or ids."""
        return Response(metrics.render(), media_type=CONTENT_TYPE)
