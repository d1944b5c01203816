# Alarms that page on-call, in one region. Missing data counts as breaching wherever it means that no
# events flow.

locals {
  queue = var.queue == null ? {} : { queue = var.queue }
  rules = toset(var.rule_names)
}

resource "aws_cloudwatch_metric_alarm" "age" {
  for_each = local.queue

  alarm_name          = "${var.name}-queue-age"
  alarm_description   = "Events wait too long in the queue. Check that workers are running and that there are enough of them."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateAgeOfOldestMessage"
  dimensions          = { QueueName = each.value.name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 5
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.age_seconds
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.topic_arn]
  ok_actions          = [var.topic_arn]
}

resource "aws_cloudwatch_metric_alarm" "dlq" {
  for_each = local.queue

  alarm_name          = "${var.name}-dlq"
  alarm_description   = "The dead-letter queue holds messages that no worker could process. Read them, fix the cause, and redrive them."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = each.value.dlq_name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.topic_arn]
  ok_actions          = [var.topic_arn]
}

# SQS counts each poll of a worker as a receive, full or empty: at least one every 20 seconds.
resource "aws_cloudwatch_metric_alarm" "no_poll" {
  for_each = local.queue

  alarm_name          = "${var.name}-no-poll"
  alarm_description   = "No worker polls the queue for events. Check that workers are running."
  evaluation_periods  = 2
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = [var.topic_arn]
  ok_actions          = [var.topic_arn]

  metric_query {
    id          = "polls"
    expression  = "FILL(empty, 0) + FILL(full, 0)"
    label       = "Receives"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { empty = "NumberOfEmptyReceives", full = "NumberOfMessagesReceived" }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/SQS"
        metric_name = metric_query.value
        dimensions  = { QueueName = each.value.name }
        period      = 300
        stat        = "Sum"
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "undelivered" {
  count = var.undelivered_queue == null ? 0 : 1

  alarm_name          = "${var.name}-undelivered"
  alarm_description   = "EventBridge could not deliver events. Read the messages in ${var.undelivered_queue}: their attributes give the reason."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = var.undelivered_queue }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.topic_arn]
}

resource "aws_cloudwatch_metric_alarm" "failed" {
  for_each = local.rules

  alarm_name          = "${each.value}-failed"
  alarm_description   = "EventBridge rule ${each.value}: its target permanently rejects events. Check the queue and its policy."
  namespace           = "AWS/Events"
  metric_name         = "FailedInvocations"
  dimensions          = { RuleName = each.value }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.topic_arn]
}

resource "aws_cloudwatch_metric_alarm" "lost" {
  for_each = local.rules

  alarm_name          = "${each.value}-lost"
  alarm_description   = "EventBridge rule ${each.value}: events reached neither the target nor the queue for undelivered events. They are lost."
  namespace           = "AWS/Events"
  metric_name         = "InvocationsFailedToBeSentToDlq"
  dimensions          = { RuleName = each.value }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.topic_arn]
}

# A working trail is never silent: the worker's own IAM reads are management events.
resource "aws_cloudwatch_metric_alarm" "trail" {
  count = var.trail_log_group == null ? 0 : 1

  alarm_name          = "${var.name}-trail-silent"
  alarm_description   = "The trail delivers no management events. Check whether its logging was stopped or its event selectors were changed."
  namespace           = "AWS/Logs"
  metric_name         = "IncomingLogEvents"
  dimensions          = { LogGroupName = var.trail_log_group }
  statistic           = "Sum"
  period              = 900
  evaluation_periods  = 4
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = [var.topic_arn]
  ok_actions          = [var.topic_arn]
}

# A stopped trail is more likely than an account that changes no IAM for so long.
resource "aws_cloudwatch_metric_alarm" "deaf" {
  for_each = var.deaf_hours == null ? toset([]) : toset(var.never_silent)

  alarm_name          = "${each.value}-no-events"
  alarm_description   = "EventBridge rule ${each.value}: no event matched for ${var.deaf_hours} hours. Check that the trail is logging and that the rule is enabled."
  namespace           = "AWS/Events"
  metric_name         = "TriggeredRules"
  dimensions          = { RuleName = each.value }
  statistic           = "Sum"
  period              = 3600
  evaluation_periods  = var.deaf_hours
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = [var.topic_arn]
  ok_actions          = [var.topic_arn]
}
