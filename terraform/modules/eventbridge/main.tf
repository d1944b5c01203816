# EventBridge rules that send the events of the detection rules to the worker's queue. patterns.json
# is the output of `countermand rules event-pattern` for the built-in rules; `make terraform-files`
# writes it.
#
# IAM events appear in us-east-1 only. If the worker runs in another region, EventBridge rules of the
# same names in us-east-1 forward the events to the default bus of the worker's region. A forwarded
# event keeps its source and region.

data "aws_partition" "this" {}
data "aws_caller_identity" "this" {}
data "aws_region" "this" {}
data "aws_region" "global" {
  provider = aws.global
}

locals {
  partition  = data.aws_partition.this.partition
  account_id = data.aws_caller_identity.this.account_id
  region     = data.aws_region.this.name
  global     = data.aws_region.global.name
  forward    = local.region != local.global
  bus_arn    = "arn:${local.partition}:events:${local.region}:${local.account_id}:event-bus/default"

  # "countermand-iam" matches events of aws.iam. "countermand-rule-ID" serves one detection rule that
  # needs its own EventBridge rule. Most need it because EventBridge sends read-only events only to
  # rules in the state ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS.
  routes = {
    for name, route in jsondecode(file("${path.module}/patterns.json")) :
    "${var.name}-${name}" => { pattern = jsonencode(route.pattern), state = route.state }
  }
  forwarded  = local.forward ? local.routes : {}
  rule_arns  = { for name, _ in local.routes : name => "arn:${local.partition}:events:${local.region}:${local.account_id}:rule/${name}" }
  origin_arn = { for name, _ in local.forwarded : name => "arn:${local.partition}:events:${local.global}:${local.account_id}:rule/${name}" }

  # A day and 185 attempts, set explicitly because new buses have lower defaults.
  retry = { age_seconds = 86400, attempts = 185 }
}

resource "aws_cloudwatch_event_rule" "this" {
  for_each = local.routes

  name          = each.key
  description   = "Sends the events that Countermand's detection rules need to its queue"
  event_pattern = each.value.pattern
  state         = each.value.state

  lifecycle {
    precondition {
      condition     = length(each.key) <= 64
      error_message = "EventBridge rule ${each.key}: its name exceeds 64 characters. Give the detection rule a shorter ID and run make terraform-files."
    }
    precondition {
      condition     = length(each.value.pattern) <= 2048
      error_message = "EventBridge rule ${each.key}: its event pattern exceeds 2,048 characters. Disable detection rules and run make terraform-files."
    }
  }
}

resource "aws_cloudwatch_event_target" "queue" {
  for_each = local.routes

  rule      = aws_cloudwatch_event_rule.this[each.key].name
  target_id = "countermand-queue"
  arn       = var.queue_arn

  retry_policy {
    maximum_event_age_in_seconds = local.retry.age_seconds
    maximum_retry_attempts       = local.retry.attempts
  }

  dynamic "dead_letter_config" {
    for_each = aws_sqs_queue.undelivered

    content {
      arn = dead_letter_config.value.arn
    }
  }
}

# Events that EventBridge could not deliver to the queue, with the reason in their attributes.
resource "aws_sqs_queue" "undelivered" {
  count = var.keep_undelivered ? 1 : 0

  name                      = "${var.name}-undelivered"
  message_retention_seconds = 14 * 86400
  sqs_managed_sse_enabled   = true

  policy = templatefile("${path.module}/undelivered.json.tftpl", {
    queue_arn = "arn:${local.partition}:sqs:${local.region}:${local.account_id}:${var.name}-undelivered"
    rule_arns = jsonencode(values(local.rule_arns))
  })
}

# --- Forwarding from the region of IAM events

resource "aws_cloudwatch_event_rule" "origin" {
  for_each = local.forwarded
  provider = aws.global

  name          = each.key
  description   = "Forwards the events that Countermand's detection rules need to ${local.region}"
  event_pattern = each.value.pattern
  state         = each.value.state
}

resource "aws_cloudwatch_event_target" "bus" {
  for_each = local.forwarded
  provider = aws.global

  rule      = aws_cloudwatch_event_rule.origin[each.key].name
  target_id = "countermand-bus"
  arn       = local.bus_arn
  role_arn  = aws_iam_role.forward[0].arn

  retry_policy {
    maximum_event_age_in_seconds = local.retry.age_seconds
    maximum_retry_attempts       = local.retry.attempts
  }

  dynamic "dead_letter_config" {
    for_each = aws_sqs_queue.undelivered_origin

    content {
      arn = dead_letter_config.value.arn
    }
  }
}

resource "aws_sqs_queue" "undelivered_origin" {
  count    = var.keep_undelivered && local.forward ? 1 : 0
  provider = aws.global

  name                      = "${var.name}-undelivered"
  message_retention_seconds = 14 * 86400
  sqs_managed_sse_enabled   = true

  policy = templatefile("${path.module}/undelivered.json.tftpl", {
    queue_arn = "arn:${local.partition}:sqs:${local.global}:${local.account_id}:${var.name}-undelivered"
    rule_arns = jsonencode(values(local.origin_arn))
  })
}

resource "aws_iam_role" "forward" {
  count = local.forward ? 1 : 0

  name        = "${var.name}-forward"
  description = "EventBridge forwards IAM events from ${local.global} to ${local.region}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account_id }
        ArnEquals    = { "aws:SourceArn" = values(local.origin_arn) }
      }
    }]
  })
}

resource "aws_iam_role_policy" "forward" {
  count = local.forward ? 1 : 0

  name = "put-events"
  role = aws_iam_role.forward[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = "events:PutEvents"
      Resource = local.bus_arn
    }]
  })
}
