"""Routes of the decision history. They read the ledger and never change it."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import AwareDatetime, BaseModel, Field
from starlette.exceptions import HTTPException

from countermand.api.problems import refusals
from countermand.api.schemas import DecisionPage, DecisionView
from countermand.api.views import decision_page, decision_view
from countermand.core.errors import Permanent
from countermand.core.model import Severity, Verdict
from countermand.ports import DecisionQuery, Ledger

_PLAIN = r"^[^\x00-\x1f\x7f]+$"


class Filter(BaseModel):
    """Query parameters of `/decisions`. An absent parameter does not filter."""

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
        description="The `next_cursor` of the previous page, with the same filters.",
        examples=[
            "WyIyMDI1LTA2LTAxVDEyOjAwOjAwLjAwMDAwMCswMDowMCIsICJkLTBmMWUyZDNjNGI1YTY5Nzg4Nzk2Il0"
        ],
    )


type DecisionId = Annotated[
    str,
    Path(
        pattern=r"^d-[0-9a-f]{20}$",
        description="ID of the decision, as in the alert.",
        examples=["d-0f1e2d3c4b5a69788796"],
    ),
]


def add_decisions(app: FastAPI, ledger: Ledger, public_url: str) -> None:
    """Add `/decisions` and `/decisions/{decision_id}`."""

    @app.get(
        "/decisions",
        operation_id="list_decisions",
        tags=["decisions"],
        summary="The history of decisions",
        responses=refusals(401, 422, 503),
        dependencies=[Depends(_only(frozenset(Filter.model_fields)))],
    )
    def list_decisions(filters: Annotated[Filter, Query()]) -> DecisionPage:
        """Return the decisions that pass every filter, newest first. `next_cursor` leads to older
        ones.
        """
        if filters.since and filters.until and filters.since >= filters.until:
            raise _refused("until", "Should be later than since")
        try:
            page = ledger.find(DecisionQuery(**dict(filters)))
        except Permanent as error:
            raise _refused("cursor", "Not a cursor of these filters") from error
        return decision_page(page.records, page.next_cursor, public_url)

    @app.get(
        "/decisions/{decision_id}",
        operation_id="get_decision",
        tags=["decisions"],
        summary="One decision",
        responses=refusals(401, 404, 422, 503),
        dependencies=[Depends(_only(frozenset()))],
    )
    def get_decision(decision_id: DecisionId) -> DecisionView:
        """Return a decision with every reason, outcome, and time."""
        record = ledger.get(decision_id)
        if record is None:
            raise HTTPException(404, "There is no such decision.")
        return decision_view(record, public_url)


def _only(known: frozenset[str]) -> Callable[[Request], None]:
    """Reject parameters that are unknown or repeated: a filter that is ignored, or that a proxy
    reads differently, would show too much.
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
