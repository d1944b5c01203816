"""Stand-ins for the ports: they keep state, record every call, and fail on demand.

`fake.fail["method"] = [error, error]` raises these errors, one a call, before it works again.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from countermand.core.errors import Gone
from countermand.core.model import Alert, Principal, Subject, SubjectKind
from countermand.ports import Message

ACCOUNT = "111122223333"
NOW = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"


class FrozenClock:
    """Time that a test moves."""

    def __init__(self, now: datetime = NOW) -> None:
        self._now = now
        self._monotonic = 1000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)


class Recorder:
    """What all fakes share: the calls, and the errors to come."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[object, ...]]] = []
        self.fail: defaultdict[str, list[Exception]] = defaultdict(list)
        self._recording = threading.Lock()

    def record(self, method: str, *arguments: object) -> None:
        with self._recording:
            self.calls.append((method, arguments))
            error = self.fail[method].pop(0) if self.fail[method] else None
        if error is not None:
            raise error

    def called(self, method: str) -> list[tuple[object, ...]]:
        return [arguments for name, arguments in self.calls if name == method]


def user(name: str = "iam-test-user", **changes: object) -> Principal:
    """A user with AdministratorAccess, created a year before NOW."""
    principal = Principal(
        kind=SubjectKind.USER,
        name=name,
        arn=f"arn:aws:iam::{ACCOUNT}:user/{name}",
        unique_id=f"AIDA{name.upper()}",
        path="/",
        created=NOW - timedelta(days=365),
        tags={},
        policy_arns=frozenset({ADMIN}),
    )
    return replace(principal, **changes)  # type: ignore[arg-type]


class FakeIdentities(Recorder):
    """IAM with some principals, as `Identities` and as `Cloud`.

    `sticky` policies survive a detach; `stale_reads` is how often a read still shows what a detach
    took away, as IAM does for some seconds.
    """

    def __init__(self, *principals: Principal) -> None:
        super().__init__()
        self.principals = {(p.kind, p.name): p for p in principals}
        self.sticky = False
        self.stale_reads = 0
        self.documents: dict[str, list[object]] = {}
        """The versions of managed policies by ARN; the last one is the default."""

    def read(self, subject: Subject) -> Principal | None:
        self.record("read", subject)
        return self.principals.get((subject.kind, subject.name))

    def call(self, operation: str, **request: Any) -> Any:
        """As `Cloud.call`; recorded and failed by the operation's name."""
        self.record(operation, *request.values())
        if operation.startswith("iam:GetPolicy"):
            return self._policy(operation, **request)
        kind, name, *others = _entity(operation), *request.values()
        if operation == f"iam:Get{kind.capitalize()}":
            found = self.principals.get((kind, name))
            if found is None:
                raise Gone(f"{operation}: NoSuchEntity")
            entity = kind.capitalize()
            shown = {f"{entity}Id": found.unique_id, f"{entity}Name": name, "Arn": found.arn}
            return {entity: shown}
        (policy_arn,) = others
        match operation.partition(":")[2].partition(kind.capitalize())[0]:
            case "Detach":
                if not self.attached(name, policy_arn, kind):
                    raise Gone(f"{operation}: NoSuchEntity")
                if not self.sticky:
                    self._change(kind, name, lambda arns: arns - {policy_arn})
            case "Attach":
                self._change(kind, name, lambda arns: arns | {policy_arn})
            case _:
                raise NotImplementedError(operation)
        return None

    def _policy(self, operation: str, **request: str) -> Any:
        versions = self.documents.get(request["PolicyArn"])
        if versions is None:
            raise Gone(f"{operation}: NoSuchEntity")
        if operation == "iam:GetPolicy":
            identity = f"ANPA{id(versions)}"
            return {"Policy": {"PolicyId": identity, "DefaultVersionId": f"v{len(versions)}"}}
        return {"PolicyVersion": {"Document": versions[int(request["VersionId"][1:]) - 1]}}

    def items(self, operation: str, key: str, **request: Any) -> Sequence[Any]:
        """As `Cloud.items`, of attached policies."""
        (name,) = request.values()
        self.record(operation, name)
        found = self.principals.get((_entity(operation), name))
        if found is None:
            raise Gone(f"{operation}: NoSuchEntity")
        arns = found.policy_arns
        if self.stale_reads and ADMIN not in arns:
            self.stale_reads -= 1
            arns = arns | {ADMIN}
        assert key == "AttachedPolicies"
        return [{"PolicyArn": arn} for arn in sorted(arns)]

    def each(self, operation: str, key: str, **request: Any) -> Iterator[Any]:
        """As `Cloud.each`."""
        yield from self.items(operation, key, **request)

    def attached(
        self, name: str, policy_arn: str = ADMIN, kind: SubjectKind = SubjectKind.USER
    ) -> bool:
        """The state, without a call."""
        found = self.principals.get((kind, name))
        return found is not None and policy_arn in found.policy_arns

    @property
    def writes(self) -> list[str]:
        return [name for name, _ in self.calls if ":Attach" in name or ":Detach" in name]

    def _change(self, kind: SubjectKind, name: str, change: "Change") -> None:
        key = (kind, name)
        if key in self.principals:
            found = self.principals[key]
            self.principals[key] = replace(found, policy_arns=change(found.policy_arns))


