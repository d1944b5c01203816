"""All that an operator can set: one frozen object, read from the environment once, at start-up.

Variable `COUNTERMAND_QUEUE_URL` = field `queue_url` = Helm value `settings.queueUrl`. The fields
below are also the source of docs/configuration.md: change them, then run `make docs`.

`Settings.load` reports every mistake at once. A value that a test must prove wrong is not here:
whether the queue exists and may be read is what `countermand doctor` finds out.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from types import NoneType, UnionType
from typing import Annotated, Any, Self, get_args, get_origin
from urllib.parse import urlsplit

from annotated_types import Ge, Le
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo

from countermand.core.errors import ConfigError
from countermand.core.model import Mode

PREFIX = "COUNTERMAND_"
_READ_ELSEWHERE = frozenset({"COUNTERMAND_LOCALSTACK_HOME"})
"""No settings of the service; the Makefile exports them to all that it runs."""
_MASK = "********"
_LONGEST_SHOWN = 120
_SHORTEST_TOKEN = 16

_ACCOUNT = r"[0-9]{12}"
_PARTITION = r"aws(?:-[a-z]+)*"
_REGION = r"[a-z]{2,}(?:-[a-z]+)+-[0-9]+"
_URL = r"^https?://[^\s/?#@]+(?:/[^\s?#]*)?$"
_QUEUE_URL = r"^https?://[^\s/?#@]+/[^\s?#]+$"
_LEDGER = r"^(?:sqlite:/?[^/].*|dynamodb:[A-Za-z0-9_.-]{3,255})$"
_TAG = r"^[\w .:/+@-]+=[\w .:/=+@-]+$"

_SERVICE_LINK = re.compile(
    r"COUNTERMAND_(?:.*_)?"
    r"(?:SERVICE_HOST=.*|SERVICE_PORT(?:_.*)?=.*|PORT(?:_[0-9]+_(?:TCP|UDP|SCTP))?=(?:tcp|udp|sctp)://.*"
    r"|PORT_[0-9]+_(?:TCP|UDP|SCTP)_(?:PROTO|PORT|ADDR)=.*)"
)
"""Kubernetes puts these into every pod beside a Service whose name begins with `countermand`."""


class LogLevel(StrEnum):
    """From which level on our own log lines are written."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


def _listed(value: object) -> object:
    if not isinstance(value, str):
        return value
    return [part.strip() for part in value.split(",")] if value.strip() else []


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _token(secret: SecretStr) -> SecretStr:
    value = secret.get_secret_value()
    if len(value) < _SHORTEST_TOKEN or not re.fullmatch(r"[!-~]+", value):
        raise ValueError("should be at least 16 printable ASCII characters without spaces")
    return secret


_Delays = Annotated[tuple[Annotated[int, Field(ge=1, le=300)], ...], BeforeValidator(_listed)]
_GLOB = r"^[A-Za-z0-9_+=,.@*?-]+$"
_Globs = Annotated[
    tuple[Annotated[str, Field(pattern=r"^arn:[A-Za-z0-9_+=,.@*?:/-]+$", max_length=512)], ...],
    BeforeValidator(_listed),
]
_Folders = Annotated[
    tuple[Annotated[str, Field(pattern=r"^/\S+$", max_length=512)], ...], BeforeValidator(_listed)
]
_Token = Annotated[SecretStr, AfterValidator(_token)]


@dataclass(frozen=True, slots=True)
class Row:
    """One variable, as the documentation shows it."""

    variable: str
    type: str
    default: str
    meaning: str
    example: str
    section: str


@dataclass(frozen=True, slots=True)
class SettingError:
    """One mistake: the fields it is about, and what is wrong in words."""

    fields: tuple[str, ...]
    text: str


class _Relations(ValueError):
    """Fields that are right by themselves and wrong together."""

    def __init__(self, problems: Sequence[SettingError]) -> None:
        super().__init__("; ".join(f"{_names(p.fields)}: {p.text}" for p in problems))
        self.problems = problems


