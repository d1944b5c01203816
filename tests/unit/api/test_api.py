import json
import logging
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
import pytest

from countermand.api.app import create_app
from countermand.api.problems import PROBLEM_TYPE
from countermand.api.server import ApiServer
from countermand.api.token import OPEN_PATHS
from countermand.api.views import decision_view
from countermand.core import model
from countermand.core.errors import ConfigError, Permanent, Transient
from countermand.core.model import (
    Actor,
    Call,
    Decision,
    Event,
    Finding,
    Guard,
    Mode,
    Outcome,
    Principal,
    Reason,
    Record,
    Ruling,
    Severity,
    Step,
    StepStatus,
    Subject,
    SubjectKind,
    Timings,
    Undo,
    Verdict,
)
from countermand.metrics import CONTENT_TYPE, Metrics
from countermand.ports import DecisionQuery, HealthCheck, Ledger, Page

with warnings.catch_warnings():
    # Starlette would have httpx2, its own fork; httpx works as well.
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

NOW = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)
TOKEN = "s3cr3t-token-of-the-tests"
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
USER_ARN = "arn:aws:iam::111122223333:user/iam-test-user"
PUBLIC_URL = "https://countermand.example.com"
BODY_SECRET = "AKIA-what-only-the-body-holds"


def decision_id(number: int) -> str:
    return model.decision_id(f"111122223333/event-{number}")


def make_record(number: int = 1, user_name: str = "iam-test-user") -> Record:
    """A simulated detach, with everything that a record can hold."""
    event = Event(
        id=f"111122223333/event-{number}",
        event_id=f"event-{number}",
        account_id="111122223333",
        region="us-east-1",
        source="iam.amazonaws.com",
        name="AttachUserPolicy",
        time=NOW - timedelta(seconds=7),
        actor=Actor("IAMUser", "arn:aws:iam::111122223333:user/mallory", "111122223333", ""),
        request={"secret": BODY_SECRET},
        body={"secret": BODY_SECRET},
    )
    subject = Subject(SubjectKind.USER, user_name)
    finding = Finding(
        rule_id="admin_policy_attached_to_user",
        title="Administrator policy attached to an IAM user",
        severity=Severity.CRITICAL,
        subject=subject,
        evidence={"policy_arn": ADMIN},
        remediation="detach_user_policy",
    )
    principal = Principal(
        kind=SubjectKind.USER,
        name=user_name,
        arn=USER_ARN,
        unique_id="AIDAEXAMPLE",
        path="/",
        created=NOW - timedelta(days=1),
        tags={"secret": BODY_SECRET},
    )
    reasons = (Reason(Guard.APPROVED, "Approved for remediation"),)
    ruling = Ruling(finding, Verdict.REMEDIATE, reasons, Mode.DRY_RUN, notify=True)
    params = {"user_name": user_name, "policy_arn": ADMIN}
    step = Step(Call("detach_user_policy", params), finding.rule_id, Mode.DRY_RUN)
    decision = Decision(
        event=event,
        rulings=(replace(ruling, principal=principal),),
        verdict=Verdict.REMEDIATE,
        steps=(step,),
        mode=Mode.DRY_RUN,
    )
    inverse = Call("undo_detach_user_policy", params)
    return Record(
        decision=decision,
        timings=Timings(NOW, NOW, NOW + timedelta(seconds=1), NOW + timedelta(seconds=2)),
        outcomes=(Outcome(step, StepStatus.SIMULATED, "dry run", inverse, NOW),),
        notified=("sns:simulated",),
        annotations=("came back",),
        undo=Undo("arn:aws:sts::111122223333:assumed-role/security/ana", NOW),
    )


class FakeLedger:
    """A list of records; the cursor is the number of those already shown."""

    def __init__(self, records: Sequence[Record] = ()) -> None:
        self.records = list(records)
        self.queries: list[DecisionQuery] = []
        self.error: Exception | None = None

    def get(self, decision_id: str) -> Record | None:
        self._maybe_fail()
        return next((r for r in self.records if r.decision.id == decision_id), None)

    def find(self, query: DecisionQuery) -> Page:
        self._maybe_fail()
        self.queries.append(query)
        if query.cursor is not None and not query.cursor.isdigit():
            raise Permanent("a bad cursor: secret internals")
        start = int(query.cursor or 0)
        end = start + query.limit
        more = str(end) if end < len(self.records) else None
        return Page(tuple(self.records[start:end]), more)

    def _maybe_fail(self) -> None:
        if self.error is not None:
            raise self.error


