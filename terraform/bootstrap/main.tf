# Once an account, before all else: where Terraform keeps its state, and the role that it works as.
# Its own state begins as a local file and moves into the bucket: docs/deploy-ecs.md.

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

# For Terraform below 1.10. From then on a lock file in the bucket does the same.
resource "aws_dynamodb_table" "locks" {
  #checkov:skip=CKV_AWS_119:Holds lock ids and no state; encrypted with DynamoDB's own key
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
