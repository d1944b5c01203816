"""Every setting of the operator: one frozen object with one field per environment variable.

Variable `COUNTERMAND_QUEUE_URL` = field `queue_url` = Helm value `settings.queueUrl`. The fields
are also the source of docs/configuration.md: change them, then run `make docs`.

More than 300 lines, because each setting is defined once, with limits, meaning and example.
"""

import re
from enum import StrEnum
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    model_validator,
)

from countermand.core.model import Mode
from countermand.settings.checks import RelationsError, relations, warnings
from countermand.settings.names import REGION, shown, variable

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


class LogFormat(StrEnum):
    """How a log line is written."""

    AUTO = "auto"
    """Text on a terminal, JSON elsewhere."""
    JSON = "json"
    TEXT = "text"


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


class Settings(BaseModel):
    """All settings of one worker. Build it with `load`; tests may name fields directly."""

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
        description="URL of its dead-letter queue. Only `countermand doctor` reads it.",
        examples=["https://sqs.us-east-1.amazonaws.com/111122223333/countermand-dlq"],
    )
    topic_arn: str = Field(
        pattern=rf"^arn:{_PARTITION}:sns:{REGION}:{_ACCOUNT}:[A-Za-z0-9_-]{{1,256}}$",
        description="ARN of the SNS topic that receives the alerts. FIFO topics cannot send email.",
        examples=["arn:aws:sns:us-east-1:111122223333:countermand-alerts"],
    )
    account_id: str | None = Field(
        default=None,
        pattern=rf"^{_ACCOUNT}$",
        description="The account that Countermand guards. Events from any other account only "
        "raise an alert. Unset: the account of the worker's credentials.",
        examples=["111122223333"],
    )
    region: str = Field(
        default="us-east-1",
        pattern=rf"^{REGION}$",
        description="The region of the worker's queue, topic, and table.",
        examples=["us-east-1"],
    )
    event_region: str = Field(
        default="us-east-1",
        pattern=rf"^{REGION}$",
        description="The region that IAM events come from. IAM is global, and its events appear "
        "in one region of a partition: us-east-1, us-gov-west-1 in GovCloud, cn-north-1 in China, "
        "eusc-de-east-1 in the European Sovereign Cloud.",
        examples=["us-east-1"],
    )
    rule_prefix: str = Field(
        default="countermand",
        pattern=r"^[A-Za-z0-9_.-]{1,40}$",
        description="Prefix of the EventBridge rules in the event region, for example "
        "`countermand-iam` for `aws.iam`. Only `countermand doctor` reads it.",
        examples=["countermand"],
    )
    mode: Mode = Field(
        default=Mode.DRY_RUN,
        description="How far the worker may go: `observe` only alerts, `dry-run` decides and "
        "simulates without a write, `enforce` reverts changes. The default cannot break "
        "anything. Review its decisions before you enforce.",
        examples=["dry-run"],
        json_schema_extra={"section": "What is decided"},
    )
    user_scope: str = Field(
        default="iam-test-*",
        pattern=_GLOB,
        max_length=64,
        description="Users whose changes may be reverted: a glob (`*`, `?`) on the whole live "
        "user name, case-sensitive, at path `/` only. The default covers only test users.",
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
        description="Trails, providers, functions, and other resources whose changes may be "
        "reverted: a glob on the name, which is the part of an ARN after the type, or on the "
        "whole ARN if the glob begins with `arn:`. The default is empty and covers no resource.",
        examples=["arn:aws:cloudtrail:us-east-1:111122223333:trail/audit"],
    )
    account_scope: str = Field(
        default="",
        pattern=r"^[0-9*?]*$",
        max_length=12,
        description="Whether changes of account-level settings, such as the password policy, "
        "may be reverted: a glob on the account ID. The default is empty and covers no account.",
        examples=["111122223333"],
    )
    break_glass: _Globs = Field(
        default=(),
        max_length=50,
        description="ARNs of protected principals, which Countermand never changes, in scope "
        "or not: globs, comma-separated.",
        examples=["arn:aws:iam::111122223333:user/break-glass-*"],
    )
    rules_folders: _Folders = Field(
        default=(),
        max_length=10,
        description="Folders with your own rule files, in addition to the built-in rules; "
        "comma-separated. Reloaded when a file changes and on SIGHUP.",
        examples=["/etc/countermand/rules"],
    )
    rule_overrides: str | None = Field(
        default=None,
        pattern=r"^/\S+$",
        max_length=512,
        description="A YAML file that changes rules by ID: their `mode`, `severity`, `scope`, "
        "or whether they are `enabled`. Reloaded together with the rules.",
        examples=["/etc/countermand/overrides.yaml"],
    )
    exception_tag: str = Field(
        default="SecurityApproved=true",
        pattern=_TAG,
        max_length=385,
        description="The tag, as `key=value`, of a principal whose changes were approved. Key "
        "and value must match exactly.",
        examples=["SecurityApproved=true"],
    )
    own_role_arn: str | None = Field(
        default=None,
        pattern=rf"^arn:{_PARTITION}:iam::{_ACCOUNT}:role/\S{{1,576}}$",
        description="ARN of the worker's role. Countermand never reverts a change by this "
        "role, and alerts if the worker never makes that call. Unset: the role or user of the "
        "worker's credentials.",
        examples=["arn:aws:iam::111122223333:role/countermand-worker"],
    )
    max_event_age_hours: int = Field(
        default=24,
        ge=1,
        le=336,
        description="Hours after which an event only raises an alert. EventBridge itself "
        "retries for 24 hours.",
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
        "comma-separated, in ascending order, each longer than the 4 seconds of IAM's "
        "inconsistency.",
        examples=["5,15"],
    )
    worker_threads: int = Field(
        default=16,
        ge=1,
        le=64,
        description="Messages handled at the same time. A worker spends nearly all of its "
        "time waiting for AWS.",
        examples=["16"],
        json_schema_extra={"section": "How messages are handled"},
    )
    poll_seconds: int = Field(
        default=20,
        ge=0,
        le=20,
        description="Seconds that one long poll waits for messages. 20 is the maximum of SQS, "
        "and costs least.",
        examples=["20"],
    )
    visibility_seconds: int = Field(
        default=60,
        ge=30,
        le=43200,
        description="Seconds for which a received message is hidden from other workers. A "
        "crash delays its messages by this time.",
        examples=["60"],
    )
    heartbeat_seconds: int = Field(
        default=20,
        ge=1,
        le=14400,
        description="Seconds between two extensions of visibility and lease: at most a third "
        "of the visibility, so that two may fail.",
        examples=["20"],
    )
    message_deadline_seconds: int = Field(
        default=240,
        ge=30,
        le=3600,
        description="Seconds after which a message in hand returns to the queue: more than "
        "the timeouts of all its steps together.",
        examples=["240"],
    )
    lease_margin_seconds: int = Field(
        default=15,
        ge=0,
        le=15,
        description="Seconds by which the lease on an event outlives the visibility of its "
        "message, so that the next worker does not wait for a lease that has just begun.",
        examples=["15"],
    )
    drain_seconds: int = Field(
        default=25,
        ge=1,
        le=110,
        description="Seconds after SIGTERM to finish the messages in hand: less than the "
        "grace period of Kubernetes and ECS (30 by default, 120 at most).",
        examples=["25"],
    )
    backoff_base_seconds: int = Field(
        default=15,
        ge=1,
        le=900,
        description="Longest wait before the first retry. It doubles with each retry, and the "
        "actual wait is a random part of it.",
        examples=["15"],
    )
    backoff_cap_seconds: int = Field(
        default=900,
        ge=1,
        le=43200,
        description="Longest wait before any retry. With the default, the 8 receives of the "
        "queue last 15 minutes on average.",
        examples=["900"],
    )
    ledger_url: str = Field(
        default="sqlite:countermand.sqlite3",
        pattern=_LEDGER,
        description="Where decisions are stored: `sqlite:PATH` for one worker, "
        "`dynamodb:TABLE` for any number. The default needs only a disk that outlives the "
        "container.",
        examples=["dynamodb:countermand"],
        json_schema_extra={"section": "What is kept"},
    )
    retention_days: int = Field(
        default=400,
        ge=15,
        le=3650,
        description="Days for which decisions are stored. At least 15, because a message can "
        "return from the dead-letter queue after 14.",
        examples=["400"],
    )
    replicas: int = Field(
        default=1,
        ge=1,
        le=1000,
        description="How many workers share the queue. Several workers need a DynamoDB "
        "ledger, because an SQLite file belongs to one process.",
        examples=["1"],
    )
    api_host: str = Field(
        default="127.0.0.1",
        pattern=r"^[A-Za-z0-9.:_-]{1,253}$",
        description="Address that the API listens on. The default is reachable only from this "
        "machine. Use `0.0.0.0` in a container, together with a token.",
        examples=["0.0.0.0"],  # noqa: S104 - what a container needs, and refused without a token
        json_schema_extra={"section": "API"},
    )
    api_port: int = Field(
        default=8080,
        ge=0,
        le=65535,
        description="Port of the API, the probes, and the metrics. 0 takes any free port.",
        examples=["8080"],
    )
    api_token: _Token | None = Field(
        default=None,
        description="Bearer token for everything but probes and metrics: at least 16 "
        "printable ASCII characters without spaces.",
        examples=["$(openssl rand -hex 32)"],
    )
    api_allow_anonymous: bool = Field(
        default=False,
        description="Allow the API to listen beyond this machine without a token. Decisions "
        "name users and policies, so something else must then restrict access.",
        examples=["false"],
    )
    api_public_url: str = Field(
        default="http://127.0.0.1:8080",
        pattern=_URL,
        description="URL under which people reach the API. Alerts link to it.",
        examples=["https://countermand.example.com"],
    )
    log_level: Annotated[LogLevel, BeforeValidator(_upper)] = Field(
        default=LogLevel.INFO,
        description="Lowest level of the service's own log lines. Libraries log only "
        "warnings, because botocore writes secrets at its lower levels.",
        examples=["DEBUG"],
        json_schema_extra={"section": "Logs"},
    )
    log_format: LogFormat = Field(
        default=LogFormat.AUTO,
        description="How lines on standard output are written: `json`, one object a line, or "
        "`text`, for people. `auto` writes text on a terminal and JSON elsewhere, as in a "
        "container. CloudWatch Logs always gets JSON.",
        examples=["json"],
    )
    log_group: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_./#-]{1,512}$",
        description="CloudWatch Logs group that also receives the log. Unset: standard output "
        "only.",
        examples=["/countermand/worker"],
    )
    log_stream: str = Field(
        default="countermand",
        pattern=r"^[^:*\s]{1,512}$",
        description="Log stream in that group. Give each replica its own.",
        examples=["countermand"],
    )

    @model_validator(mode="after")
    def _check_relations(self) -> Self:
        if errors := tuple(relations(self)):
            raise RelationsError(errors)
        return self

    @property
    def exception_tag_pair(self) -> tuple[str, str]:
        """Key and value of the exception tag."""
        key, _, value = self.exception_tag.partition("=")
        return key, value

    @property
    def ledger(self) -> tuple[str, str]:
        """Kind of the ledger (`sqlite`, `dynamodb`), and its path or table name."""
        kind, _, name = self.ledger_url.partition(":")
        return kind, name

    @property
    def lease_seconds(self) -> int:
        """Seconds for which a lease on an event lasts unless it is renewed."""
        return self.visibility_seconds + self.lease_margin_seconds

    @property
    def api_base_url(self) -> str:
        """`api_public_url` without a slash at its end."""
        return self.api_public_url.rstrip("/")

    def warnings(self) -> list[str]:
        """Return what is allowed and still worth a second thought, as sentences for the log."""
        return list(warnings(self))

    def as_environment(self) -> dict[str, str]:
        """Return the variables that give these settings, with secrets masked and unset ones left
        out.
        """
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return {variable(name): shown(value) for name, value in values.items() if value is not None}

    def as_text(self) -> str:
        """Return `as_environment` as lines of `NAME=value`."""
        return "".join(f"{name}={value}\n" for name, value in self.as_environment().items())