class FakeHealth:
    """Healthy, until `checks` say otherwise."""

    def __init__(self) -> None:
        self.loop = HealthCheck("worker_loop", ok=True, detail="last round 1 s ago")
        self.checks = [HealthCheck("queue", ok=True, detail="last good poll 3 s ago")]

    def alive(self) -> HealthCheck:
        return self.loop

    def ready(self) -> list[HealthCheck]:
        return [self.loop, *self.checks]


class Bench:
    """An API with its fakes, and a client of it."""

    def __init__(self, records: Sequence[Record] = (), token: str | None = None) -> None:
        self.ledger = FakeLedger(records)
        self.health = FakeHealth()
        self.metrics = Metrics()
        self.app = create_app(
            cast("Ledger", self.ledger), self.health, self.metrics, token, PUBLIC_URL
        )
        self.client = TestClient(self.app, raise_server_exceptions=False)

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        response: httpx.Response = self.client.get(url, headers=headers)
        return response

    def openapi(self) -> dict[str, Any]:
        document: dict[str, Any] = self.get("/openapi.json").json()
        return document


@pytest.fixture
def bench() -> Bench:
    return Bench([make_record(number) for number in (3, 2, 1)])


@pytest.fixture
def guarded() -> Bench:
    return Bench([make_record()], token=TOKEN)


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """The problem document of an answer that must be one."""
    assert response.status_code == status
    assert response.headers["content-type"] == PROBLEM_TYPE
    document: dict[str, Any] = response.json()
    assert document["type"] == "about:blank"
    assert document["status"] == status
    assert document.keys() >= {"title", "detail", "instance"}
    return document


# --- decisions ---------------------------------------------------------------------------------


def test_decisions_are_listed_newest_first(bench: Bench) -> None:
    """The API lists decisions in the order in which the ledger gives them."""
    page = bench.get("/decisions").json()
    assert [d["decision_id"] for d in page["decisions"]] == [decision_id(n) for n in (3, 2, 1)]
    assert page["next_cursor"] is None


def test_every_filter_reaches_the_ledger(bench: Bench) -> None:
    filters = {
        "verdict": "remediate",
        "rule_id": "admin_policy_attached_to_user",
        "severity": "critical",
        "target": "iam-test-user",
        "actor": "arn:aws:iam::111122223333:user/mallory",
        "account_id": "111122223333",
        "since": "2026-11-01T00:00:00Z",
        "until": "2026-12-01T01:00:00+01:00",
        "limit": "7",
        "cursor": "2",
    }
    assert bench.client.get("/decisions", params=filters).status_code == 200
    assert bench.ledger.queries == [
        DecisionQuery(
            verdict=Verdict.REMEDIATE,
            rule_id="admin_policy_attached_to_user",
            severity=Severity.CRITICAL,
            target="iam-test-user",
            actor="arn:aws:iam::111122223333:user/mallory",
            account_id="111122223333",
            since=datetime(2026, 11, 1, tzinfo=UTC),
            until=datetime(2026, 12, 1, tzinfo=UTC),
            limit=7,
            cursor="2",
        )
    ]


def test_the_default_limit_is_fifty(bench: Bench) -> None:
    """Without filters the API asks the ledger for fifty records."""
    bench.get("/decisions")
    assert bench.ledger.queries == [DecisionQuery(limit=50)]


def test_the_cursor_leads_through_all_pages(bench: Bench) -> None:
    seen, cursor = [], None
    for _ in range(3):
        page = bench.get("/decisions?limit=1" + (f"&cursor={cursor}" if cursor else "")).json()
        seen += [d["decision_id"] for d in page["decisions"]]
        cursor = page["next_cursor"]
    assert seen == [decision_id(n) for n in (3, 2, 1)]
    assert cursor is None


