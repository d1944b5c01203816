"""Ports: what the service needs from the outside world, and nothing more.

`aws/` implements them for AWS, `ledger/` for its two stores, `tests/support/fakes.py` for tests.
Every method raises only the errors of `core.errors`: `Transient` when a retry may help, `Denied`
for a missing permission, `Permanent` for a request that AWS will never accept.

Each of the worker's own calls to SQS, SNS and IAM has a method here; actions name theirs through
`Cloud`. More than 300 lines in one file, because it is the list of what the worker may call: a
reader checks its permissions in one place.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from countermand.core.model import (
    Alert,
    Baseline,
    Finding,
    Principal,
    Record,
    Severity,
    Subject,
    Undo,
    Verdict,
)


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """Return the time in UTC, with its zone."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """One SQS message in hand."""

    id: str
    body: str
    receipt: str
    receive_count: int


class Queue(Protocol):
    """The queue. Only `worker/ack.py` deletes and returns messages."""

    def receive(self, at_most: int, wait_seconds: int) -> Sequence[Message]:
        """Receive up to `at_most` (1 to 10) messages, or none after a long poll of 0 to 20 s."""
        ...

    def delete(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Delete up to 10 messages and return those that SQS did not delete."""
        ...

    def return_in(self, messages: Sequence[Message], seconds: float) -> Sequence[Message]:
        """Make up to 10 messages visible again after so many seconds; 0 means at once.

        Return those that SQS did not change.
        """
        ...


class Identities(Protocol):
    """The live state of principals, which governance reads in every mode."""

    def read(self, subject: Subject) -> Principal | None:
        """Return the user, role or group with its tags and attached policies; None if there is no
        such principal.
        """
        ...


class Cloud(Protocol):
    """AWS calls for the actions, by their IAM names. Requests and answers are as in boto3.

    https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
    """

    def call(self, operation: str, **request: Any) -> Any:  # noqa: ANN401  as boto3
        """Make a call, for example `call("iam:DetachUserPolicy", UserName=..., PolicyArn=...)`.

        Raises `Gone` when AWS has no such thing.
        """
        ...

    def items(self, operation: str, key: str, **request: Any) -> Sequence[Any]:  # noqa: ANN401
        """Return all items under `key` of a call that answers in pages; raises `Gone` as above."""
        ...

    def each(self, operation: str, key: str, **request: Any) -> Iterator[Any]:  # noqa: ANN401
        """Yield the same items with one page in memory at a time: for a whole account."""
        ...

    def __hash__(self) -> int:
        """Hash by identity, because caches are kept for each instance."""
        ...


class Topic(Protocol):
    """The SNS topic of the alerts."""

    def publish(self, subject: str, message: str, attributes: Mapping[str, str]) -> str:
        """Publish a message of structure `json`, and return its ID."""
        ...


class Notifier(Protocol):
    """A channel that carries alerts."""

    @property
    def channel(self) -> str:
        """The short name, which is a metric label."""
        ...

    def send(self, alert: Alert) -> str:
        """Send the alert and return the channel's own ID of the message; raises on failure."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What an action would do to a target, read live."""

    params: Mapping[str, str]
    """All that `apply`, `is_present` and `undo` need; stored with the decision."""
    created: datetime | None = None
    """When the thing was created that the action would remove; None when that does not matter."""
    role_arns: tuple[str, ...] = ()
    """The roles that the target carries: the action affects every principal that uses them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionInfo:
    """What rules, IAM policies and docs need to know about an action."""

    name: str
    """The name by which a rule asks for the action."""
    description: str
    needs: tuple[str, ...] = ()
    """The evidence that the rule must supply, for example `policy_arn`."""
    reads: tuple[str, ...]
    """The IAM actions that `plan` and `is_present` need, in every mode."""
    writes: tuple[str, ...]
    """The IAM actions that `apply` needs, for example `iam:DetachUserPolicy`."""
    undo_calls: tuple[str, ...] = ()
    """The IAM actions that `undo` needs, with the operator's permissions."""


