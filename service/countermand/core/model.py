"""The values that flow through the pipeline, in the order in which they come to be.

    Event -> Finding* -> (Facts) -> Ruling* -> Decision -> Outcome* -> Record

All are values: a stage answers with a new one and never changes what it was given. Times are
aware UTC datetimes; ARNs, names and tags are kept exactly as AWS spelled them.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, dataclass_transform

from countermand.core.policies.evaluate import Evaluation

type Path = tuple[str, ...]
"""Keys from `detail` to a value in an event."""


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value[T](cls: type[T]) -> type[T]:
    """A slotted dataclass that is frozen for the type checker, which guards every commit.

    At run time a frozen dataclass takes three times as long to build as a plain one, and a
    decision builds ten of them within its 10 microseconds.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def wide_value[T](cls: type[T]) -> type[T]:
    """Make a `value` whose fields are given by keyword, because many have the same type."""
    return dataclass(slots=True, unsafe_hash=True, kw_only=True)(cls)


class Mode(StrEnum):
    """How far a worker may go; each mode includes what the one before it does."""

    OBSERVE = "observe"
    """Only alert."""
    DRY_RUN = "dry-run"
    """Decide and rehearse: every check and live read, no write."""
    ENFORCE = "enforce"
    """Take the change back."""

    def capped_by(self, other: "Mode | None") -> "Mode":
        """The more careful of the two; None sets no limit."""
        if other is None:
            return self
        order = list(Mode)
        return min(self, other, key=order.index)


class Verdict(StrEnum):
    """What governance says about one finding."""

    REMEDIATE = "remediate"
    ALERT_ONLY = "alert_only"
    SKIP = "skip"
    WAIT = "wait"
    """Nothing can be said yet: the message comes back."""


class Severity(StrEnum):
    """How bad a finding is, worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return _WORST_FIRST.index(self)


_WORST_FIRST = tuple(Severity)


class SubjectKind(StrEnum):
    """What a finding is about."""

    USER = "user"
    ROLE = "role"
    GROUP = "group"
    POLICY = "policy"
    """A customer-managed policy, by its ARN."""
    RESOURCE = "resource"
    """Anything else that has a name or an ARN: a trail, a provider, a function ..."""
    ACCOUNT = "account"

    @property
    def is_principal(self) -> bool:
        """Whether it is a `Principal`, with a path, an id and perhaps tags."""
        return self in _PRINCIPALS


# Beside the class: a set of members that is written inside is built again with each call.
_PRINCIPALS = frozenset({SubjectKind.USER, SubjectKind.ROLE, SubjectKind.GROUP})


class Aspect(StrEnum):
    """A property whose earlier value no event carries; see `history.py`."""

    NAME = "name"
    """Of a user, at path `/`."""
    TRUST_POLICY = "trust_policy"
    PERMISSIONS_BOUNDARY = "permissions_boundary"
    """Its ARN, or empty for none."""
    INLINE_POLICY = "inline_policy"
    """The document of the one that the evidence `policy_name` names, or empty for none."""
    SAML_METADATA = "saml_metadata"
    OIDC_THUMBPRINTS = "oidc_thumbprints"
    """JSON list."""
    TRAIL = "trail"
    """Its settings, as JSON."""
    DEFAULT_VERSION = "default_version"
    """Id of the version of a customer-managed policy that is in force."""
    PASSWORD_POLICY = "password_policy"  # noqa: S105
    """Of the account, as JSON; empty for none."""


class StepStatus(StrEnum):
    """How one remediation step ended."""

    STARTED = "started"
    """About to be written; what a worker that died in the call leaves behind."""
    APPLIED = "applied"
    """Written, and proved by reading it again."""
    UNCHANGED = "unchanged"
    """It was already as wanted: somebody was faster."""
    SIMULATED = "simulated"
    """Dry run: everything but the write."""
    FAILED = "failed"


@value
class Actor:
    """Who made the call, from `detail.userIdentity`."""

    type: str
    arn: str
    account_id: str
    issuer_arn: str
    """The role behind an assumed-role session (`sessionContext.sessionIssuer.arn`), or ''."""


@wide_value
class Event:
    """Who did what to whom, when, in which account.

    `id` is the idempotency key: account and CloudTrail `detail.eventID`. The EventBridge `id` names
    only the envelope, and the SQS message id changes on a redrive.
    """

    id: str
    event_id: str
    account_id: str
    region: str
    source: str
    name: str
    time: datetime
    actor: Actor
    error_code: str | None = None
    record_account_id: str = ""
    """`detail.recipientAccountId`: the account that the CloudTrail record itself names."""
    request: Mapping[str, Any] | None = field(default=None, repr=False, hash=False, compare=False)
    body: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False, compare=False)
    """The whole EventBridge envelope, for the rules; never stored, logged or shown."""

    @property
    def hides_request(self) -> bool:
        """Whether CloudTrail left the parameters out: of a denied call, or for their size."""
        return self.request is None or "omitted" in self.request


def value_at(event: Event, path: Path) -> Any:  # noqa: ANN401  JSON
    """What is at a path in `detail`; None when nothing is.

    CloudTrail lowers the first letter of a parameter, and some newer calls do not.
    """
    value: Any = event.body.get("detail")
    for key in path:
        if type(value) is not dict:
            return None
        found = value.get(key)
        value = value.get(key[:1].upper() + key[1:]) if found is None else found
    return value


@value
class Subject:
    """What the event says it changed. The name may be stale or forged: see `Principal`."""

    kind: SubjectKind
    name: str


@wide_value
class Finding:
    """A rule that matched, and what it saw."""

    rule_id: str
    title: str
    severity: Severity
    subject: Subject | None
    """None when the event hides its target (a denied call, or `omitted` parameters)."""
    evidence: Mapping[str, str] = field(hash=False)
    remediation: str | None = None
    """Name of the action that takes the change back; None for a rule that only alerts."""
    mode: Mode | None = None
    """The rule's own limit; None follows the service."""
    failure: str | None = None
    """Why the rule's check broke. A check that broke never approves: see `govern`."""
    scope: str | None = None
    """The rule's own limit on the target's name, a glob; None follows the service."""
    restores: Aspect | None = None
    """What the change replaced; the action finds its earlier value as evidence `previous`."""
    runbook: str = ""
    """What the reader of the alert does now, in the words of the rule."""
    resolve: str | None = None
    """The evidence with the ARN of a managed policy, whose document decides what this is."""