def test_a_decision_shows_what_is_promised(bench: Bench) -> None:
    """A decision shows exactly what is promised."""
    params = {"user_name": "iam-test-user", "policy_arn": ADMIN}
    assert bench.get(f"/decisions/{decision_id(1)}").json() == {
        "decision_id": decision_id(1),
        "event_id": "event-1",
        "event_name": "AttachUserPolicy",
        "event_time": "2026-11-23T12:00:23Z",
        "account_id": "111122223333",
        "region": "us-east-1",
        "actor": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/mallory"},
        "target": {
            "kind": "user",
            "name": "iam-test-user",
            "arn": USER_ARN,
            "unique_id": "AIDAEXAMPLE",
        },
        "rule_id": "admin_policy_attached_to_user",
        "title": "Administrator policy attached to an IAM user",
        "severity": "critical",
        "verdict": "remediate",
        "approved_for_remediation": True,
        "mode": "dry-run",
        "decision_reason": "Approved for remediation",
        "rulings": [
            {
                "rule_id": "admin_policy_attached_to_user",
                "severity": "critical",
                "verdict": "remediate",
                "mode": "dry-run",
                "reasons": [{"guard": "approved", "text": "Approved for remediation"}],
                "evidence": {"policy_arn": ADMIN},
            }
        ],
        "outcome": "simulated",
        "outcomes": [
            {
                "action": "detach_user_policy",
                "params": params,
                "status": "simulated",
                "detail": "dry run",
                "at": "2026-11-23T12:00:30Z",
                "inverse": {"action": "undo_detach_user_policy", "params": params},
            }
        ],
        "notified": ["sns:simulated"],
        "annotations": ["came back"],
        "undo": {
            "by": "arn:aws:sts::111122223333:assumed-role/security/ana",
            "at": "2026-11-23T12:00:30Z",
            "reason": "",
        },
        "timings": {
            "received_at": "2026-11-23T12:00:30Z",
            "decided_at": "2026-11-23T12:00:30Z",
            "remediated_at": "2026-11-23T12:00:31Z",
            "notified_at": "2026-11-23T12:00:32Z",
        },
        "caller": None,
        "techniques": [],
        "references": [],
        "links": {"self": f"{PUBLIC_URL}/decisions/{decision_id(1)}"},
    }


def test_nothing_of_the_body_or_the_tags_is_shown(bench: Bench) -> None:
    assert BODY_SECRET not in bench.get("/decisions").text
    assert BODY_SECRET not in bench.get(f"/decisions/{decision_id(1)}").text


def test_hidden_and_unread_targets() -> None:
    """A hidden target is null, and an unread one has only a name."""
    record = make_record()
    ruling = replace(record.decision.rulings[0], principal=None)
    unread = replace(record, decision=replace(record.decision, rulings=(ruling,)))
    target = decision_view(unread).target
    assert target is not None
    assert (target.name, target.arn, target.unique_id) == ("iam-test-user", None, None)
    blind = replace(ruling, finding=replace(ruling.finding, subject=None))
    hidden = replace(record, decision=replace(record.decision, rulings=(blind,)))
    assert decision_view(hidden).target is None


def test_a_hostile_name_stays_data(bench: Bench) -> None:
    name = '"><script>alert(1)</script>\r\nSet-Cookie: x\u202e\x00'
    bench.ledger.records = [make_record(user_name=name)]
    response = bench.get("/decisions")
    assert response.json()["decisions"][0]["target"]["name"] == name
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in response.headers


