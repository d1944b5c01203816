# The ledger of decisions. table.json gives its keys and indexes and is generated from the code.

locals {
  table = jsondecode(file("${path.module}/table.json"))
  keys  = { for key in local.table.KeySchema : key.KeyType => key.AttributeName }
}

resource "aws_dynamodb_table" "this" {
  #checkov:skip=CKV_AWS_119:Encrypted with DynamoDB's own key; a customer managed key would require more permissions for the worker
  name                        = var.name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = local.keys["HASH"]
  deletion_protection_enabled = var.deletion_protection

  dynamic "attribute" {
    for_each = local.table.AttributeDefinitions

    content {
      name = attribute.value.AttributeName
      type = attribute.value.AttributeType
    }
  }

  dynamic "global_secondary_index" {
    for_each = local.table.GlobalSecondaryIndexes

    content {
      name            = global_secondary_index.value.IndexName
      projection_type = global_secondary_index.value.Projection.ProjectionType
      hash_key        = one([for key in global_secondary_index.value.KeySchema : key.AttributeName if key.KeyType == "HASH"])
      range_key       = one([for key in global_secondary_index.value.KeySchema : key.AttributeName if key.KeyType == "RANGE"])
    }
  }

  ttl {
    enabled        = true
    attribute_name = local.table.TimeToLive
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled = true
  }
}
