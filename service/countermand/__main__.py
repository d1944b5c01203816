"""`python -m countermand` and the `countermand` command."""

import os
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command that the arguments name.

    `run` alone is what a container does for months: it is spared the 14 MB of the command line's
    libraries, which the help, the other commands and `run --print-config` are worth.
    """
    if sys.argv[1:] == ["run"]:
        # structlog would load it for a console renderer that a worker does not have.
        sys.modules["rich"] = None  # type: ignore[assignment]
        from countermand.app import run  # noqa: PLC0415

        run(os.environ)
    from countermand.cli.main import app  # noqa: PLC0415

    sys.exit(app())


if __name__ == "__main__":
    main()