# --- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("verdict=REMEDIATE", "verdict"),
        ("verdict=' OR 1=1 --", "verdict"),
        ("severity=worst", "severity"),
        ("rule_id=../../etc/passwd", "rule_id"),
        ("account_id=1", "account_id"),
        ("target=" + "a" * 129, "target"),
        ("target=a%00b", "target"),
        ("target=", "target"),
        ("actor=a%0d%0ab", "actor"),
        ("since=yesterday", "since"),
        ("since=2026-11-23T12:00:00", "since"),
        ("since=2026-11-23T12:00:00Z&until=2026-11-23T12:00:00Z", "until"),
        ("cursor=not-a-number", "cursor"),
        ("cursor=" + "1" * 1025, "cursor"),
        ("user=x", "user"),
        ("Limit=5", "Limit"),
        ("limit=5&limit=6", "limit"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(bench: Bench, query: str, name: str) -> None:
    document = problem(bench.get(f"/decisions?{query}"), 422)
    assert [error["name"] for error in document["errors"]] == [name]
    assert document["errors"][0]["reason"]
    assert "secret internals" not in json.dumps(document)


def test_every_wrong_parameter_is_named_at_once(bench: Bench) -> None:
    document = problem(bench.get("/decisions?limit=0&verdict=x&since=y"), 422)
    assert {error["name"] for error in document["errors"]} == {"limit", "verdict", "since"}


def test_a_refusal_does_not_repeat_what_was_sent(bench: Bench) -> None:
    response = bench.get("/decisions?target=%00<script>&limit=<script>")
    problem(response, 422)
    assert "script" not in response.text


def test_an_unknown_decision_is_not_found(bench: Bench) -> None:
    document = problem(bench.get(f"/decisions/{decision_id(99)}"), 404)
    assert document["detail"] == "There is no such decision."
    assert document["instance"] == f"/decisions/{decision_id(99)}"


@pytest.mark.parametrize("wrong", ["x", "d-1", "D-" + "0" * 20, "d-" + "0" * 21])
def test_the_ledger_gets_no_malformed_id(bench: Bench, wrong: str) -> None:
    """An ID of the wrong form never reaches the ledger."""
    bench.ledger.error = AssertionError("the ledger was asked")
    document = problem(bench.get(f"/decisions/{wrong}"), 422)
    assert [error["name"] for error in document["errors"]] == ["decision_id"]


def test_a_single_decision_takes_no_parameters(bench: Bench) -> None:
    problem(bench.get(f"/decisions/{decision_id(1)}?fields=body"), 422)


@pytest.mark.parametrize(
    "path", ["/", "/decisions/", "/docs", "/redoc", "/admin", "/decisions/x/y", "/..%2f", "/livez/"]
)
def test_an_unknown_path_is_a_problem_document(bench: Bench, path: str) -> None:
    """An unknown path is a problem document and no redirect."""
    document = problem(bench.client.get(path, follow_redirects=False), 404)
    assert document["title"] == "Not Found"
    assert document["detail"] == "There is nothing at this path."


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/decisions", f"/decisions/{decision_id(1)}", "/metrics"])
def test_nothing_can_be_changed(bench: Bench, method: str, path: str) -> None:
    response = bench.client.request(method, path)
    problem(response, 405)
    assert response.headers["allow"] == "GET"


def test_an_unavailable_ledger_is_reported(bench: Bench) -> None:
    """The API answers that a ledger that is down is unavailable."""
    bench.ledger.error = Transient("dynamodb:Query failed: Throttling")
    for path in ("/decisions", f"/decisions/{decision_id(1)}"):
        response = bench.get(path)
        problem(response, 503)
        assert response.headers["retry-after"] == "5"
        assert "Throttling" not in response.text


def test_a_bug_leaks_nothing(bench: Bench) -> None:
    bench.ledger.error = RuntimeError("SELECT * FROM secret_internals")
    response = bench.get("/decisions")
    problem(response, 500)
    assert "secret_internals" not in response.text
    assert response.headers["x-content-type-options"] == "nosniff"


def test_a_hostile_path_is_encoded(bench: Bench) -> None:
    """A hostile path comes back encoded and short."""
    document = problem(bench.get("/%3Cscript%3E%0d%0a" + "a" * 5000 + "?token=x"), 404)
    assert "<" not in document["instance"]
    assert "token" not in document["instance"]
    assert len(document["instance"]) < 300


@pytest.mark.parametrize(
    "path", ["/decisions", "/decisions?x=y", "/nowhere", "/livez", "/metrics", "/openapi.json"]
)
def test_every_answer_has_the_security_headers(bench: Bench, path: str) -> None:
    """Every answer has the security headers and no CORS."""
    headers = bench.get(path, {"Origin": "https://evil.example"}).headers
    assert headers.get_list("cache-control") == ["no-store"]
    assert headers.get_list("x-content-type-options") == ["nosniff"]
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert not [name for name in headers if name.startswith("access-control")]


# --- the token ---------------------------------------------------------------------------------


def test_the_right_token_opens_the_decisions(guarded: Bench) -> None:
    for scheme in ("Bearer", "bearer"):
        headers = {"Authorization": f"{scheme} {TOKEN}"}
        assert guarded.get("/decisions", headers).status_code == 200


@pytest.mark.parametrize(
    "path", ["/decisions", "/decisions/x", "/openapi.json", "/docs", "/nowhere", "/", "/livez/"]
)
def test_without_the_token_every_path_is_refused(guarded: Bench, path: str) -> None:
    """Without the token nobody can guess which paths exist."""
    response = guarded.get(path)
    problem(response, 401)
    assert response.headers["www-authenticate"] == 'Bearer realm="countermand"'
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "value",
    [
        b"Bearer wrong",
        b"Bearer " + TOKEN.encode()[:-1],
        b"Bearer " + TOKEN.encode() + b"x",
        b"Bearer",
        b"Bearer ",
        b"",
        TOKEN.encode(),
        b"Basic " + TOKEN.encode(),
        b"Bearer " + TOKEN.upper().encode(),
        "Bearer tökén".encode(),
        b"Bearer \xff\xfe",
        b"Bearer " + b"a" * 8000,
    ],
)
def test_a_wrong_token_is_refused(guarded: Bench, value: bytes) -> None:
    """A wrong token is refused, whatever its bytes."""
    response = guarded.client.get("/decisions", headers=[(b"authorization", value)])
    problem(response, 401)
    assert 'error="invalid_token"' in response.headers["www-authenticate"]