@value
class Principal:
    """A user, role or group as IAM describes it now."""

    kind: SubjectKind
    name: str
    arn: str
    unique_id: str
    path: str
    created: datetime
    tags: Mapping[str, str] = field(hash=False)
    """Groups have none: IAM cannot tag them."""
    policy_arns: frozenset[str] = frozenset()
    """Managed policies attached directly."""
    boundary_arn: str = ""
    """Of the permissions boundary; groups never have one."""


@value
class Undo:
    """A human took one of our remediations back."""

    by: str
    """ARN of the caller, from sts:GetCallerIdentity."""
    at: datetime


@value
class Baseline:
    """What an aspect was at some time."""

    value: str | None
    """None: it was changed before, and nobody knows to what."""
    at: datetime


@value
class Facts:
    """What was read live, immediately before deciding."""

    now: datetime
    principal: Principal | None = None
    """None: IAM says that there is no such user, role or group."""
    grant_present: bool = False
    unreadable: str | None = None
    """Why the live state could not be read. Nothing else in here counts then."""
    params: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Of the action that takes the grant back, with what its undo will need."""
    created: datetime | None = None
    """When the thing was created that the action would remove, if the action says so."""
    role_arns: tuple[str, ...] = ()
    """The roles that the target carries."""
    irreversible: str | None = None
    """Why the grant cannot be taken back, if so."""
    undo: Undo | None = None
    """The latest undo of the same grant on the same target, if any."""
    undo_by_caller: Undo | None = None
    """The latest undo, of whatever, that the caller of the event made on the same target."""
    evaluation: Evaluation | None = None
    """What the managed policy gives that the finding asks about."""
    benign: str | None = None
    """Why what is there now needs no taking back, if so."""


class Guard(StrEnum):
    """A row in the table of `governance/guards.py`.

    The values are stored, shown in the API and counted as metric labels: do not rename them.
    """

    FAILED_CALL = "failed_call"
    OWN_CHANGE = "own_change"
    ORIGIN = "origin"
    BROKEN_CHECK = "broken_check"
    HIDDEN_TARGET = "hidden_target"
    UNREADABLE = "unreadable"
    NOT_VISIBLE = "not_visible"
    GONE = "gone"
    RECREATED = "recreated"
    BENIGN = "benign"
    ALREADY_REMOVED = "already_removed"
    ALERT_RULE = "alert_rule"
    NEVER_TOUCH = "never_touch"
    UNCERTAIN = "uncertain"
    IRREVERSIBLE = "irreversible"
    NOT_OF_EVENT = "not_of_event"
    SCOPE = "scope"
    EXCEPTION = "exception"
    UNDONE = "undone"
    AGE = "age"
    MODE = "mode"
    APPROVED = "approved"
    """No guard objected."""


@value
class Reason:
    """One sentence, and the guard that gave it."""

    guard: Guard
    text: str


@value
class Ruling:
    """A finding, the verdict on it, and every reason."""

    finding: Finding
    verdict: Verdict
    reasons: tuple[Reason, ...]
    """The first one decided; the others would have decided without it."""
    mode: Mode
    notify: bool
    """Whether the security team hears of it."""
    principal: Principal | None = None
    params: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Of the action, for a ruling that approves it."""


