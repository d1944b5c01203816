# A topic that few may publish to, and that nobody else can listen to.

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

  # Whoever may publish to any topic could otherwise forge an alert.
  no_forgery = {
    Sid       = "NobodyElsePublishes"
    Effect    = "Deny"
    Principal = "*"
    Action    = "sns:Publish"
    Resource  = local.arn
    Condition = merge(
      # Absent for a service; ArnNotEquals alone would then be true.
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
  #checkov:skip=CKV_AWS_26:Encrypted in AWS, where the environments give a key; the emulator has none
  name              = var.name
  kms_master_key_id = var.kms_key_arn

  lifecycle {
    precondition {
      condition     = length(var.emails) + length(var.queue_arns) > 0
      error_message = "A topic that nobody listens to tells nobody: give at least one of emails, queue_arns."
    }
    precondition {
      condition     = length(var.publisher_arns) + length(var.publisher_services) > 0
      error_message = "Nobody could publish: give at least one of publisher_arns, publisher_services."
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
