"""A staged attack: really attach an administrator policy, and wait for the decision on it.

An emulator's IAM emits no CloudTrail events, so there the event is put on the bus too. AWS itself
refuses such an event, and needs none.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from countermand.app import guardrails_of, rules
from countermand.aws.clients import Clients
from countermand.aws.iam import IamIdentities
from countermand.aws.lab import Lab
from countermand.aws.provision import Names, provision
from countermand.core.envelope import ADMIN_POLICY, attach_event
from countermand.core.errors import ConfigError, Transient
from countermand.core.model import Subject, SubjectKind
from countermand.core.parse import CLOUDTRAIL_CALL
from countermand.core.regions import is_aws_host
from countermand.core.rules.routing import routes_of
from countermand.lab.api_client import DecisionsApi
from countermand.ledger.dynamodb_table import create_table
from countermand.settings import Settings

_SERVICES = ("dynamodb", "events", "iam", "logs", "sns", "sqs", "sts")


def attach_admin(
    settings: Settings, user: str, tags: Mapping[str, str], wait_seconds: float
) -> dict[str, Any]:
    """Attach AdministratorAccess to the user, and return the decision as the API shows it.

    Raises `ConfigError` when the user must not be used, `Transient` when no decision came.
    """
    clients = Clients(settings.region)
    emulated = on_emulator(clients)
    lab, account_id = Lab(clients), clients.caller().account_id
    started = datetime.now(UTC).replace(microsecond=0)
    if emulated:
        lab.create_user(user, tags)
        lab.attach(user, ADMIN_POLICY)
        lab.put_event(attach_event(account_id, user), CLOUDTRAIL_CALL)
    else:
        _refuse_unless_in_scope(settings, clients, user, tags)
        lab.attach(user, ADMIN_POLICY)
    api = DecisionsApi(settings.api_base_url, _token(settings))
    decision = api.wait_for(
        lambda d: (
            datetime.fromisoformat(d["event_time"]) >= started
            and d["verdict"] != "wait"
            and d["outcome"] not in {"pending", "started"}
        ),
        wait_seconds,
        target=user,
    )
    if decision is None:
        raise Transient(
            f"attached, but no decision within {wait_seconds:g} s: is the worker running, and does "
            "`countermand doctor` pass?"
        )
    return decision


def provision_emulator(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Create what a worker needs in an emulator; returns its settings as variables.

    The ledger is among them when COUNTERMAND_LEDGER_URL names a table; a file needs no creating.
    """
    clients = Clients(environ.get("COUNTERMAND_REGION", "us-east-1"))
    if not on_emulator(clients):
        raise ConfigError(
            "AWS_ENDPOINT_URL is not set: this command is for emulators. In AWS, use Terraform."
        )
    made = dict(provision(clients, routes_of(rules()), Names()).environment())
    ledger_url = environ.get("COUNTERMAND_LEDGER_URL", "")
    kind, _, table = ledger_url.partition(":")
    if kind == "dynamodb":
        create_table(clients.get("dynamodb"), table)
        made["COUNTERMAND_LEDGER_URL"] = ledger_url
    return made


def on_emulator(clients: Clients) -> bool:
    """Whether calls go to an emulator instead of AWS, by where each client really sends them: a
    variable may name one service only, or be ignored. `ConfigError` when they differ.
    """
    urls = {name: str(clients.get(name).meta.endpoint_url) for name in _SERVICES}
    in_aws = {name for name, url in urls.items() if is_aws_host(urlsplit(url).hostname or "")}
    if in_aws and in_aws != set(urls):
        raise ConfigError(
            f"AWS_ENDPOINT_URL: {', '.join(sorted(in_aws))} would go to AWS and the others to an "
            "emulator; set it for all, or for none"
        )
    return not in_aws


def _token(settings: Settings) -> str | None:
    return settings.api_token.get_secret_value() if settings.api_token else None


def _refuse_unless_in_scope(
    settings: Settings, clients: Clients, user: str, tags: Mapping[str, str]
) -> None:
    if tags:
        raise ConfigError("--tag: only with an emulator; tag the user yourself in AWS")
    scope = guardrails_of(settings, clients.caller()).scopes[SubjectKind.USER]
    found = IamIdentities(clients.get("iam")).read(Subject(SubjectKind.USER, user))
    if found is None:
        raise ConfigError(f"--user {user}: no such user; create a throw-away user in scope first")
    if found.path != "/" or scope.match(found.name) is None:
        raise ConfigError(f"--user {user}: not in scope ({settings.user_scope} at path /)")
