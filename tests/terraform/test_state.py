"""bootstrap/ on moto's server, as in docs/deploy-ecs.md: applied, then its state moves into its
bucket.
"""

import json
import shutil
from typing import Any

import boto3
import pytest

from support.terraforming import BOOTSTRAP, Terraform

KEY = "countermand/bootstrap/terraform.tfstate"
EMULATED = "use_path_style = true\n"


POLICY = "module.state.aws_s3_bucket_policy.this"


@pytest.fixture(scope="session")
def moved(bootstrap_applied: Terraform, moto: str) -> Terraform:
    """Return bootstrap/ with its state in the bucket."""
    here, made = bootstrap_applied.folder, bootstrap_applied.outputs()
    # moto ignores conditions, so the denial of plain HTTP would deny every call.
    _bucket(moto).delete_bucket_policy(Bucket=made["bucket"])
    shutil.copy(here / "backend.tf.example", here / "backend.tf")
    example = (here.parent / "backend.hcl.example").read_text()
    filled = example.replace("countermand-terraform-111122223333", made["bucket"])
    assert filled != example
    (here.parent / "backend.hcl").write_text(filled + EMULATED)
    bootstrap_applied.run(
        "init", "-input=false", "-migrate-state", "-force-copy", "-backend-config=../backend.hcl"
    )
    return bootstrap_applied


def test_the_state_moves_into_the_bucket(moved: Terraform, moto: str) -> None:
    assert moved.changes(**BOOTSTRAP) == {POLICY: ("create",)}
    listed = _bucket(moto).list_objects_v2(Bucket=moved.outputs()["bucket"])
    assert [item["Key"] for item in listed["Contents"]] == [KEY]


def test_the_bucket_denies_http_and_public_access(bootstrap_applied: Terraform) -> None:
    made = bootstrap_applied.resources()
    (statement,) = json.loads(made[POLICY]["policy"])["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Deny", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert (
        made["module.state.aws_s3_bucket_public_access_block.this"]["block_public_policy"] is True
    )


def test_a_locked_run_changes_nothing(moved: Terraform, moto: str) -> None:
    s3, bucket = _bucket(moto), moved.outputs()["bucket"]
    s3.put_object(Bucket=bucket, Key=f"{KEY}.tflock", Body=b'{"ID": "lock-of-another-run"}')
    refused = moved.attempt("plan", "-input=false", "-lock-timeout=0s")
    s3.delete_object(Bucket=bucket, Key=f"{KEY}.tflock")
    assert refused.returncode != 0
    assert "lock-of-another-run" in refused.stdout + refused.stderr


def _bucket(url: str) -> Any:
    return boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
