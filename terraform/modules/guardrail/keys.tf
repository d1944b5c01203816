# One customer managed key per region: CloudWatch cannot publish alarms to a topic with SNS's own key.

locals {
  administrators = {
    Sid       = "AdministeredByTheAccount"
    Effect    = "Allow"
    Principal = { AWS = "arn:${local.partition}:iam::${local.account_id}:root" }
    Action    = "kms:*"
    Resource  = "*"
  }

  for_alarms = {
    Sid       = "Alarms"
    Effect    = "Allow"
    Principal = { Service = "cloudwatch.amazonaws.com" }
    Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
    Resource  = "*"
    Condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }
  }

  for_logs = {
    Sid       = "Logs"
    Effect    = "Allow"
    Principal = { Service = "logs.${local.region}.amazonaws.com" }
    Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
    Resource  = "*"
    Condition = { ArnLike = { "kms:EncryptionContext:aws:logs:arn" = "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:/${var.name}/*" } }
  }

  for_trail = [
    {
      Sid       = "TrailEncrypts"
      Effect    = "Allow"
      Principal = { Service = "cloudtrail.amazonaws.com" }
      Action    = "kms:GenerateDataKey*"
      Resource  = "*"
      Condition = { StringEquals = { "aws:SourceArn" = "arn:${local.partition}:cloudtrail:${local.region}:${local.account_id}:trail/${var.name}" } }
    },
    {
      Sid       = "TrailLooksAtTheKey"
      Effect    = "Allow"
      Principal = { Service = "cloudtrail.amazonaws.com" }
      Action    = "kms:DescribeKey"
      Resource  = "*"
    },
  ]
}

resource "aws_kms_key" "this" {
  description             = "Countermand: alerts, alarms, logs, and trail"
  enable_key_rotation     = true
  deletion_window_in_days = var.throw_away ? 7 : 30
}

resource "aws_kms_key_policy" "this" {
  key_id = aws_kms_key.this.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat([local.administrators, local.for_alarms, local.for_logs], local.for_trail)
  })
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.this.id
}

resource "aws_kms_key" "global" {
  count    = local.forward ? 1 : 0
  provider = aws.global

  description             = "Countermand: alarms about IAM events"
  enable_key_rotation     = true
  deletion_window_in_days = var.throw_away ? 7 : 30
}

resource "aws_kms_key_policy" "global" {
  count    = local.forward ? 1 : 0
  provider = aws.global

  key_id = aws_kms_key.global[0].id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [local.administrators, local.for_alarms]
  })
}