@value
class Alert:
    """One thing to tell people and machines."""

    subject: str
    """ASCII, 1 to 99 characters, no control characters: SNS refuses others."""
    text: str
    document: Mapping[str, object] = field(hash=False)
    attributes: Mapping[str, str] = field(hash=False)
    """For subscription filter policies: severity, rule_id, verdict, account_id."""


@value
class Call:
    """An action by name, with its parameters: data that can be stored and run later."""

    action: str
    params: Mapping[str, str] = field(hash=False)


@value
class Step:
    """One thing to do to IAM."""

    call: Call
    rule_id: str
    mode: Mode


def decision_id(event_id: str) -> str:
    """The id of the decision on an event, from the event's key."""
    return "d-" + hashlib.sha256(event_id.encode()).hexdigest()[:20]


@value
class Decision:
    """What is to be done about an event."""

    event: Event
    rulings: tuple[Ruling, ...]
    verdict: Verdict
    steps: tuple[Step, ...]
    mode: Mode
    """The mode of the deciding ruling."""

    @property
    def id(self) -> str:
        """The same event gives the same id, on every replica and after every restart."""
        return decision_id(self.event.id)

    @property
    def leading(self) -> Ruling:
        """The ruling that gave the decision its verdict; of several, the first of the worst."""
        alike = (r for r in self.rulings if r.verdict is self.verdict)
        return min(alike, key=lambda r: r.finding.severity.rank)

    @property
    def approved_for_remediation(self) -> bool:
        """Whether governance allows the change to be taken back (also in a dry run)."""
        return self.verdict is Verdict.REMEDIATE

    @property
    def reason(self) -> str:
        """The sentence that decided."""
        return self.leading.reasons[0].text

    @property
    def unverified(self) -> bool:
        """The live state could not be read: nothing was decided, and a human must know."""
        return any(reason.guard is Guard.UNREADABLE for r in self.rulings for reason in r.reasons)

    @property
    def notify(self) -> bool:
        """Whether the security team hears of it."""
        return any(r.notify for r in self.rulings)


@value
class Outcome:
    """How one step ended, and the call that undoes what it changed or may have changed."""

    step: Step
    status: StepStatus
    detail: str
    inverse: Call | None = None
    at: datetime | None = None

    @property
    def final(self) -> bool:
        """Whether a redelivered message may leave this step alone."""
        return self.status in {StepStatus.APPLIED, StepStatus.UNCHANGED, StepStatus.SIMULATED}


@value
class Timings:
    """When each stage was reached; None: not (yet)."""

    received_at: datetime
    decided_at: datetime | None = None
    remediated_at: datetime | None = None
    notified_at: datetime | None = None


@value
class Record:
    """A decision with everything that followed: what the ledger keeps and the API shows."""

    decision: Decision
    timings: Timings
    outcomes: tuple[Outcome, ...] = ()
    notified: tuple[str, ...] = ()
    """What each channel was notified of, as `channel:what` (see `report.notification_key`)."""
    annotations: tuple[str, ...] = ()
    """Circumstances worth a human's attention, such as a grant that came back."""
    undo: Undo | None = None

    @property
    def outcome(self) -> str:
        """The worst step status; `pending` before the first step, `none` when there is none."""
        if self.decision.steps and not self.outcomes:
            return "pending"
        statuses = {o.status for o in self.outcomes}
        worst_first = (
            StepStatus.FAILED,
            StepStatus.STARTED,
            StepStatus.APPLIED,
            StepStatus.SIMULATED,
            StepStatus.UNCHANGED,
        )
        return next((str(s) for s in worst_first if s in statuses), "none")
