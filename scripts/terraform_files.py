"""Generate the files that Terraform takes from the code: `terraform_files.py [--check]`.

    rules and actions  -> modules/iam/policies/     the output of `countermand iam-policy`
    deny policies      -> modules/iam/policies/     the only policies that may be attached
    rules              -> modules/eventbridge/      the output of `countermand rules event-pattern`
    the DynamoDB code  -> modules/ledger/table.json

With --check, it writes nothing and exits with 1 if a file is stale.
"""

import json
import sys
from pathlib import Path

from countermand.actions import ALL
from countermand.app import rules
from countermand.core.checks.policies import PROTECTED_DENY_ARNS
from countermand.core.model import Mode
from countermand.deployment.iam_policy import enforce_policy, worker_policy
from countermand.deployment.routing import routing_patterns
from countermand.deployment.values import DeploymentValues
from countermand.ledger.dynamodb_table import table_definition

ROOT = Path(__file__).parents[1]
MODULES = ROOT / "terraform" / "modules"
TTL_ATTRIBUTE = "expires_at"


def outputs() -> dict[Path, str]:
    """Build the text of every generated file."""
    built_in, values = rules(), DeploymentValues()
    table = table_definition("unnamed") | {"TimeToLive": TTL_ATTRIBUTE}
    del table["TableName"]
    documents = {
        "iam/policies/worker.json.tftpl": worker_policy(Mode.DRY_RUN, built_in, ALL, values),
        "iam/policies/enforce.json.tftpl": enforce_policy(built_in, ALL, values),
        "iam/policies/denying.json.tftpl": sorted(values.here(PROTECTED_DENY_ARNS)),
        "eventbridge/patterns.json": routing_patterns(built_in),
        "ledger/table.json": table,
    }
    return {MODULES / name: json.dumps(text, indent=2) + "\n" for name, text in documents.items()}


def main(*, check: bool) -> int:
    """Write the files; with `check`, return 1 if any is stale."""
    stale = {
        file: text
        for file, text in outputs().items()
        if not file.exists() or file.read_text() != text
    }
    for file, text in stale.items():
        if check:
            sys.stderr.write(f"{file.relative_to(ROOT)}: stale. Run 'make terraform-files'.\n")
        else:
            file.write_text(text)
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
