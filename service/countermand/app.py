"""The composition root: the only place that knows the concrete classes.

`build` makes a `Service` out of settings; `serve` runs it until a signal and says how it ended.
More than 300 lines in one file, so that all the wiring of the service is in one place.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from countermand import __version__, logs
from countermand.actions import ALL as ACTIONS
from countermand.actions import OWN_CALLS
from countermand.aws import iam, sns, sqs
from countermand.aws.clients import Caller, Clients
from countermand.aws.cloud import AwsCloud
from countermand.aws.errors import on_error
from countermand.aws.iam import IamIdentities
from countermand.aws.sns import SnsTopic
from countermand.aws.sqs import SqsQueue
from countermand.clock import SystemClock
from countermand.core.errors import ConfigError, CountermandError, NoAccess
from countermand.core.governance.guardrails import Guardrails
from countermand.core.model import Mode
from countermand.core.rules.rule import RuleSet
from countermand.ledger.opened import open_ledger
from countermand.metrics import Metrics
from countermand.notifiers.sns import SnsNotifier
from countermand.operations.undo import Undoing
from countermand.pipeline.correlation import Correlator
from countermand.pipeline.facts import FactReader
from countermand.pipeline.history import History
from countermand.pipeline.leases import Leases
from countermand.pipeline.notify import AlertDispatcher
from countermand.pipeline.pipeline import Pipeline
from countermand.pipeline.recheck import Rechecker
from countermand.pipeline.remediate import Remediator
from countermand.pipeline.schedule import Schedule
from countermand.ports import Clock, Ledger
from countermand.rules.rulebook import BUILT_IN, Rulebook, load_rules
from countermand.settings import Settings
from countermand.settings import load as load_settings
from countermand.settings.fields import LogFormat
from countermand.worker.health import WorkerHealth
from countermand.worker.maintenance import Maintenance, ScheduledTask
from countermand.worker.worker import Timing, Worker

if TYPE_CHECKING:
    from countermand.api.server import ApiServer

log = logs.get_logger(__name__)

_CANNOT_START = 1
_MISCONFIGURED = 2
_THREAD_DIED = 1
_SECOND_SIGNAL = 1
_TASK_SECONDS = 10.0
"""How often the worker looks for changed rule files, and for a snapshot that is due."""
_STOP_RESERVE_SECONDS = 5
"""The part of the drain that is left for the API and for the last lines to CloudWatch Logs."""


@dataclass(frozen=True, slots=True)
class _Runtime:
    """What most parts of a worker share."""

    clients: Clients
    clock: Clock
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class Service:
    """All parts of one running worker."""

    settings: Settings
    worker: Worker
    maintenance: Maintenance
    api: "ApiServer"
    ledger: Ledger
    close_logs: Callable[[], None]


def rules(settings: Settings | None = None) -> RuleSet:
    """Load the rules in force; without settings, the built-in rules."""
    if settings is None:
        return load_rules(ACTIONS, BUILT_IN)
    return load_rules(ACTIONS, *_folders(settings), overrides=_overrides(settings))


def _folders(settings: Settings) -> tuple[Path, ...]:
    return (BUILT_IN, *map(Path, settings.rules_folders))


def _overrides(settings: Settings) -> Path | None:
    return Path(settings.rule_overrides) if settings.rule_overrides is not None else None


def guardrails_of(settings: Settings, caller: Caller) -> Guardrails:
    """Return what the operator allows, completed by what AWS says about the worker's identity."""
    # A session is protected by its role, an IAM user by its own ARN. Root is never the worker.
    itself = caller.arn if ":user/" in caller.arn else None
    own = {settings.own_role_arn or caller.role_arn or itself} - {None}
    return Guardrails(
        account_id=settings.account_id or caller.account_id,
        region=settings.event_region,
        mode=settings.mode,
        user_scope=settings.user_scope,
        role_scope=settings.role_scope,
        group_scope=settings.group_scope,
        policy_scope=settings.policy_scope,
        resource_scope=settings.resource_scope,
        account_scope=settings.account_scope,
        break_glass=settings.break_glass,
        exception_tag=settings.exception_tag_pair,
        own_arns=frozenset(arn for arn in own if arn is not None),
        settle=timedelta(seconds=settings.settle_seconds),
        max_event_age=timedelta(hours=settings.max_event_age_hours),
        own_calls=OWN_CALLS,
    )


