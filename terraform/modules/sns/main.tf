# A topic with named publishers and named subscribers only.

locals {
  arn = "arn:${var.partition}:sns:${var.region}:${var.account_id}:${var.name}"

  by_roles = {
    Sid       = "RolesPublish"
    Effect    = "Allow"
    Principal = { AWS = "arn:${var.partition}:iam::${var.account_id}:root" }
    Action    = "sns:Publish"
    Resource  = local.arn
    Condition = { ArnEquals = { "aws:PrincipalArn" = var.publisher_arns } }
  }

  by_services = {
    Sid       = "ServicesPublish"
    Effect    = "Allow"
    Principal = { Service = var.publisher_services }
    Action    = "sns:Publish"
    Resource  = local.arn
    Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
  }

  # A principal that may publish to any topic could otherwise forge an alert.
  no_forgery = {
    Sid       = "NobodyElsePublishes"
    Effect    = "Deny"
    Principal = "*"
    Action    = "sns:Publish"
    Resource  = local.arn
    Condition = merge(
      # A service has no aws:PrincipalArn, and ArnNotEquals is true if the key is absent.
      length(var.publisher_arns) == 0 ? {} : { ArnNotEquals = { "aws:PrincipalArn" = var.publisher_arns } },
      { Bool = { "aws:PrincipalIsAWSService" = "false" } },
    )
  }

  no_eavesdropping = {
    Sid       = "NobodyElseListens"
    Effect    = "Deny"
    Principal = "*"
    Action    = "sns:Subscribe"
    Resource  = local.arn
    Condition = { StringNotEquals = { "sns:Endpoint" = concat(var.emails, var.queue_arns) } }
  }

  tls_only = {
    Sid       = "TlsOnly"
    Effect    = "Deny"
    Principal = "*"
    Action    = ["sns:Publish", "sns:Subscribe"]
    Resource  = local.arn
    Condition = { Bool = { "aws:SecureTransport" = "false" } }
  }
}

resource "aws_sns_topic" "this" {
  #checkov:skip=CKV_AWS_26:Encrypted in AWS, where the environments give a key; the emulator has no key
  name              = var.name
  kms_master_key_id = var.kms_key_arn

  lifecycle {
    precondition {
      condition     = length(var.emails) + length(var.queue_arns) > 0
      error_message = "Topic ${var.name}: it has no subscribers. Set emails, queue_arns, or both."
    }
    precondition {
      condition     = length(var.publisher_arns) + length(var.publisher_services) > 0
      error_message = "Topic ${var.name}: no principal may publish. Set publisher_arns, publisher_services, or both."
    }
  }
}

resource "aws_sns_topic_policy" "this" {
  arn = aws_sns_topic.this.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      length(var.publisher_arns) == 0 ? [] : [local.by_roles],
      length(var.publisher_services) == 0 ? [] : [local.by_services],
      [local.no_forgery, local.no_eavesdropping, local.tls_only],
    )
  })
}

resource "aws_sns_topic_subscription" "email" {
  for_each = toset(var.emails)

  topic_arn = aws_sns_topic.this.arn
  protocol  = "email"
  endpoint  = each.value

  depends_on = [aws_sns_topic_policy.this]
}

resource "aws_sns_topic_subscription" "queue" {
  count = length(var.queue_arns)

  topic_arn = aws_sns_topic.this.arn
  protocol  = "sqs"
  endpoint  = var.queue_arns[count.index]

  depends_on = [aws_sns_topic_policy.this]
}
