# What must wake somebody, in one region. Silence is an alarm too: missing data counts as breaching
# where it means that nothing happens any more.

locals {
  queue = var.queue == null ? {} : { queue = var.queue }
  rules = toset(var.rule_names)
}

resource "aws_cloudwatch_metric_alarm" "age" {
  for_each = local.queue

  alarm_name          = "${var.name}-queue-age"
  alarm_description   = "Events wait for too long: is a worker running, and are there enough?"
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
  alarm_description   = "Messages that no worker could handle: read them, then mend and redrive."
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

# A worker that polls makes SQS count a receive, full or empty, at least every 20 seconds.
resource "aws_cloudwatch_metric_alarm" "no_poll" {
  for_each = local.queue

  alarm_name          = "${var.name}-no-poll"
  alarm_description   = "No worker asks the queue for events."
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
  alarm_description   = "EventBridge could not bring events to their target; their attributes say why."
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
  alarm_description   = "The target of ${each.value} refuses events for good."
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
  alarm_description   = "Events of ${each.value} reached neither the target nor the queue of undelivered ones."
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

# The worker's own reads of IAM are among the management events: a trail is never silent.
resource "aws_cloudwatch_metric_alarm" "trail" {
  count = var.trail_log_group == null ? 0 : 1

  alarm_name          = "${var.name}-trail-silent"
  alarm_description   = "The trail delivers no management events: did somebody stop it or change its selectors?"
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

# An account in which nobody changes IAM for so long is rarer than a trail that somebody stopped.
resource "aws_cloudwatch_metric_alarm" "deaf" {
  for_each = var.deaf_hours == null ? toset([]) : toset(var.never_silent)

  alarm_name          = "${each.value}-deaf"
  alarm_description   = "No event matched ${each.value} for ${var.deaf_hours} hours: is the trail logging, and the rule enabled?"
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