@contextmanager
def undoing(settings: Settings) -> Iterator[Undoing]:
    """Open what an undo needs, with the caller's own credentials."""
    clients, clock = Clients(settings.region), SystemClock()
    person = clients.caller().arn
    identities = IamIdentities(clients.get("iam"))
    remediator = Remediator(ACTIONS, AwsCloud(clients), clock, Metrics())
    with closing(open_ledger(settings, lambda: clients, by_command=True)) as ledger:
        yield Undoing(ledger, identities, remediator, clock, person)


def build(settings: Settings) -> Service:
    """Wire everything. Raises `ConfigError` or the failure of the first AWS call."""
    clients = Clients(settings.region, settings.worker_threads)
    close_logs = _log_to_cloudwatch(settings, clients)
    caller = clients.caller()
    clock, metrics = SystemClock(), Metrics()
    on_error(metrics.aws_error)
    ledger = open_ledger(settings, lambda: clients)
    rulebook = Rulebook(
        ACTIONS,
        *_folders(settings),
        overrides=_overrides(settings),
        metrics=metrics,
        mode=settings.mode,
    )
    pipeline = _pipeline(
        settings,
        _Runtime(clients, clock, metrics),
        guardrails_of(settings, caller),
        ledger,
        rulebook,
    )
    maintenance = Maintenance(
        clock,
        [
            ScheduledTask("rules", _TASK_SECONDS, lambda asked: rulebook.refresh(asked=asked)),
            ScheduledTask(
                "snapshot", _TASK_SECONDS, lambda asked: pipeline.history.refresh(asked=asked)
            ),
        ],
    )
    worker = Worker(_queue(settings, clients), pipeline, clock, metrics, _timing(settings))
    health = WorkerHealth(worker, ledger, clock, clients.caller)
    token = settings.api_token.get_secret_value() if settings.api_token else None
    # Only here: a command needs no web framework, and loads in half the time.
    from countermand.api.app import create_app  # noqa: PLC0415
    from countermand.api.server import ApiServer  # noqa: PLC0415

    app = create_app(ledger, health, metrics, token=token, public_url=settings.api_base_url)
    api = ApiServer(app, settings.api_host, settings.api_port)
    return Service(settings, worker, maintenance, api, ledger, close_logs)


def run(environ: Mapping[str, str]) -> NoReturn:
    """Run a worker and end the process: with 2 if a setting or the access to AWS is wrong, with 1
    if it cannot start for another reason, else as `serve` says.
    """
    try:
        code = serve(build(load_settings(environ)))
    except (ConfigError, NoAccess) as error:
        sys.stderr.write(f"{error}\n")
        code = _MISCONFIGURED
    except CountermandError as error:
        sys.stderr.write(f"The worker cannot start: {error}\n")
        code = _CANNOT_START
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit, because it would wait for a thread in a hung call.
    os._exit(code)


def serve(service: Service) -> int:
    """Run until SIGTERM or SIGINT; 0 after a drain, 1 when a part died. A second signal exits 1."""
    settings, worker = service.settings, service.worker
    stopper = _stopper(worker)
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, stopper)
    signal.signal(signal.SIGHUP, lambda *_: service.maintenance.ask())
    _give_memory_back()
    service.maintenance.start()
    service.api.start()
    worker.start()
    log.info(
        "Worker started",
        version=__version__,
        mode=str(settings.mode),
        queue_url=settings.queue_url,
        ledger=settings.ledger_url,
        api=service.api.url,
    )
    for warning in settings.warnings():
        log.warning("Configuration warning", detail=warning)
    healthy = worker.wait(lambda: service.api.alive)
    service.maintenance.stop()
    worker.drain()
    service.api.stop()
    service.ledger.close()
    log.info("Worker stopped", healthy=healthy)
    service.close_logs()
    return 0 if healthy else _THREAD_DIED


