"""Check settings against each other: contradictions are errors, risky combinations are warnings."""

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from countermand.core.model import Mode, SubjectKind
from countermand.core.regions import iam_region, partition_of
from countermand.settings.names import variable
from countermand.settings.queue_url import read_queue_url

if TYPE_CHECKING:  # the fields ask for these checks
    from countermand.settings.fields import Settings


@dataclass(frozen=True, slots=True)
class SettingError:
    """A mistake: the fields that it is about, and what is wrong."""

    fields: tuple[str, ...]
    text: str


class RelationsError(ValueError):
    """Raised when fields contradict each other."""

    def __init__(self, errors: Sequence[SettingError]) -> None:
        super().__init__("; ".join(f"{named(e.fields)}: {e.text}" for e in errors))
        self.errors = errors


def named(fields: Sequence[str]) -> str:
    """Return the variables of the fields."""
    return ", ".join(variable(name) for name in fields)


def relations(s: "Settings") -> Iterator[SettingError]:
    """Yield what is wrong between fields that are valid by themselves."""
    yield from _wrong_times(s)
    yield from _wrong_places(s)
    if s.ledger[0] == "sqlite" and s.replicas > 1:
        text = f"{s.replicas} replicas cannot share an SQLite file; use dynamodb:TABLE"
        yield SettingError(("ledger_url", "replicas"), text)
    if not (_is_loopback(s.api_host) or s.api_token or s.api_allow_anonymous):
        text = (
            f"anyone who can reach {s.api_host} could read decisions; set a token, or allow "
            f"it with {variable('api_allow_anonymous')}=true"
        )
        yield SettingError(("api_token", "api_host"), text)


def _wrong_times(s: "Settings") -> Iterator[SettingError]:
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
        yield SettingError(("recheck_seconds",), "must be in ascending order")


def _wrong_places(s: "Settings") -> Iterator[SettingError]:
    partition, topic_region = s.topic_arn.split(":")[1], s.topic_arn.split(":")[3]
    if topic_region != s.region:
        text = f"the topic is in {topic_region}, but the worker runs in {s.region}"
        yield SettingError(("topic_arn", "region"), text)
    if partition_of(s.event_region) not in {None, partition}:
        home = iam_region(partition) or s.region
        text = (
            f"{s.event_region} is not in the partition {partition} of the topic, so no event would "
            f"be accepted; set {variable('event_region')}={home}"
        )
        yield SettingError(("event_region", "topic_arn"), text)
    yield from _wrong_queues(s)


def _wrong_queues(s: "Settings") -> Iterator[SettingError]:
    queue = read_queue_url(s.queue_url)
    if not queue.is_complete:
        yield SettingError(("queue_url",), "must end in the account and the name of the queue")
    elif queue.region not in {None, s.region}:
        text = f"the queue is in {queue.region}, but the worker runs in {s.region}"
        yield SettingError(("queue_url", "region"), text)
    if s.dlq_url is None:
        return
    dlq = read_queue_url(s.dlq_url)
    if s.dlq_url == s.queue_url:
        text = "the dead-letter queue must differ from the queue"
    elif not dlq.is_complete:
        text = "must end in the account and the name of the queue"
    elif None not in {dlq.region, queue.region} and not dlq.is_beside(queue):
        text = "SQS needs the dead-letter queue in the region and account of the queue"
    elif queue.is_fifo != dlq.is_fifo:
        text = "SQS needs two FIFO queues (their names end in .fifo), or two standard queues"
    else:
        return
    yield SettingError(("dlq_url", "queue_url"), text)


_SCOPES = tuple(f"{kind}_scope" for kind in SubjectKind)


def warnings(s: "Settings") -> Iterator[str]:
    """Yield what is allowed and still worth a second thought."""
    public, loopback = urlsplit(s.api_public_url), _is_loopback(s.api_host)
    for name in _SCOPES:
        scope = getattr(s, name)
        # An empty scope matches nothing.
        if s.mode is Mode.ENFORCE and scope and not scope.removeprefix("arn:").strip("*?:"):
            yield (
                f"{variable(name)}={scope} puts every {name.partition('_')[0]} in scope for "
                f"remediation except {variable('break_glass')}."
            )
    if s.api_token is None and not loopback:
        yield (
            f"The API listens on {s.api_host} without a token: anyone who can reach it can read "
            "decisions."
        )
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
