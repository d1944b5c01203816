"""bootstrap/ on moto's server, as docs/deploy-ecs.md has it: applied, and its state moved into the
bucket that it made.
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
    """Its state is in the bucket."""
    here, made = bootstrap_applied.folder, bootstrap_applied.outputs()
    # moto takes the refusal of plain HTTP for one of everything: it does not look at conditions.
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


def test_the_state_moves_into_the_bucket_and_nothing_is_made_twice(
    moved: Terraform, moto: str
) -> None:
    assert moved.changes(**BOOTSTRAP) == {POLICY: ("create",)}
    listed = _bucket(moto).list_objects_v2(Bucket=moved.outputs()["bucket"])
    assert [item["Key"] for item in listed["Contents"]] == [KEY]


def test_the_bucket_refuses_plain_http_and_the_public(bootstrap_applied: Terraform) -> None:
    made = bootstrap_applied.resources()
    (statement,) = json.loads(made[POLICY]["policy"])["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Deny", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert (
        made["module.state.aws_s3_bucket_public_access_block.this"]["block_public_policy"] is True
    )


def test_a_run_that_meets_a_lock_changes_nothing(moved: Terraform, moto: str) -> None:
    s3, bucket = _bucket(moto), moved.outputs()["bucket"]
    s3.put_object(Bucket=bucket, Key=f"{KEY}.tflock", Body=b'{"ID": "of-somebody-else"}')
    refused = moved.attempt("plan", "-input=false", "-lock-timeout=0s")
    s3.delete_object(Bucket=bucket, Key=f"{KEY}.tflock")
    assert refused.returncode != 0
    assert "of-somebody-else" in refused.stdout + refused.stderr


def _bucket(url: str) -> Any:
    return boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