def test_two_tokens_are_refused(guarded: Bench) -> None:
    """Two tokens are refused even if one is right."""
    right, wrong = f"Bearer {TOKEN}", "Bearer wrong"
    headers = [("authorization", right), ("authorization", wrong)]
    assert guarded.client.get("/decisions", headers=headers).status_code == 401


def test_a_token_in_the_query_is_not_a_token(guarded: Bench) -> None:
    assert guarded.get(f"/decisions?access_token={TOKEN}").status_code == 401


def test_the_path_comes_before_the_method(guarded: Bench) -> None:
    """The guard looks at the path before the method."""
    assert guarded.client.post("/decisions").status_code == 401


@pytest.mark.parametrize("path", sorted(OPEN_PATHS))
def test_probes_and_metrics_need_no_token(guarded: Bench, path: str) -> None:
    assert guarded.get(path).status_code == 200


# --- probes and metrics ------------------------------------------------------------------------


def test_a_healthy_worker_is_alive_and_ready(bench: Bench) -> None:
    loop = {"name": "worker_loop", "ok": True, "detail": "last round 1 s ago"}
    queue = {"name": "queue", "ok": True, "detail": "last good poll 3 s ago"}
    assert bench.get("/livez").json() == {"status": "ok", "checks": [loop]}
    assert bench.get("/healthz").json() == {"status": "ok", "checks": [loop]}
    assert bench.get("/readyz").json() == {"status": "ok", "checks": [loop, queue]}


def test_a_worker_without_queue_is_not_ready(bench: Bench) -> None:
    """A worker whose queue is down is alive and not ready."""
    bench.health.checks = [
        HealthCheck("queue", ok=False, detail="no answer from SQS yet"),
        HealthCheck("ledger", ok=True, detail="writable"),
    ]
    document = problem(bench.get("/readyz"), 503)
    assert document["detail"] == "queue: no answer from SQS yet"
    assert [(c["name"], c["ok"]) for c in document["checks"]] == [
        ("worker_loop", True),
        ("queue", False),
        ("ledger", True),
    ]
    assert bench.get("/livez").status_code == 200
    assert bench.get("/healthz").status_code == 200


def test_a_hung_worker_loop_is_not_alive(bench: Bench) -> None:
    """A worker whose loop makes no progress is not alive."""
    bench.health.loop = HealthCheck("worker_loop", ok=False, detail="last round 100 s ago")
    for path in ("/livez", "/healthz", "/readyz"):
        document = problem(bench.get(path), 503)
        assert document["detail"] == "worker_loop: last round 100 s ago"


def test_liveness_does_not_ask_the_ledger(bench: Bench) -> None:
    bench.ledger.error = RuntimeError("down")
    assert bench.get("/livez").status_code == 200


def test_metrics_are_in_the_text_format(bench: Bench) -> None:
    bench.metrics.events_received.inc()
    response = bench.get("/metrics")
    assert response.headers["content-type"] == CONTENT_TYPE
    assert "countermand_events_received_total 1.0" in response.text


# --- OpenAPI -----------------------------------------------------------------------------------


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for operation in item.values():
            yield path, operation


def test_openapi_lists_the_promised_routes_only(bench: Bench) -> None:
    """OpenAPI lists the promised routes and no way to change anything."""
    paths = bench.openapi()["paths"]
    assert set(paths) == OPEN_PATHS | {"/decisions", "/decisions/{decision_id}"}
    assert {method for item in paths.values() for method in item} == {"get"}


def test_every_operation_is_described(bench: Bench) -> None:
    """Every operation has examples and problem documents."""
    for path, operation in operations(bench.openapi()):
        assert operation["summary"], path
        assert operation["description"], path
        for parameter in operation.get("parameters", []):
            assert parameter["description"], (path, parameter["name"])
            assert "examples" in parameter["schema"] or "examples" in parameter
        assert operation["responses"]["200"]["content"], path
        for status, response in operation["responses"].items():
            if status != "200":
                example = response["content"][PROBLEM_TYPE]["example"]
                assert example["status"] == int(status), path


