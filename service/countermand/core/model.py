"""The values that flow through the pipeline, in the order in which the stages make them.

    Event -> Finding* -> (Facts) -> Ruling* -> Decision -> Outcome* -> Record

A stage returns a new value and never changes its arguments. Times are aware UTC datetimes. ARNs,
names and tags keep the exact spelling of AWS.

All of them stay in one module, 480 lines, because a reader needs the whole vocabulary once, and
because each one refers to the ones above it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, dataclass_transform

from countermand.core.caller import Caller
from countermand.core.policies.evaluate import Evaluation

type Path = tuple[str, ...]
"""The keys from `detail` to a value in an event."""

EXCEPTION_TAG = ("SecurityApproved", "true")
"""Key and value of the tag that exempts a user or a role, unless the settings name another."""


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value[T](cls: type[T]) -> type[T]:
    """Make a slotted dataclass that only the type checker treats as frozen.

    At run time a frozen dataclass takes three times as long to build as a plain one, and a
    decision builds ten of them within its 10 microseconds.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def wide_value[T](cls: type[T]) -> type[T]:
    """Make a `value` whose fields are given by keyword, because many have the same type."""
    return dataclass(slots=True, unsafe_hash=True, kw_only=True)(cls)


class Mode(StrEnum):
    """How far a worker may go. Each mode includes the previous one."""

    OBSERVE = "observe"
    """Only alert."""
    DRY_RUN = "dry-run"
    """Decide and simulate: every check and live read, no write."""
    ENFORCE = "enforce"
    """Revert the change."""

    def capped_by(self, other: "Mode | None") -> "Mode":
        """Return the more careful of two modes; None sets no limit."""
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
    """There is no answer yet: the message comes back."""


class Severity(StrEnum):
    """How bad a finding is, worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """Return 0 for the worst severity."""
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
    """Anything else that has a name or an ARN, such as a trail, a provider or a function."""
    ACCOUNT = "account"

    @property
    def is_principal(self) -> bool:
        """Return whether it is a `Principal`, with a path, an ID and perhaps tags."""
        return self in _PRINCIPALS


# Outside the class, because a set inside the property would be built on each call.
_PRINCIPALS = frozenset({SubjectKind.USER, SubjectKind.ROLE, SubjectKind.GROUP})


class Aspect(StrEnum):
    """A property whose previous value no event carries; see `pipeline/history.py`."""

    NAME = "name"
    """The name of a user at path `/`."""
    TRUST_POLICY = "trust_policy"
    PERMISSIONS_BOUNDARY = "permissions_boundary"
    """The ARN, or empty for none."""
    INLINE_POLICY = "inline_policy"
    """The document of the policy that the evidence `policy_name` names, or empty for none."""
    SAML_METADATA = "saml_metadata"
    OIDC_THUMBPRINTS = "oidc_thumbprints"
    """A JSON list."""
    TRAIL = "trail"
    """The settings of a trail, as JSON."""
    DEFAULT_VERSION = "default_version"
    """The ID of the default version of a customer-managed policy."""
    PASSWORD_POLICY = "password_policy"  # noqa: S105
    """The password policy of the account, as JSON; empty for none."""


class StepStatus(StrEnum):
    """How one remediation step ended."""

    STARTED = "started"
    """The write is about to happen. A worker that dies in the call leaves this status behind."""
    APPLIED = "applied"
    """Written, and verified by a second read."""
    UNCHANGED = "unchanged"
    """Already in the desired state: no write was needed."""
    SIMULATED = "simulated"
    """Dry run: everything except the write."""
    FAILED = "failed"


@value
class Actor:
    """The caller, from `detail.userIdentity`."""

    type: str
    arn: str
    account_id: str
    issuer_arn: str
    """The role behind an assumed-role session (`sessionContext.sessionIssuer.arn`), or ''."""


@wide_value
class Event:
    """One call: who did what to which target, when, in which account.

    `id` is the idempotency key: account and CloudTrail `detail.eventID`. The EventBridge `id` names
    only the envelope, and the SQS message ID changes on a redrive.
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
    """`detail.recipientAccountId`: the account that the CloudTrail record names."""
    request: Mapping[str, Any] | None = field(default=None, repr=False, hash=False, compare=False)
    body: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False, compare=False)
    """The whole EventBridge envelope, for the rules. Never store, log or show it."""

    @property
    def hides_request(self) -> bool:
        """Return whether CloudTrail omitted the parameters: a denied call, or large ones."""
        return self.request is None or "omitted" in self.request


