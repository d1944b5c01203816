# The queue that the worker reads, and its dead-letter queue.

locals {
  arn     = "arn:${var.partition}:sqs:${var.region}:${var.account_id}:${var.name}"
  dlq_arn = "${local.arn}-dlq"

  # Only EventBridge may send, and only for our EventBridge rules.
  from_rules = {
    Sid       = "FromOurRules"
    Effect    = "Allow"
    Principal = { Service = "events.amazonaws.com" }
    Action    = "sqs:SendMessage"
    Resource  = local.arn
    Condition = {
      ArnEquals    = { "aws:SourceArn" = var.rule_arns }
      StringEquals = { "aws:SourceAccount" = var.account_id }
    }
  }

  # A principal of this account could otherwise send with its own policy. ArnNotEquals is true if the
  # key is absent, as aws:SourceArn is for principals.
  no_forgery = {
    Sid       = "NobodyElseSends"
    Effect    = "Deny"
    Principal = "*"
    Action    = "sqs:SendMessage"
    Resource  = local.arn
    Condition = {
      ArnNotEquals = merge(
        { "aws:SourceArn" = var.rule_arns },
        length(var.redriver_arns) == 0 ? {} : { "aws:PrincipalArn" = var.redriver_arns },
      )
    }
  }

  no_theft = {
    Sid       = "NobodyElseReceives"
    Effect    = "Deny"
    Principal = "*"
    Action    = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:PurgeQueue"]
    Resource  = local.arn
    Condition = { ArnNotEquals = { "aws:PrincipalArn" = concat(var.consumer_arns, var.redriver_arns) } }
  }

  tls_only = {
    Sid       = "TlsOnly"
    Effect    = "Deny"
    Principal = "*"
    Action    = "sqs:*"
    Condition = { Bool = { "aws:SecureTransport" = "false" } }
  }
}

resource "aws_sqs_queue" "dlq" {
  name                      = "${var.name}-dlq"
  message_retention_seconds = 14 * 86400 # longer than the queue's, because the age counts from the first send
  sqs_managed_sse_enabled   = true

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.arn]
  })

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [merge(local.tls_only, { Resource = local.dlq_arn })]
  })
}

# SQS-managed encryption: with a customer managed key, EventBridge would need permissions on the key.
resource "aws_sqs_queue" "this" {
  name                       = var.name
  message_retention_seconds  = 7 * 86400
  visibility_timeout_seconds = 60
  sqs_managed_sse_enabled    = true

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dlq.arn
    maxReceiveCount     = var.max_receives
  })

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [local.from_rules, local.no_forgery],
      length(var.consumer_arns) == 0 ? [] : [local.no_theft],
      [merge(local.tls_only, { Resource = local.arn })],
    )
  })
}
