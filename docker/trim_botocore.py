"""Remove from botocore's data the services that Countermand does not call: 17 of its 19 MB.

Runs in the image's build with the interpreter whose botocore is meant. A test holds that every
client the code asks for is kept.
"""

import shutil
from pathlib import Path

import botocore

KEPT = frozenset(
    {
        # What the worker and the commands call.
        *("sqs", "sns", "iam", "sts", "events", "logs", "dynamodb"),
        # What else the actions call.
        *("cloudtrail", "ec2", "eks", "identitystore", "lambda", "rolesanywhere", "sso-admin"),
        # What botocore itself calls for credentials: `countermand undo` runs with a person's own.
        *("sso", "sso-oidc", "signin"),
    }
)


def main() -> None:
    """Endpoints, partitions and retry rules are files beside the folders, and stay."""
    for folder in (Path(botocore.__file__).parent / "data").iterdir():
        if folder.is_dir() and folder.name not in KEPT:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