class Settings(BaseModel):
    """Everything that can be set. Build it with `load`; tests may name fields directly."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True
    )

    queue_url: str = Field(
        pattern=_QUEUE_URL,
        description="URL of the SQS queue that the EventBridge rule writes to.",
        examples=["https://sqs.us-east-1.amazonaws.com/111122223333/countermand"],
        json_schema_extra={"section": "Where events come from and alerts go"},
    )
    dlq_url: str | None = Field(
        default=None,
        pattern=_QUEUE_URL,
        description="URL of its dead-letter queue; only `countermand doctor` looks at it.",
        examples=["https://sqs.us-east-1.amazonaws.com/111122223333/countermand-dlq"],
    )
    topic_arn: str = Field(
        pattern=rf"^arn:{_PARTITION}:sns:{_REGION}:{_ACCOUNT}:[A-Za-z0-9_-]{{1,256}}$",
        description="ARN of the SNS topic that alerts go to. FIFO topics cannot send mail.",
        examples=["arn:aws:sns:us-east-1:111122223333:countermand-alerts"],
    )
    account_id: str | None = Field(
        default=None,
        pattern=rf"^{_ACCOUNT}$",
        description="The account that is guarded; events from any other are refused with an alert. "
        "Unset: the account of the worker's own credentials.",
        examples=["111122223333"],
    )
    region: str = Field(
        default="us-east-1",
        pattern=rf"^{_REGION}$",
        description="The region where the worker's own queue, topic and table are.",
        examples=["us-east-1"],
    )
    event_region: str = Field(
        default="us-east-1",
        pattern=rf"^{_REGION}$",
        description="The region that IAM's events must come from. IAM is global, and in the "
        "partition `aws` its events appear in us-east-1 only.",
        examples=["us-gov-west-1"],
    )
    rule_prefix: str = Field(
        default="countermand",
        pattern=r"^[A-Za-z0-9_.-]{1,40}$",
        description="What the names of the EventBridge rules in the event region begin with, as "
        "`countermand-iam` for `aws.iam`; only `countermand doctor` looks at them.",
        examples=["countermand"],
    )
    mode: Mode = Field(
        default=Mode.DRY_RUN,
        description="How far the worker may go: `observe` only alerts, `dry-run` decides and "
        "rehearses without a write, `enforce` takes changes back. The default cannot break "
        "anything; look at its decisions before you enforce.",
        examples=["dry-run"],
        json_schema_extra={"section": "What is decided"},
    )
    user_scope: str = Field(
        default="iam-test-*",
        pattern=_GLOB,
        max_length=64,
        description="Users whose grants may be taken back: a glob (`*`, `?`) on the whole live "
        "user name, case-sensitive, at path `/` only. The default covers test users only.",
        examples=["iam-test-*"],
    )
    role_scope: str = Field(
        default="iam-test-*",
        pattern=_GLOB,
        max_length=64,
        description="The same for roles, by their live name at path `/`.",
        examples=["iam-test-*"],
    )
    group_scope: str = Field(
        default="iam-test-*",
        pattern=_GLOB,
        max_length=128,
        description="The same for groups, by their live name at path `/`.",
        examples=["iam-test-*"],
    )
    policy_scope: str = Field(
        default="iam-test-*",
        pattern=_GLOB,
        max_length=128,
        description="The same for customer-managed policies, by the name and path in their ARN.",
        examples=["iam-test-*"],
    )
    resource_scope: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9_+=,.@*?:/-]*$",
        max_length=512,
        description="Trails, providers, functions and other things whose change may be taken back: "
        "a glob on the name, which in an ARN is what follows the type, or on the whole ARN when it "
        "begins with `arn:`. The default, empty, is none.",
        examples=["arn:aws:cloudtrail:us-east-1:111122223333:trail/audit"],
    )
    account_scope: str = Field(
        default="",
        pattern=r"^[0-9*?]*$",
        max_length=12,
        description="Whether settings of the whole account, such as its password policy, may be "
        "taken back: a glob on the account's id. The default, empty, is no.",
        examples=["111122223333"],
    )
    break_glass: _Globs = Field(
        default=(),
        max_length=50,
        description="ARNs of principals that are never touched, in scope or not: globs, "
        "comma-separated.",
        examples=["arn:aws:iam::111122223333:user/break-glass-*"],
    )
    rules_folders: _Folders = Field(
        default=(),
        max_length=10,
        description="Folders with rule files of your own, beside the built-in ones; "
        "comma-separated. Read anew when a file changes and on SIGHUP.",
        examples=["/etc/countermand/rules"],
    )
    rule_overrides: str | None = Field(
        default=None,
        pattern=r"^/\S+$",
        max_length=512,
        description="A YAML file that changes rules by id: their `mode`, `severity`, "
        "`scope`, or whether they are `enabled`. Read anew as the rules are.",
        examples=["/etc/countermand/overrides.yaml"],
    )
    exception_tag: str = Field(
        default="SecurityApproved=true",
        pattern=_TAG,
        max_length=385,
        description="The tag, as `key=value`, on a user whose grants were approved; both are "
        "compared exactly.",
        examples=["SecurityApproved=true"],
    )
    own_role_arn: str | None = Field(
        default=None,
        pattern=rf"^arn:{_PARTITION}:iam::{_ACCOUNT}:role/\S{{1,576}}$",
        description="ARN of the worker's role. What it changes is never acted on, and told when it "
        "is no call that the worker makes. Unset: the role or user of the worker's credentials.",
        examples=["arn:aws:iam::111122223333:role/countermand-worker"],
    )
    max_event_age_hours: int = Field(
        default=24,
        ge=1,
        le=336,
        description="Hours after which an event is only alerted, not acted upon. EventBridge "
        "itself retries for 24 hours.",
        examples=["24"],
    )
    settle_seconds: int = Field(
        default=15,
        ge=0,
        le=300,
        description="Seconds for which a grant that is not visible yet is waited for. IAM is "
        "eventually consistent: about 4 seconds were measured.",
        examples=["15"],
    )
    recheck_seconds: _Delays = Field(
        default=(5, 15),
        max_length=5,
        description="Seconds after a remediation at which it is looked whether the grant came "
        "back; comma-separated and rising, all beyond IAM's 4 seconds of inconsistency.",
        examples=["5,15"],
    )
    worker_threads: int = Field(
        default=16,
        ge=1,
        le=64,
        description="Messages handled at once. Nearly all of the time is waiting for AWS.",
        examples=["16"],
        json_schema_extra={"section": "How messages are handled"},
    )
    poll_seconds: int = Field(
        default=20,
        ge=0,
        le=20,
        description="Seconds that one long poll waits for messages; 20 is the most that SQS "
        "allows, and costs least.",
        examples=["20"],
    )
    visibility_seconds: int = Field(
        default=60,
        ge=30,
        le=43200,
        description="Seconds for which a received message is hidden from other workers; how long "
        "a crash delays a message, and longer than any poll.",
        examples=["60"],
    )
    heartbeat_seconds: int = Field(
        default=20,
        ge=1,
        le=14400,
        description="Seconds between two extensions of visibility and lease; at most a third of "
        "the visibility, so that two may be missed.",
        examples=["20"],
    )
    message_deadline_seconds: int = Field(
        default=240,
        ge=30,
        le=3600,
        description="Seconds after which a message in hand goes back to the queue; more than all "
        "timeouts of its steps together.",
        examples=["240"],
    )
    lease_margin_seconds: int = Field(
        default=15,
        ge=0,
        le=15,
        description="Seconds by which the claim on an event outlives the visibility of its "
        "message, so that the next worker finds a claim that is ending, not a running one.",
        examples=["15"],
    )
    drain_seconds: int = Field(
        default=25,
        ge=1,
        le=110,
        description="Seconds after SIGTERM to finish what is in hand; less than the grace period "
        "of Kubernetes and ECS (30 by default, 120 at most).",
        examples=["25"],
    )
    backoff_base_seconds: int = Field(
        default=15,
        ge=1,
        le=900,
        description="Longest wait before the first retry; it doubles each time, and the real wait "
        "is drawn at random below it.",
        examples=["15"],
    )
    backoff_cap_seconds: int = Field(
        default=900,
        ge=1,
        le=43200,
        description="Longest wait before any retry. With the default, the queue's 8 receives last "
        "for 15 minutes on average.",
        examples=["900"],
    )
    ledger_url: str = Field(
        default="sqlite:countermand.sqlite3",
        pattern=_LEDGER,
        description="Where decisions are kept: `sqlite:PATH` for one worker, `dynamodb:TABLE` for "
        "any number. The default needs nothing but a disk that outlives the container.",
        examples=["dynamodb:countermand"],
        json_schema_extra={"section": "What is kept"},
    )
    retention_days: int = Field(
        default=400,
        ge=15,
        le=3650,
        description="Days for which decisions are kept: a year and a month. At least 15, because "
        "a message can come back from the dead-letter queue after 14.",
        examples=["400"],
    )
    replicas: int = Field(
        default=1,
        ge=1,
        le=1000,
        description="How many workers share the queue. More than one needs a DynamoDB ledger: "
        "an SQLite file belongs to one process.",
        examples=["1"],
    )
    api_host: str = Field(
        default="127.0.0.1",
        pattern=r"^[A-Za-z0-9.:_-]{1,253}$",
        description="Address that the API listens on. The default is reachable from this machine "
        "only; `0.0.0.0` in a container, together with a token.",
        examples=["0.0.0.0"],  # noqa: S104 - what a container needs, and refused without a token
        json_schema_extra={"section": "API"},
    )
    api_port: int = Field(
        default=8080,
        ge=0,
        le=65535,
        description="Port of API, probes and metrics; 0 takes any free one.",
        examples=["8080"],
    )
    api_token: _Token | None = Field(
        default=None,
        description="Bearer token for everything but probes and metrics: at least 16 printable "
        "ASCII characters without spaces.",
        examples=["$(openssl rand -hex 32)"],
    )
    api_allow_anonymous: bool = Field(
        default=False,
        description="Allow the API to listen beyond this machine without a token: decisions name "
        "users and policies, so something else must then keep strangers out.",
        examples=["false"],
    )
    api_public_url: str = Field(
        default="http://127.0.0.1:8080",
        pattern=_URL,
        description="Address under which people reach the API; alerts link to it.",
        examples=["https://countermand.example.com"],
    )
    log_level: Annotated[LogLevel, BeforeValidator(_upper)] = Field(
        default=LogLevel.INFO,
        description="From which level on the service's own lines are logged. Libraries log "
        "warnings only: botocore writes secrets at its lower levels.",
        examples=["DEBUG"],
        json_schema_extra={"section": "Logs"},
    )
    log_group: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_./#-]{1,512}$",
        description="CloudWatch Logs group that gets the log too. Unset: standard output only.",
        examples=["/countermand/worker"],
    )
    log_stream: str = Field(
        default="countermand",
        pattern=r"^[^:*\s]{1,512}$",
        description="Stream in that group; give each replica its own.",
        examples=["countermand"],
    )

    @model_validator(mode="after")
    def _check_relations(self) -> Self:
        if problems := tuple(_relations(self)):
            raise _Relations(problems)
        return self

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> Self:
        """Settings from variables. An empty one counts as unset; spaces around are dropped.

        Raises `ConfigError`, whose text names every variable that is wrong.
        """
        ours = _ours(environ)
        values = _given(cls, ours)
        problems = [*_unknown(cls, ours), *_problems(cls, values)]
        if problems:
            raise ConfigError("\n".join(["The configuration is wrong:", *problems]))
        return cls.model_validate(values)

    @property
    def exception_tag_pair(self) -> tuple[str, str]:
        """The tag as key and value."""
        key, _, value = self.exception_tag.partition("=")
        return key, value

    @property
    def ledger(self) -> tuple[str, str]:
        """The ledger as kind (`sqlite`, `dynamodb`) and path or name of the table."""
        kind, _, name = self.ledger_url.partition(":")
        return kind, name

    @property
    def lease_seconds(self) -> int:
        """How long a claim on an event lasts unless it is renewed."""
        return self.visibility_seconds + self.lease_margin_seconds

    @property
    def api_base_url(self) -> str:
        """`api_public_url` without a slash at its end."""
        return self.api_public_url.rstrip("/")

    def warnings(self) -> list[str]:
        """What is allowed and still worth a second look, as sentences for the log."""
        return list(_warnings(self))

    @classmethod
    def describe(cls) -> list[Row]:
        """Every variable, in the order of the fields."""
        rows: list[Row] = []
        for name, field in cls.model_fields.items():
            section = _section(field) or rows[-1].section
            rows.append(
                Row(
                    variable=variable(name),
                    type=_type_name(field),
                    default="required" if field.is_required() else _text(field.default),
                    meaning=field.description or "",
                    example=_example(field),
                    section=section,
                )
            )
        return rows

    def as_environment(self) -> dict[str, str]:
        """The variables that give these settings; unset ones are left out, secrets are masked."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return {variable(name): _text(v) for name, v in values.items() if v is not None}

    def as_text(self) -> str:
        """`as_environment` as lines of `NAME=value`, for `countermand run --print-config`."""
        return "".join(f"{name}={value}\n" for name, value in self.as_environment().items())


