"""The fields: everything that an operator can set, with type, unit, default, and reason.

Variable `COUNTERMAND_QUEUE_URL` = field `queue_url` = Helm value `settings.queueUrl`. The fields
are also the source of docs/configuration.md and of the chart's settings: after a change, run
`make docs chart-files`. `load.Settings` adds how they are read and checked.
"""

import re
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from countermand.core.model import Mode

PREFIX = "COUNTERMAND_"
REGION = r"[a-z]{2,}(?:-[a-z]+)+-[0-9]+"
"""Pattern of a region's name."""

_SHORTEST_TOKEN = 16
_ACCOUNT = r"[0-9]{12}"
_PARTITION = r"aws(?:-[a-z]+)*"
_URL = r"^https?://[^\s/?#@]+(?:/[^\s?#]*)?$"
_QUEUE_URL = r"^https?://[^\s/?#@]+/[^\s?#]+$"
_LEDGER = r"^(?:sqlite:/?[^/].*|dynamodb:[A-Za-z0-9_.-]{3,255})$"
_TAG = r"^[\w .:/+@-]+=[\w .:/=+@-]+$"


class LogLevel(StrEnum):
    """The lowest level of our own log lines."""

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


class Fields(BaseModel):
    """Everything that can be set."""

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
        description="URL of its dead-letter queue; only `countermand doctor` reads it.",
        examples=["https://sqs.us-east-1.amazonaws.com/111122223333/countermand-dlq"],
    )
    topic_arn: str = Field(
        pattern=rf"^arn:{_PARTITION}:sns:{REGION}:{_ACCOUNT}:[A-Za-z0-9_-]{{1,256}}$",
        description="ARN of the SNS topic that alerts go to. FIFO topics cannot send email.",
        examples=["arn:aws:sns:us-east-1:111122223333:countermand-alerts"],
    )
    account_id: str | None = Field(
        default=None,
        pattern=rf"^{_ACCOUNT}$",
        description="The account to guard; an event from any other account is rejected with an "
        "alert. "
        "Unset: the account of the worker's own credentials.",
        examples=["111122223333"],
    )
    region: str = Field(
        default="us-east-1",
        pattern=rf"^{REGION}$",
        description="The region where the worker's own queue, topic and table are.",
        examples=["us-east-1"],
    )
    event_region: str = Field(
        default="us-east-1",
        pattern=rf"^{REGION}$",
        description="The region that IAM's events must come from. IAM is global, and in the "
        "partition `aws` its events appear in us-east-1 only.",
        examples=["us-gov-west-1"],
    )
    rule_prefix: str = Field(
        default="countermand",
        pattern=r"^[A-Za-z0-9_.-]{1,40}$",
        description="Prefix of the EventBridge rules' names in the event region, such as "
        "`countermand-iam` for `aws.iam`; only `countermand doctor` reads them.",
        examples=["countermand"],
    )
    mode: Mode = Field(
        default=Mode.DRY_RUN,
        description="How far the worker may go: `observe` only alerts, `dry-run` decides and "
        "simulates without a write, `enforce` reverts changes. The default cannot break anything; "
        "review its decisions before you enforce.",
        examples=["dry-run"],
        json_schema_extra={"section": "What is decided"},
    )
    user_scope: str = Field(
        default="iam-test-*",
        pattern=_GLOB,
        max_length=64,
        description="Users whose changes may be reverted: a glob (`*`, `?`) on the whole live "
        "user name, case-sensitive, at path `/` only. The default covers test users only.",
        examples=["iam-test-*"],
    )
    role_scope: str = Field(
        default="iam-test-*",
        pattern=_GLOB,
        max_length=64,
        description="Roles whose changes may be reverted: a glob on the live name, at path `/` "
        "only.",
        examples=["iam-test-*"],
    )
    group_scope: str = Field(
        default="iam-test-*",
        pattern=_GLOB,
        max_length=128,
        description="Groups whose changes may be reverted: a glob on the live name, at path `/` "
        "only.",
        examples=["iam-test-*"],
    )
    policy_scope: str = Field(
        default="iam-test-*",
        pattern=_GLOB,
        max_length=128,
        description="Customer-managed policies whose changes may be reverted: a glob on the name "
        "and path in the ARN.",
        examples=["iam-test-*"],
    )
    resource_scope: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9_+=,.@*?:/-]*$",
        max_length=512,
        description="Trails, providers, functions, and other resources whose changes may be "
        "reverted: a glob on the name, which in an ARN follows the type, or on the whole ARN when "
        "it "
        "begins with `arn:`. The default, empty, matches none.",
        examples=["arn:aws:cloudtrail:us-east-1:111122223333:trail/audit"],
    )
    account_scope: str = Field(
        default="",
        pattern=r"^[0-9*?]*$",
        max_length=12,
        description="Whether account-level settings, such as the password policy, may be "
        "reverted: a glob on the account ID. The default, empty, matches none.",
        examples=["111122223333"],
    )
    break_glass: _Globs = Field(
        default=(),
        max_length=50,
        description="ARNs of protected principals, which Countermand never changes, in scope or "
        "not: globs, comma-separated.",
        examples=["arn:aws:iam::111122223333:user/break-glass-*"],
        json_schema_extra={"lists": "ARNs"},
    )
    rules_folders: _Folders = Field(
        default=(),
        max_length=10,
        description="Folders with rule files of your own, beside the built-in ones; "
        "comma-separated. Reloaded when a file changes and on SIGHUP.",
        examples=["/etc/countermand/rules"],
        json_schema_extra={"lists": "paths"},
    )
    rule_overrides: str | None = Field(
        default=None,
        pattern=r"^/\S+$",
        max_length=512,
        description="A YAML file that changes rules by id: their `mode`, `severity`, "
        "`scope`, or whether they are `enabled`. Reloaded with the rules.",
        examples=["/etc/countermand/overrides.yaml"],
    )
    exception_tag: str = Field(
        default="SecurityApproved=true",
        pattern=_TAG,
        max_length=385,
        description="The tag, as `key=value`, on a principal whose changes are approved; both are "
        "compared exactly.",
        examples=["SecurityApproved=true"],
    )
    own_role_arn: str | None = Field(
        default=None,
        pattern=rf"^arn:{_PARTITION}:iam::{_ACCOUNT}:role/\S{{1,576}}$",
        description="ARN of the worker's role. Its changes are never reverted; a call that the "
        "worker never makes raises an alert. Unset: the role or user of the worker's credentials.",
        examples=["arn:aws:iam::111122223333:role/countermand-worker"],
    )
    max_event_age_hours: int = Field(
        default=24,
        ge=1,
        le=336,
        description="Hours after which an event only raises an alert. EventBridge "
        "itself retries for 24 hours.",
        examples=["24"],
    )
    settle_seconds: int = Field(
        default=15,
        ge=0,
        le=300,
        description="Seconds to wait for a change that is not visible in IAM yet. IAM is "
        "eventually consistent: about 4 seconds were measured.",
        examples=["15"],
    )
    recheck_seconds: _Delays = Field(
        default=(5, 15),
        max_length=5,
        description="When to recheck a remediation, in seconds after it was applied; "
        "comma-separated and ascending, all beyond IAM's 4 seconds of inconsistency.",
        examples=["5,15"],
        json_schema_extra={"lists": "whole numbers"},
    )
    worker_threads: int = Field(
        default=16,
        ge=1,
        le=64,
        description="Messages handled at once. Nearly all of the time is spent waiting for AWS.",
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
        description="Seconds after which a message in progress returns to the queue; more than "
        "all timeouts of its steps together.",
        examples=["240"],
    )
    lease_margin_seconds: int = Field(
        default=15,
        ge=0,
        le=15,
        description="Seconds by which the lease on an event outlives the visibility of its "
        "message, so that the next worker finds a lease that is about to end.",
        examples=["15"],
    )
    drain_seconds: int = Field(
        default=25,
        ge=1,
        le=110,
        description="Seconds after SIGTERM to finish the messages in progress; less than the grace "
        "period "
        "of Kubernetes and ECS (30 by default, 120 at most).",
        examples=["25"],
    )
    backoff_base_seconds: int = Field(
        default=15,
        ge=1,
        le=900,
        description="Longest wait before the first retry; it doubles each time, and the "
        "actual wait is a random value below it.",
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
        "users and policies, so something else must then control access.",
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
        description="Lowest level that the service logs. Libraries log warnings and errors only: "
        "botocore writes secrets at lower levels.",
        examples=["DEBUG"],
        json_schema_extra={"section": "Logs"},
    )
    log_group: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_./#-]{1,512}$",
        description="CloudWatch Logs group that receives the log too. Unset: standard output only.",
        examples=["/countermand/worker"],
    )
    log_stream: str = Field(
        default="countermand",
        pattern=r"^[^:*\s]{1,512}$",
        description="Stream in that group; give each replica its own.",
        examples=["countermand"],
    )

    @property
    def exception_tag_pair(self) -> tuple[str, str]:
        """The exception tag as key and value."""
        key, _, value = self.exception_tag.partition("=")
        return key, value

    @property
    def ledger(self) -> tuple[str, str]:
        """The ledger as kind (`sqlite`, `dynamodb`) and path or name of the table."""
        kind, _, name = self.ledger_url.partition(":")
        return kind, name

    @property
    def lease_seconds(self) -> int:
        """Seconds for which a lease on an event is valid unless it is renewed."""
        return self.visibility_seconds + self.lease_margin_seconds

    @property
    def api_base_url(self) -> str:
        """`api_public_url` without a slash at its end."""
        return self.api_public_url.rstrip("/")


def variable(field: str) -> str:
    """Name of the environment variable of a field."""
    return PREFIX + field.upper()
