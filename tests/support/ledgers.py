"""What the ledger tests share."""

from collections.abc import Callable

from countermand.ports import Ledger

type OpenLedger = Callable[[str], Ledger]
"""Opens the same ledger for an owner: `open_ledger("worker-1")`."""
