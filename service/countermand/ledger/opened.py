"""The ledger that the settings name: opened by the worker, or by a command beside it."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from countermand.clock import SystemClock
from countermand.ledger.sqlite import SqliteLedger
from countermand.ports import Ledger
from countermand.settings import Settings

if TYPE_CHECKING:
    from countermand.aws.clients import Clients


def open_ledger(
    settings: Settings, clients: Callable[[], "Clients"], *, by_command: bool = False
) -> Ledger:
    """Open it: for the worker alone, or for a command beside the worker.

    A command raises `ConfigError` where no worker has created a ledger.
    """
    kind, name = settings.ledger
    clock = SystemClock()
    owner = f"{socket.gethostname()}-{os.getpid()}"
    if kind == "dynamodb":
        # Only here: an SQLite worker needs neither the module nor the client.
        from countermand.ledger.dynamodb import DynamoDbLedger  # noqa: PLC0415
        from countermand.ledger.dynamodb_table import must_exist  # noqa: PLC0415

        client = clients().get("dynamodb")
        if by_command:
            must_exist(client, name, settings.region)
        return DynamoDbLedger(client, name, clock, owner, settings.retention_days)
    return SqliteLedger(
        Path(name),
        clock,
        owner,
        retention_days=settings.retention_days,
        exclusive=not by_command,
        must_exist=by_command,
    )


@contextmanager
def ledger_of(settings: Settings) -> Iterator[Ledger]:
    """Open the ledger for a command; a worker may run at the same time."""

    def clients() -> "Clients":
        # Only here: the SDK takes longer to load than all that reading an SQLite file needs.
        from countermand.aws.clients import Clients  # noqa: PLC0415

        return Clients(settings.region)

    with closing(open_ledger(settings, clients, by_command=True)) as ledger:
        yield ledger