def test_operations_name_their_refusals(bench: Bench) -> None:
    """Every operation on decisions names its refusals."""
    paths = bench.openapi()["paths"]
    assert set(paths["/decisions"]["get"]["responses"]) == {"200", "401", "422", "500", "503"}
    one = paths["/decisions/{decision_id}"]["get"]["responses"]
    assert set(one) == {"200", "401", "404", "422", "500", "503"}


def test_every_schema_is_described(bench: Bench) -> None:
    """Every schema has a description and every leaf an example."""
    schemas = bench.openapi()["components"]["schemas"]
    assert "HTTPValidationError" not in schemas
    for name, schema in schemas.items():
        assert schema["description"], name
        for key, field in schema.get("properties", {}).items():
            assert field["description"], (name, key)
            nested = "$ref" in json.dumps(field)
            assert nested or "examples" in field, (name, key)


def test_openapi_references_lead_somewhere(bench: Bench) -> None:
    """Every reference in OpenAPI leads somewhere."""
    document = bench.openapi()
    text = json.dumps(document)
    for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in document["components"]["schemas"], name


def test_openapi_shows_which_routes_need_a_token(guarded: Bench) -> None:
    """OpenAPI shows which routes need the token."""
    document = guarded.get("/openapi.json", {"Authorization": f"Bearer {TOKEN}"}).json()
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    for path, operation in operations(document):
        assert operation["security"] == ([] if path in OPEN_PATHS else [{"token": []}]), path


def test_openapi_names_the_public_address(bench: Bench) -> None:
    assert bench.openapi()["servers"] == [{"url": PUBLIC_URL}]


# --- a real server -----------------------------------------------------------------------------


@contextmanager
def served(bench: Bench) -> Iterator[ApiServer]:
    server = ApiServer(bench.app, "127.0.0.1", 0)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def fetch(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=5) as answer:
        document: dict[str, Any] = json.load(answer)
        return document


def test_a_real_server_answers_and_stops(bench: Bench) -> None:
    """A real server answers on a free port and stops quickly."""
    with served(bench) as server:
        assert server.port > 0
        assert server.url == f"http://127.0.0.1:{server.port}"
        assert len(fetch(f"{server.url}/decisions")["decisions"]) == 3
        started = time.monotonic()
    assert time.monotonic() - started < 2
    with pytest.raises(urllib.error.URLError):
        fetch(f"{server.url}/livez")


def test_a_taken_port_is_a_configuration_error(bench: Bench) -> None:
    """The error names the variable of the port."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        server = ApiServer(bench.app, "127.0.0.1", other.getsockname()[1])
        with pytest.raises(ConfigError, match=r"COUNTERMAND_API_PORT.*[Aa]ddress already in use"):
            server.start()
        server.stop()


def test_an_unknown_host_is_a_configuration_error(bench: Bench) -> None:
    with pytest.raises(ConfigError, match="COUNTERMAND_API_HOST"):
        ApiServer(bench.app, "999.999.999.999", 0).start()


def test_a_server_can_be_stopped_at_any_time(bench: Bench) -> None:
    """A server can be stopped twice, and before its start."""
    ApiServer(bench.app, "127.0.0.1", 0).stop()
    with served(bench) as server:
        server.stop()


def test_liveness_answers_while_readers_wait(bench: Bench) -> None:
    """Liveness answers while every reader waits for the ledger."""
    release = threading.Event()
    bench.ledger.find = lambda _query: release.wait(30) and Page(())  # type: ignore[method-assign,assignment,return-value]
    with served(bench) as server:
        readers = [
            threading.Thread(target=fetch, args=(f"{server.url}/decisions",)) for _ in range(50)
        ]
        for reader in readers:
            reader.start()
        try:
            assert fetch(f"{server.url}/livez")["status"] == "ok"
        finally:
            release.set()
            for reader in readers:
                reader.join()


def test_a_bug_is_logged_with_its_trace(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.ledger.error = RuntimeError("SELECT * FROM secret_internals")
    with caplog.at_level(logging.ERROR), served(bench) as server:
        with pytest.raises(urllib.error.HTTPError) as caught:
            fetch(f"{server.url}/decisions")
        with caught.value as answer:
            assert json.load(answer)["status"] == 500
    assert any(r.exc_info and "secret_internals" in str(r.exc_info[1]) for r in caplog.records)


def test_nothing_heavy_is_imported_at_run_time() -> None:
    code = "import sys, countermand.api; print(*{m.partition('.')[0] for m in sys.modules})"
    answer = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": "service"},
    )
    assert not {"httpx", "httpx2", "jinja2", "boto3", "rich", "uvloop"} & set(answer.stdout.split())
