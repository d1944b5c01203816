"""The history of decisions: their filters and the two routes that read them."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import AwareDatetime, BaseModel, Field
from starlette.exceptions import HTTPException

from countermand.api.problems import flaw, refusals, refused
from countermand.api.views import DecisionPage, DecisionView, decision_page, decision_view
from countermand.core.errors import Permanent
from countermand.core.model import Severity, Verdict
from countermand.ports import DecisionQuery, Ledger

_PLAIN = r"^[^\x00-\x1f\x7f]+$"


class Filter(BaseModel):
    """The query parameters of `/decisions`; an absent one does not filter."""

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


def add_decisions(app: FastAPI, ledger: Ledger, public_url: str) -> None:
    """Add the list of decisions and the route of one."""

    @app.get(
        "/decisions",
        tags=["decisions"],
        summary="The history of decisions",
        responses=refusals(401, 422, 503),
        dependencies=[Depends(_only(frozenset(Filter.model_fields)))],
    )
    def list_decisions(filters: Annotated[Filter, Query()]) -> DecisionPage:
        """Decisions that pass every filter, newest first. Follow `next_cursor` for older ones."""
        if filters.since and filters.until and filters.since >= filters.until:
            raise refused("until", "Should be later than since")
        try:
            page = ledger.find(DecisionQuery(**dict(filters)))
        except Permanent as error:
            raise refused("cursor", "Not a cursor of these filters") from error
        return decision_page(page.records, page.next_cursor, public_url)

    @app.get(
        "/decisions/{decision_id}",
        tags=["decisions"],
        summary="One decision",
        responses=refusals(401, 404, 422, 503),
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
        flaws = [flaw(n, "There is no such parameter") for n in names if n not in known]
        flaws += [flaw(n, "Given more than once") for n in known if names.count(n) > 1]
        if flaws:
            raise RequestValidationError(flaws)

    return check