class Action(Protocol):
    """One way to revert a change; each is one module in `actions/`.

    The pipeline calls `plan`, then `apply`, then `is_present` until the change is gone. A dry run
    ends after `plan`.
    """

    @property
    def info(self) -> ActionInfo: ...

    def plan(self, cloud: Cloud, finding: Finding, principal: Principal | None) -> Plan | None:
        """Read AWS and return what `apply` would do; None when the change is no longer there.

        `principal` is the finding's subject as just read, or None if the subject is no principal.
        Raises `CannotRestore` when the previous value is unknown, and `Benign` when the
        change is there but gives nothing.
        """
        ...

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        """Revert the change, and return False if there was nothing to revert."""
        ...

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        """Read AWS and return whether the change is (still) there."""
        ...

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        """Restore what `apply` removed or replaced."""
        ...


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One condition of the worker's health."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class EventLease:
    """The right to work on one event until the lease ends.

    Each new owner gets a higher fencing token, and every write carries it, so the ledger refuses
    the writes of a former owner with `LostLease`.
    """

    key: str
    owner: str
    fencing_token: int
    record: Record | None = None
    """The record that an earlier attempt stored."""


@dataclass(frozen=True, slots=True)
class Done:
    """The event was decided before, so only the message is left to delete."""


@dataclass(frozen=True, slots=True)
class Busy:
    """Another worker holds the lease, for at most `retry_in` more seconds."""

    retry_in: float


@dataclass(frozen=True, slots=True)
class Conflict:
    """The same event ID was leased or done with another payload: one of the two is forged."""


@dataclass(frozen=True, slots=True)
class DecisionQuery:
    """Filters of the decision history. None does not filter; `since` <= decided_at < `until`."""

    verdict: Verdict | None = None
    rule_id: str | None = None
    severity: Severity | None = None
    target: str | None = None
    actor: str | None = None
    account_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Records, newest first; `next_cursor` is None on the last page.

    A page may be short, or empty, and still have a next page, because its cost is bounded.
    """

    records: tuple[Record, ...]
    next_cursor: str | None = None


class Ledger(Protocol):
    """The idempotency record and the history of decisions; see `ledger/__init__.py`."""

    def acquire(
        self, key: str, digest: str, lease_seconds: float
    ) -> EventLease | Done | Busy | Conflict:
        """Take the event `key`. `digest` is a hash of its payload, which exposes a forgery."""
        ...

    def renew(self, lease: EventLease, lease_seconds: float) -> None:
        """Extend the lease from now; raises `LostLease` when another worker took over."""
        ...

    def save(self, lease: EventLease, record: Record) -> None:
        """Store the record so far; raises `LostLease` when another worker took over."""
        ...

    def finish(self, lease: EventLease, record: Record) -> None:
        """Store the record for the last time and mark the event as done."""
        ...

    def release(self, lease: EventLease) -> None:
        """End the lease early, so that a retry need not wait for its end."""
        ...

    def get(self, decision_id: str) -> Record | None:
        """Return one record by decision ID; None if it is unknown."""
        ...

    def find(self, query: DecisionQuery) -> Page:
        """Return records by filter, newest first; raises `Permanent` for an invalid cursor."""
        ...

    def mark_undone(self, decision_id: str, undo: Undo, grants: Sequence[str]) -> Record:
        """Store an undo with its record and for each of its grants.

        Raises `Permanent` if the decision is unknown or already undone.
        """
        ...

    def undo_of(self, grant: str) -> Undo | None:
        """Return the latest undo under this key (see `facts.grant_key`) within the retention."""
        ...

    def save_baseline(self, name: str, baseline: Baseline) -> None:
        """Store the value of an aspect (see `history.py`), unless a later one is stored."""
        ...

    def baseline(self, name: str) -> Baseline | None:
        """Return the latest baseline within the retention."""
        ...

    def add_marker(self, window: str, marker: str) -> None:
        """Add a marker to a correlation window that all replicas share.

        A window keeps about its first 1,000 markers.
        """
        ...

    def markers(self, windows: Sequence[str]) -> frozenset[str]:
        """Return the markers of all these windows, with all that were added before the call."""
        ...

    def check(self) -> None:
        """Check that the ledger can be written to now; raises `Transient` if not."""
        ...

    def close(self) -> None:
        """Close files and connections."""
        ...
