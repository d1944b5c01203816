mock_provider "aws" {
  source = "../../testing"
}

variables {
  name = "countermand"
}

run "it_matches_the_code_and_is_protected" {
  assert {
    condition     = aws_dynamodb_table.this.hash_key == "key" && one(aws_dynamodb_table.this.ttl).attribute_name == "expires_at"
    error_message = "the worker would not find its key attributes"
  }
  assert {
    condition     = toset([for index in aws_dynamodb_table.this.global_secondary_index : index.name]) == toset([for index in jsondecode(file("table.json")).GlobalSecondaryIndexes : index.IndexName])
    error_message = "an index is missing"
  }
  assert {
    condition     = aws_dynamodb_table.this.deletion_protection_enabled && one(aws_dynamodb_table.this.point_in_time_recovery).enabled
    error_message = "a mistake could delete the decision history"
  }
}

run "invalid_values_are_rejected" {
  command = plan

  variables {
    name = "a b"
  }

  expect_failures = [var.name]
}
