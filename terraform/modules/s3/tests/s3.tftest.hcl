mock_provider "aws" {
  source = "../../testing"
}

variables {
  name = "countermand-trail-111122223333"
}

run "it_is_private_versioned_and_encrypted" {
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls,
      aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls,
      aws_s3_bucket_public_access_block.this.restrict_public_buckets,
      aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled",
      !aws_s3_bucket.this.force_destroy,
    ])
    error_message = "the bucket could be public, or a mistake could empty it"
  }
  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256"
    error_message = "the bucket is not encrypted"
  }
  assert {
    condition     = one(jsondecode(aws_s3_bucket_policy.this.policy).Statement).Condition == { Bool = { "aws:SecureTransport" = "false" } }
    error_message = aws_s3_bucket_policy.this.policy
  }
}

run "it_uses_the_key_it_is_given" {
  variables {
    kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"
  }

  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default).sse_algorithm == "aws:kms"
    error_message = "the bucket does not use the key"
  }
}

run "nothing_expires_by_default" {
  assert {
    condition     = [for rule in aws_s3_bucket_lifecycle_configuration.this.rule : rule.id] == ["old-versions"]
    error_message = "current objects expire"
  }
}

run "invalid_values_are_rejected" {
  command = plan

  variables {
    name            = "Countermand_Trail"
    noncurrent_days = 0
  }

  expect_failures = [var.name, var.noncurrent_days]
}
