"""Remove botocore's data for services that Countermand does not call: 17 of its 19 MB.

The image build runs it with the interpreter whose botocore it trims. A test checks that the data of
every client that the code creates is kept.
"""

import shutil
from pathlib import Path

import botocore

KEPT = frozenset(
    {
        # The worker and the commands call these.
        *("sqs", "sns", "iam", "sts", "events", "logs", "dynamodb"),
        # The actions call these too.
        *("cloudtrail", "ec2", "eks", "identitystore", "lambda", "rolesanywhere", "sso-admin"),
        # `countermand doctor` asks KMS about keys, and `countermand replay s3://...` reads buckets.
        *("kms", "s3"),
        # botocore calls these for credentials: `countermand undo` runs with a person's own.
        *("sso", "sso-oidc", "signin"),
    }
)


def main() -> None:
    """Delete the folders; endpoints, partitions, and retry rules are files beside them and stay."""
    for folder in (Path(botocore.__file__).parent / "data").iterdir():
        if folder.is_dir() and folder.name not in KEPT:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