def value_at(event: Event, path: Path) -> Any:  # noqa: ANN401  JSON
    """Return the value at a path in `detail`; None when it is absent.

    CloudTrail writes the first letter of a parameter in lower case, except for some newer calls.
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
    """The target according to the event. The name may be stale or forged: see `Principal`."""

    kind: SubjectKind
    name: str


@wide_value
class Finding:
    """A rule that matched, and its evidence."""

    rule_id: str
    title: str
    severity: Severity
    subject: Subject | None
    """None when the event does not identify its target: a denied call or omitted parameters."""
    evidence: Mapping[str, str] = field(hash=False)
    remediation: str | None = None
    """The name of the action that reverts the change; None for a rule that only alerts."""
    mode: Mode | None = None
    """The limit that the rule sets; None follows the service."""
    failure: str | None = None
    """Why the check of the rule failed. Such a finding is never approved."""
    scope: str | None = None
    """A glob on the target's name that the rule adds; None follows the service."""
    restores: Aspect | None = None
    """The aspect that changed. The action finds its previous value as evidence `previous`."""
    runbook: str = ""
    """The next steps of the responder, according to the rule."""
    revert_steps: tuple[int, ...] = ()
    """The steps of the runbook, from 1, that revert the change: done once it is reverted."""
    techniques: tuple[str, ...] = ()
    """The IDs of MITRE ATT&CK techniques, such as T1098.003."""
    references: tuple[str, ...] = ()
    """The addresses of pages about this kind of attack."""
    resolve: str | None = None
    """The name of the evidence with the ARN of a managed policy to evaluate."""


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
    """Always empty for a group: IAM cannot tag groups."""
    policy_arns: frozenset[str] = frozenset()
    """The managed policies attached to it directly."""
    boundary_arn: str = ""
    """The ARN of the permissions boundary. Groups never have one."""


@value
class Undo:
    """A person reverted one of our remediations."""

    by: str
    """The ARN of the person, from sts:GetCallerIdentity."""
    at: datetime
    reason: str = ""
    """Why, in the words of that person."""


@value
class Baseline:
    """The value of an aspect at some time."""

    value: str | None
    """None: an earlier change has an unknown result."""
    at: datetime


@value
class Facts:
    """What the worker read live, immediately before it decides."""

    now: datetime
    principal: Principal | None = None
    """None: IAM has no such user, role or group."""
    grant_present: bool = False
    unreadable: str | None = None
    """Why the live state could not be read. If set, ignore every other field."""
    params: Mapping[str, str] = field(default_factory=dict, hash=False)
    """The parameters of the action, including what its undo will need."""
    created: datetime | None = None
    """When the resource that the action would remove was created, if the action knows it."""
    role_arns: tuple[str, ...] = ()
    """The ARNs of the roles that the target uses."""
    irreversible: str | None = None
    """Why the change cannot be reverted; None: it can."""
    undo: Undo | None = None
    """The latest undo of the same change on the same target, if any."""
    undo_by_caller: Undo | None = None
    """The latest undo of any change that the caller of the event made on the same target."""
    evaluation: Evaluation | None = None
    """The privileges that the managed policy in the finding gives."""
    benign: str | None = None
    """Why the live state is benign; None: it is not known to be."""


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
    """No guard denied the change."""


