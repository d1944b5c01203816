"""Write what Terraform takes from the code: `terraform_files.py [--check]`.

    rules and actions  -> modules/iam/policies/     as `countermand iam-policy` prints it
    deny policies      -> modules/iam/policies/     what alone may be attached
    rules              -> modules/eventbridge/      as `countermand rules event-pattern` prints it
    the DynamoDB code  -> modules/ledger/table.json

With --check nothing is written, and a stale file ends it with 1.
"""

import json
import sys
from pathlib import Path

from countermand.actions import ALL
from countermand.app import rules
from countermand.core.checks.conditions import PROTECTED_DENY_ARNS
from countermand.core.model import Mode
from countermand.deployment.iam_policy import (
    Places,
    enforce_policy,
    routing_patterns,
    worker_policy,
)
from countermand.ledger.dynamodb import table_definition

ROOT = Path(__file__).parents[1]
MODULES = ROOT / "terraform" / "modules"
TTL_ATTRIBUTE = "expires_at"


def outputs() -> dict[Path, str]:
    """Every file that comes from the code, and its text."""
    built_in, places = rules(), Places()
    table = table_definition("unnamed") | {"TimeToLive": TTL_ATTRIBUTE}
    del table["TableName"]
    documents = {
        "iam/policies/worker.json.tftpl": worker_policy(Mode.DRY_RUN, built_in, ALL, places),
        "iam/policies/enforce.json.tftpl": enforce_policy(built_in, ALL, places),
        "iam/policies/denying.json.tftpl": sorted(places.here(PROTECTED_DENY_ARNS)),
        "eventbridge/patterns.json": routing_patterns(built_in),
        "ledger/table.json": table,
    }
    return {MODULES / name: json.dumps(text, indent=2) + "\n" for name, text in documents.items()}


def main(*, check: bool) -> int:
    """0 if all is, or was made, as it should be."""
    stale = {
        file: text
        for file, text in outputs().items()
        if not file.exists() or file.read_text() != text
    }
    for file, text in stale.items():
        if check:
            sys.stderr.write(f"{file.relative_to(ROOT)} is stale: run 'make terraform-files'\n")
        else:
            file.write_text(text)
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