def variable(field: str) -> str:
    """Name of the environment variable of a field."""
    return PREFIX + field.upper()


def configuration_page(settings: type[Settings] = Settings) -> str:
    """The text of docs/configuration.md."""
    lines = [_PAGE_HEAD]
    section = ""
    for row in settings.describe():
        if row.section != section:
            section = row.section
            lines += ["", f"## {section}", "", *_TABLE_HEAD]
        cells = (f"`{row.variable}`", row.type, _code(row.default), row.meaning, _code(row.example))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


_PAGE_HEAD = """\
<!-- Generated from service/countermand/settings.py; do not edit. -->
# Configuration

Countermand is configured by environment variables only. All of them are checked when it starts,
and all mistakes are reported at once. A variable that is empty counts as unset; an unknown one
that begins with `COUNTERMAND_` is a mistake too, because it is most likely a typing error.
`countermand run --print-config` prints what is in force, with secrets masked.

In the Helm chart, `COUNTERMAND_QUEUE_URL` is the value `settings.queueUrl`, and so on. AWS
credentials and endpoints are not set here: boto3 reads its usual variables, such as `AWS_PROFILE`
and `AWS_ENDPOINT_URL`."""
_TABLE_HEAD = (
    "| Variable | Type | Default | Meaning | Example |",
    "|----------|------|---------|---------|---------|",
)