@value
class Reason:
    """One sentence, and the guard that gave it."""

    guard: Guard
    text: str


@value
class Ruling:
    """A finding, its verdict, and every reason."""

    finding: Finding
    verdict: Verdict
    reasons: tuple[Reason, ...]
    """The first reason decided. Each of the others would have decided without it."""
    mode: Mode
    notify: bool
    """Whether Countermand alerts the security team."""
    principal: Principal | None = None
    params: Mapping[str, str] = field(default_factory=dict, hash=False)
    """The parameters of the action, for an approved remediation."""


@value
class Alert:
    """One alert, for people and for machines."""

    subject: str
    """ASCII, 1 to 99 characters, no control characters: SNS refuses others."""
    text: str
    document: Mapping[str, object] = field(hash=False)
    attributes: Mapping[str, str] = field(hash=False)
    """For subscription filter policies: severity, rule_id, verdict, account_id."""


@value
class Call:
    """An action by name, with its parameters. The ledger stores it for a later run."""

    action: str
    params: Mapping[str, str] = field(hash=False)


@value
class Step:
    """One remediation step."""

    call: Call
    rule_id: str
    mode: Mode


def decision_id(event_id: str) -> str:
    """Derive the ID of a decision from the idempotency key of its event."""
    return "d-" + hashlib.sha256(event_id.encode()).hexdigest()[:20]


@value
class Decision:
    """What Countermand does about an event."""

    event: Event
    rulings: tuple[Ruling, ...]
    verdict: Verdict
    steps: tuple[Step, ...]
    mode: Mode
    """The mode of the deciding ruling."""

    @property
    def id(self) -> str:
        """Return the ID, which the same event has on every replica and after every restart."""
        return decision_id(self.event.id)

    @property
    def leading(self) -> Ruling:
        """Return the ruling that gave the verdict: the first one of the worst severity."""
        alike = (r for r in self.rulings if r.verdict is self.verdict)
        return min(alike, key=lambda r: r.finding.severity.rank)

    @property
    def approved_for_remediation(self) -> bool:
        """Return whether governance allows Countermand to revert the change, also in a dry run."""
        return self.verdict is Verdict.REMEDIATE

    @property
    def reason(self) -> str:
        """Return the reason that decided."""
        return self.leading.reasons[0].text

    @property
    def unverified(self) -> bool:
        """Return whether the live state was unreadable: a person must review the change."""
        return any(reason.guard is Guard.UNREADABLE for r in self.rulings for reason in r.reasons)

    @property
    def notify(self) -> bool:
        """Return whether Countermand alerts the security team."""
        return any(r.notify for r in self.rulings)


@value
class Outcome:
    """The result of one step, and the call that undoes what it changed or may have changed."""

    step: Step
    status: StepStatus
    detail: str
    inverse: Call | None = None
    at: datetime | None = None

    @property
    def final(self) -> bool:
        """Return whether a redelivered message may skip this step."""
        return self.status in {StepStatus.APPLIED, StepStatus.UNCHANGED, StepStatus.SIMULATED}


@value
class Timings:
    """When each stage ended; None: not yet."""

    received_at: datetime
    decided_at: datetime | None = None
    remediated_at: datetime | None = None
    notified_at: datetime | None = None


@value
class Record:
    """A decision and everything that followed. The ledger stores it and the API shows it."""

    decision: Decision
    timings: Timings
    outcomes: tuple[Outcome, ...] = ()
    notified: tuple[str, ...] = ()
    """What each notifier sent, as `notifier:key` (see `report.notification_key`)."""
    annotations: tuple[str, ...] = ()
    """Circumstances that need a person's attention, such as a change that was reapplied."""
    undo: Undo | None = None
    caller: Caller | None = None
    """The caller: identity, address, and tool; None in a record of version 0.1.0."""

    @property
    def outcome(self) -> str:
        """Return the worst step status; `pending` before the first step, `none` without steps."""
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
