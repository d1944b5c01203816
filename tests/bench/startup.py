"""How long commands take to answer, as a ratio to `python -c pass`: run by `make bench`.

The machine is noisy: each figure is the best of many runs, all in turn.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from countermand.clock import SystemClock
from countermand.ledger.sqlite import SqliteLedger

ROUNDS = 10
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "countermand --help": ["-m", "countermand", "--help"],
    "countermand decisions, empty ledger": ["-m", "countermand", "decisions"],
}


def seconds(arguments: list[str], environment: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments], env=environment, check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - started


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite3"
        SqliteLedger(path, SystemClock(), "bench", retention_days=1, exclusive=False).close()
        environment = dict(os.environ) | {"COUNTERMAND_LEDGER_URL": f"sqlite:{path}"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        took: dict[str, list[float]] = {name: [] for name in COMMANDS}
        for _ in range(ROUNDS):
            for name, command in COMMANDS.items():
                took[name].append(seconds(command, environment))
    nothing = min(took["python -c pass"])
    for name, all_of_them in took.items():
        best = min(all_of_them)
        print(f"{name:<36} {best:5.2f} s, {best / nothing:4.0f} times as long as nothing")


if __name__ == "__main__":
    main()
