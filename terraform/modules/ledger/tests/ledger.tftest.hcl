mock_provider "aws" {
  source = "../../testing"
}

variables {
  name = "countermand"
}

run "it_is_the_table_of_the_code_and_outlives_mistakes" {
  assert {
    condition     = aws_dynamodb_table.this.hash_key == "key" && one(aws_dynamodb_table.this.ttl).attribute_name == "expires_at"
    error_message = "the worker would not find its keys"
  }
  assert {
    condition     = toset([for index in aws_dynamodb_table.this.global_secondary_index : index.name]) == toset([for index in jsondecode(file("table.json")).GlobalSecondaryIndexes : index.IndexName])
    error_message = "an index is missing"
  }
  assert {
    condition     = aws_dynamodb_table.this.deletion_protection_enabled && one(aws_dynamodb_table.this.point_in_time_recovery).enabled
    error_message = "the history could be lost"
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    name = "a b"
  }

  expect_failures = [var.name]
}