def _give_memory_back() -> None:
    """Return the memory that start-up freed, after it read the AWS endpoints and all rules.

    glibc keeps it without this call; other C libraries have no such call.
    """
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _stopper(worker: Worker) -> Callable[[int, FrameType | None], None]:
    signals: list[int] = []

    def stop(signum: int, _frame: FrameType | None) -> None:
        signals.append(signum)
        if len(signals) > 1:
            # A second signal means that the operator does not want to wait for the drain.
            os._exit(_SECOND_SIGNAL)
        worker.request_stop()

    return stop


def _pipeline(
    settings: Settings,
    runtime: _Runtime,
    guardrails: Guardrails,
    ledger: Ledger,
    rulebook: Rulebook,
) -> Pipeline:
    clients, clock, metrics = runtime.clients, runtime.clock, runtime.metrics
    identities, cloud = IamIdentities(clients.get("iam")), AwsCloud(clients)
    notifiers = (SnsNotifier(SnsTopic(clients.get("sns"), settings.topic_arn)),)
    metrics.expect(ACTIONS, [n.channel for n in notifiers], _calls(settings))

    def in_force() -> RuleSet:
        return rulebook.rules  # read each time, because a reload replaces them

    history = History(cloud, ledger, clock, guardrails, in_force)
    facts = FactReader(identities, cloud, ACTIONS, ledger, history, clock)
    return Pipeline(
        rules=in_force,
        guardrails=guardrails,
        facts=facts,
        remediator=Remediator(ACTIONS, cloud, clock, metrics),
        dispatcher=AlertDispatcher(
            notifiers, settings.api_base_url, metrics, settings.exception_tag_pair
        ),
        ledger=ledger,
        clock=clock,
        metrics=metrics,
        leases=Leases(
            ledger,
            clock,
            timedelta(seconds=settings.lease_seconds),
            timedelta(seconds=settings.message_deadline_seconds),
        ),
        history=history,
        rechecker=Rechecker(in_force, facts, clock, Schedule(clock), settings.recheck_seconds),
        correlator=Correlator(in_force, guardrails, ledger),
    )


def _calls(settings: Settings) -> set[str]:
    """Return the AWS calls that the worker may make in its mode."""
    own = {"sts:GetCallerIdentity", *sqs.CALLS, *sns.PERMISSIONS}
    reads = {call for calls in iam.PERMISSIONS.values() for call in calls}
    reads |= {call for action in ACTIONS.values() for call in action.info.reads}
    writes = {call for action in ACTIONS.values() for call in action.info.writes}
    if settings.ledger[0] == "dynamodb":
        from countermand.ledger.dynamodb_table import PERMISSIONS  # noqa: PLC0415

        own |= set(PERMISSIONS)
    return own | reads | (writes if settings.mode is Mode.ENFORCE else set())


def _queue(settings: Settings, clients: Clients) -> SqsQueue:
    return SqsQueue(
        clients.get("sqs"),
        clients.polling_sqs(settings.poll_seconds),
        settings.queue_url,
        settings.visibility_seconds,
    )


def _timing(settings: Settings) -> Timing:
    return Timing(
        threads=settings.worker_threads,
        poll=settings.poll_seconds,
        visibility=settings.visibility_seconds,
        heartbeat=settings.heartbeat_seconds,
        deadline=settings.message_deadline_seconds,
        drain=max(1, settings.drain_seconds - _STOP_RESERVE_SECONDS),
        backoff_base=settings.backoff_base_seconds,
        backoff_cap=settings.backoff_cap_seconds,
    )


def _log_to_cloudwatch(settings: Settings, clients: Clients) -> Callable[[], None]:
    wanted, is_terminal = settings.log_format, sys.stdout.isatty()
    as_text = wanted is LogFormat.TEXT or (wanted is LogFormat.AUTO and is_terminal)
    logs.configure(settings.log_level, sys.stdout, as_text=as_text)
    if settings.log_group is None:
        return lambda: None
    # Only here: most workers log to standard output alone.
    from countermand.aws.cloudwatch import flush, log_handler  # noqa: PLC0415

    handler = log_handler(clients.get("logs"), settings.log_group, settings.log_stream)
    logs.add_handler(handler)
    return lambda: flush(handler)