class FakeNotifier(Recorder):
    """A channel that keeps its alerts."""

    def __init__(self, channel: str = "sns") -> None:
        super().__init__()
        self.channel = channel
        self.alerts: list[Alert] = []

    def send(self, alert: Alert) -> str:
        self.record("send", alert)
        self.alerts.append(alert)
        return f"message-{len(self.alerts)}"


class FakeTopic(Recorder):
    """SNS."""

    def publish(self, subject: str, message: str, attributes: Mapping[str, str]) -> str:
        self.record("publish", subject, message, dict(attributes))
        return "message-1"


@dataclass
class Held:
    """A message on the fake queue."""

    message: Message
    visible_at: float = 0.0
    deletes_to_fail: int = 0


class FakeQueue(Recorder):
    """SQS with visibility, receive counts and a dead-letter queue, on a fake clock."""

    def __init__(self, clock: FrozenClock, max_receives: int = 3) -> None:
        super().__init__()
        self.clock = clock
        self.max_receives = max_receives
        self.dead: list[str] = []
        self.deleted: list[str] = []
        self.batches: list[int] = []
        """How many messages each call of `return_in` had."""
        self.unchanged: set[str] = set()
        """Ids of the messages whose visibility SQS does not change."""
        self.hang: threading.Event | None = None
        """What `return_in` waits for, if anything."""
        self._held: dict[str, Held] = {}
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self.waiting = threading.Event()

    def put(self, *bodies: str) -> None:
        with self._changed:
            for body in bodies:
                number = str(len(self._held) + len(self.deleted) + len(self.dead) + 1)
                self._held[number] = Held(Message(number, body, "", 0))
            self._changed.notify_all()

    def receive(self, at_most: int, wait_seconds: int) -> Sequence[Message]:
        self.record("receive", at_most, wait_seconds)
        with self._changed:
            if not (received := self._take(at_most)) and wait_seconds:
                self.waiting.set()
                self._changed.wait(0.05)
                received = self._take(at_most)
            return received

    def _take(self, at_most: int) -> list[Message]:
        received: list[Message] = []
        for key, held in list(self._held.items()):
            if held.visible_at > self.clock.monotonic() or len(received) == at_most:
                continue
            count = held.message.receive_count + 1
            if count > self.max_receives:
                self.dead.append(self._held.pop(key).message.body)
                continue
            held.message = replace(held.message, receipt=f"{key}/{count}", receive_count=count)
            held.visible_at = self.clock.monotonic() + 60
            received.append(held.message)
        return received

    def delete(self, messages: Sequence[Message]) -> Sequence[Message]:
        self.record("delete", tuple(m.id for m in messages))
        with self._changed:
            failed = []
            for message in messages:
                held = self._held.get(message.id)
                if held is not None and held.deletes_to_fail:
                    held.deletes_to_fail -= 1
                    failed.append(message)
                elif held is not None:
                    del self._held[message.id]
                    self.deleted.append(message.id)
            self._changed.notify_all()
            return failed

    def return_in(self, messages: Sequence[Message], seconds: float) -> Sequence[Message]:
        if self.hang is not None:
            self.hang.wait(30)
        for message in messages:
            self.record("return_in", message.id, seconds)
        self.batches.append(len(messages))
        changed = [message for message in messages if message.id not in self.unchanged]
        with self._changed:
            for message in changed:
                if message.id in self._held:
                    self._held[message.id].visible_at = self.clock.monotonic() + seconds
            self._changed.notify_all()
        return [message for message in messages if message.id in self.unchanged]

    def fail_deletes(self, key: str, times: int) -> None:
        with self._lock:
            self._held[key].deletes_to_fail = times

    def wait_for(self, condition: "Condition", seconds: float = 10) -> bool:
        """Block until `condition` holds; it is asked after every change."""
        with self._changed:
            return self._changed.wait_for(condition, seconds)


def _entity(operation: str) -> SubjectKind:
    return next(kind for kind in SubjectKind if kind.capitalize() in operation)


type Change = Callable[[frozenset[str]], frozenset[str]]
type Condition = Callable[[], bool]
