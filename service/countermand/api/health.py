"""Answer the probes of kubelet, ECS, and load balancers."""

from collections.abc import Sequence
from typing import Protocol

from pydantic import BaseModel, Field

from countermand.ports import HealthCheck


class Health(Protocol):
    """The health of the worker. Anyone may read the details: no ARNs, no names."""

    def alive(self) -> HealthCheck:
        """Whether the receive loop is running. Must not wait: it is called on the event loop."""
        ...

    def ready(self) -> Sequence[HealthCheck]:
        """Check the last successful poll, the ledger, and the credentials."""
        ...


class CheckView(BaseModel):
    """One check of the worker's health."""

    name: str = Field(description="What was checked.", examples=["queue"])
    ok: bool = Field(description="Whether the check passed.", examples=[True])
    detail: str = Field(description="Why, or why not.", examples=["last good poll 3 s ago"])


class HealthView(BaseModel):
    """Every check passed. Otherwise the answer is a problem document with the same `checks`."""

    status: str = Field(description="Always `ok`.", examples=["ok"])
    checks: list[CheckView] = Field(description="Every check.")


class UnhealthyError(Exception):
    """Raised when a check failed."""

    def __init__(self, checks: list[CheckView]) -> None:
        super().__init__("; ".join(f"{c.name}: {c.detail}" for c in checks if not c.ok))
        self.checks = checks


def healthy(checks: Sequence[HealthCheck]) -> HealthView:
    """Return the answer of a probe. Raises `UnhealthyError` when a check failed."""
    views = [CheckView(name=c.name, ok=c.ok, detail=c.detail) for c in checks]
    if not all(view.ok for view in views):
        raise UnhealthyError(views)
    return HealthView(status="ok", checks=views)