def _code(text: str) -> str:
    return text if text in {"", "required", "unset"} else f"`{text}`"


def _section(field: FieldInfo) -> str | None:
    """The heading that begins with this field."""
    extra = field.json_schema_extra
    return str(extra["section"]) if isinstance(extra, dict) else None


def _example(field: FieldInfo) -> str:
    return str((field.examples or [""])[0])


def _is_secret(field: FieldInfo) -> bool:
    return "SecretStr" in str(field.annotation)


def _type_name(field: FieldInfo) -> str:
    """The type in an operator's words."""
    kind = next((arg for arg in get_args(field.annotation) if arg is not NoneType), None)
    kind = kind if get_origin(field.annotation) is UnionType else field.annotation
    if _is_secret(field):
        return "secret"
    if kind is bool:
        return "`true` or `false`"
    if kind is int:
        low = next(m.ge for m in field.metadata if isinstance(m, Ge))
        high = next(m.le for m in field.metadata if isinstance(m, Le))
        return f"whole number, {low} to {high}"
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return ", ".join(f"`{member}`" for member in kind)
    return "text" if kind is str else "whole numbers"


def _text(value: object) -> str:
    """A value as it would stand in a variable."""
    match value:
        case None:
            return "unset"
        case SecretStr():
            return _MASK
        case bool():
            return str(value).lower()
        case tuple():
            return ",".join(map(str, value))
        case _:
            return str(value)


