# Apply once per account, before anything else: the bucket for Terraform's state and the role that
# Terraform assumes. The bootstrap state starts as a local file and moves into the bucket; see
# docs/deploy-ecs.md.

provider "aws" {
  region = var.region

  default_tags {
    tags = { Project = "countermand", Environment = "bootstrap" }
  }
}

data "aws_partition" "this" {}
data "aws_caller_identity" "this" {}

locals {
  partition  = data.aws_partition.this.partition
  account_id = data.aws_caller_identity.this.account_id
}

module "state" {
  source = "../modules/s3"

  name          = "${var.name}-terraform-${local.account_id}"
  partition     = local.partition
  force_destroy = var.throw_away
}

# For Terraform below 1.10. Later versions use a lock file in the bucket.
resource "aws_dynamodb_table" "locks" {
  #checkov:skip=CKV_AWS_119:Holds lock IDs and no state; encrypted with DynamoDB's own key
  name                        = "${var.name}-terraform-locks"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "LockID"
  deletion_protection_enabled = !var.throw_away

  attribute {
    name = "LockID"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled = true
  }
}
