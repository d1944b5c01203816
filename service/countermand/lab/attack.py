"""`countermand attack`: the scenario of `scenario.py`, on a running stack, such as compose's.

Steps A and B are decided by the workers of that stack, which are in dry run and stay so. C and D
need enforce mode: for them, this command starts a worker of its own that ends with it. It has its
own bus and queue, so that neither worker ever sees an event of the other; topic, log and ledger are
shared, so that all four steps can be read in the same places. It never runs against AWS.
"""

import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from countermand.app import rules
from countermand.aws.clients import Clients
from countermand.aws.provision import Names, Stack, provision
from countermand.core.errors import ConfigError, CountermandError
from countermand.core.model import Mode
from countermand.core.rules.routing import routes_of
from countermand.lab.localstack import is_localstack
from countermand.lab.scenario import Scenario, Stage
from countermand.lab.worker_process import WorkerProcess, without_settings
from countermand.settings import Settings

_RUNNING = Names()
_OWN = Names(
    bus="countermand-attack",
    rule_prefix="countermand-attack",
    queue="countermand-attack-events",
    dlq="countermand-attack-events-dlq",
    max_receives=3,
)


def attack(settings: Settings, api_url: str) -> int:
    """Run the scenario; return 0 when everything happened as expected.

    Raises `ConfigError` when it must not begin.

    `api_url` is where the workers' API is reached from here; people may reach it by another name.
    """
    endpoint = _localstack()
    _refuse_unless_it_can_run(settings)
    clients = Clients(settings.region)
    routes = routes_of(rules())
    running, own = (provision(clients, routes, names) for names in (_RUNNING, _OWN))
    scenario = Scenario(endpoint, _RUNNING.email)
    scenario.confirm_mail(running)
    folder = Path(tempfile.mkdtemp(prefix="countermand-attack-"))
    worker = WorkerProcess(folder)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.callback(worker.stop)
        try:
            scenario.run_a_and_b(_running_stage(settings, running, api_url))
            scenario.title(
                "C and D need enforce mode: a worker of its own, with a queue of its own"
            )
            scenario.run_c_and_d(_own_stage(settings, own, worker))
            scenario.show_results()
        except CountermandError as error:
            scenario.failures.append(str(error))
            for line in worker.log_tail():
                scenario.say(f"  {line}")
    return scenario.show_verdict()


def _localstack() -> str:
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    if not is_localstack(endpoint):
        raise ConfigError(
            f"AWS_ENDPOINT_URL: no LocalStack answers at {endpoint or '(unset)'}. This command "
            "gives users administrator permissions: it is for LocalStack only."
        )
    return endpoint


def _refuse_unless_it_can_run(settings: Settings) -> None:
    if settings.mode is not Mode.DRY_RUN:
        raise ConfigError(
            f"COUNTERMAND_MODE: is {settings.mode}, but steps A and B show what a dry run does; "
            "start the workers with dry-run"
        )
    if settings.ledger[0] != "dynamodb":
        raise ConfigError(
            "COUNTERMAND_LEDGER_URL: the worker of steps C and D shares the ledger, which a file "
            "cannot be; use dynamodb:TABLE"
        )


def _running_stage(settings: Settings, stack: Stack, api_url: str) -> Stage:
    token = settings.api_token.get_secret_value() if settings.api_token else None
    return Stage(stack, api_url.rstrip("/"), token, os.environ)


def _own_stage(settings: Settings, stack: Stack, worker: WorkerProcess) -> Stage:
    ours = {
        "COUNTERMAND_LEDGER_URL": settings.ledger_url,
        "COUNTERMAND_OWN_ROLE_ARN": settings.own_role_arn or "",
        "COUNTERMAND_MODE": "enforce",
        "COUNTERMAND_POLL_SECONDS": "1",
        # Not its own API, which ends with it: the decisions are in the ledger of the others too.
        "COUNTERMAND_API_PUBLIC_URL": settings.api_public_url,
        **stack.environment(),
    }
    environment = without_settings() | ours
    worker.start(environment)
    return Stage(stack, worker.url, None, environment)