def _relations(s: Settings) -> Iterator[SettingError]:
    """What must hold between fields."""
    yield from _wrong_times(s)
    yield from _wrong_places(s)
    if s.ledger[0] == "sqlite" and s.replicas > 1:
        text = f"{s.replicas} replicas cannot share an SQLite file; use dynamodb:TABLE"
        yield SettingError(("ledger_url", "replicas"), text)
    if not (_is_loopback(s.api_host) or s.api_token or s.api_allow_anonymous):
        text = (
            f"listening on {s.api_host} would show decisions to strangers; set a token, or allow "
            f"it with {variable('api_allow_anonymous')}=true"
        )
        yield SettingError(("api_token", "api_host"), text)


def _wrong_times(s: Settings) -> Iterator[SettingError]:
    if s.heartbeat_seconds * 3 > s.visibility_seconds:
        text = (
            f"a heartbeat of {s.heartbeat_seconds} s is more than a third of the visibility of "
            f"{s.visibility_seconds} s"
        )
        yield SettingError(("heartbeat_seconds", "visibility_seconds"), text)
    if s.backoff_base_seconds > s.backoff_cap_seconds:
        text = (
            f"a first wait of {s.backoff_base_seconds} s is longer than the longest one of "
            f"{s.backoff_cap_seconds} s"
        )
        yield SettingError(("backoff_base_seconds", "backoff_cap_seconds"), text)
    if list(s.recheck_seconds) != sorted(set(s.recheck_seconds)):
        yield SettingError(("recheck_seconds",), "should rise")


def _wrong_places(s: Settings) -> Iterator[SettingError]:
    topic_region, queue_region = s.topic_arn.split(":")[3], _region_of_queue(s.queue_url)
    if topic_region != s.region:
        text = f"the topic is in {topic_region}, but the worker works in {s.region}"
        yield SettingError(("topic_arn", "region"), text)
    if queue_region not in {None, s.region}:
        text = f"the queue is in {queue_region}, but the worker works in {s.region}"
        yield SettingError(("queue_url", "region"), text)
    if s.dlq_url == s.queue_url:
        yield SettingError(("dlq_url", "queue_url"), "the dead-letter queue is the queue itself")


def _warnings(s: Settings) -> Iterator[str]:
    public, loopback = urlsplit(s.api_public_url), _is_loopback(s.api_host)
    for name in ("user_scope", "role_scope", "group_scope", "policy_scope"):
        if s.mode is Mode.ENFORCE and not (scope := getattr(s, name)).strip("*?"):
            yield (
                f"{variable(name)}={scope} lets grants of every {name.partition('_')[0]} be taken "
                f"back, but for those in {variable('break_glass')}."
            )
    if s.api_token is None and not loopback:
        yield f"The API listens on {s.api_host} without a token: who reaches it reads decisions."
    if _is_loopback(public.hostname or "") and (not loopback or public.port != s.api_port):
        yield (
            f"Alerts link to {s.api_public_url}, which their readers cannot open: set "
            f"{variable('api_public_url')}."
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _region_of_queue(url: str) -> str | None:
    """None for the host of an emulator or a VPC endpoint."""
    match = re.fullmatch(rf"sqs\.({_REGION})\.amazonaws\.com(?:\.cn)?", urlsplit(url).netloc)
    return match[1] if match else None


def _ours(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value.strip()
        for name, value in environ.items()
        if name.upper().startswith(PREFIX) and not _SERVICE_LINK.fullmatch(f"{name}={value}")
    }


def _given(settings: type[Settings], ours: Mapping[str, str]) -> dict[str, str]:
    found = {name: ours.get(variable(name)) for name in settings.model_fields}
    return {name: text for name, text in found.items() if text}


def _unknown(settings: type[Settings], ours: Mapping[str, str]) -> Iterator[str]:
    """The value of an unknown variable is not shown: it may be a misspelt token."""
    known = [variable(name) for name in settings.model_fields]
    for name in sorted(ours.keys() - known - _READ_ELSEWHERE):
        near = get_close_matches(name.upper(), known, n=1)
        hint = f"did you mean {near[0]}?" if near else "see docs/configuration.md"
        yield f"  {ascii(name)[1:-1]}: there is no such setting; {hint}"


def _problems(settings: type[Settings], values: Mapping[str, Any]) -> Iterator[str]:
    """Relations are checked even when some field is wrong, with a right value in its place."""
    wrong, relations = _attempt(settings, values)
    for name, text in wrong.items():
        yield _sentence(settings, (name,), text, values)
    if wrong:
        right = {name: v for name, v in values.items() if name not in wrong}
        fields = {name: settings.model_fields[name] for name in wrong}
        right |= {name: _example(field) for name, field in fields.items() if field.is_required()}
        _, relations = _attempt(settings, right)
    for problem in relations:
        if wrong.keys().isdisjoint(problem.fields):
            yield _sentence(settings, problem.fields, problem.text, values)


def _attempt(
    settings: type[Settings], values: Mapping[str, Any]
) -> tuple[dict[str, str], Sequence[SettingError]]:
    """What is wrong with fields by themselves, and, if nothing is, with their relations."""
    try:
        settings(**values)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
    else:
        found = []
    fields: dict[str, str] = {}
    for detail in found:
        if not detail["loc"]:
            relations: Sequence[SettingError] = detail["ctx"]["error"].problems
            return {}, relations
        fields.setdefault(str(detail["loc"][0]), _plain_words(detail["type"], detail["msg"]))
    return fields, ()


def _plain_words(kind: str, message: str) -> str:
    if kind == "missing":
        return "is required"
    if kind == "string_pattern_mismatch":
        return "does not have the right form"
    return message.removeprefix("Value error, ").removeprefix("Input ")


def _sentence(
    settings: type[Settings], fields: tuple[str, ...], text: str, values: Mapping[str, Any]
) -> str:
    """Name of the variable, what is wrong, the value unless it is secret, a right value."""
    field = settings.model_fields[fields[0]]
    if len(fields) == 1 and fields[0] in values:
        text += f" (it is {_shown(field, values[fields[0]])})"
    return f"  {_names(fields)}: {text}; for example {variable(fields[0])}={_example(field)}"


def _shown(field: FieldInfo, value: str) -> str:
    if _is_secret(field):
        return "secret and not shown"
    return ascii(value if len(value) <= _LONGEST_SHOWN else value[:_LONGEST_SHOWN] + "...")


def _names(fields: Sequence[str]) -> str:
    return ", ".join(variable(name) for name in fields)
