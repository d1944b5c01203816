mock_provider "aws" {
  source = "../../testing"
}

variables {
  name              = "countermand"
  topic_arn         = "arn:aws:sns:us-east-1:111122223333:countermand-alarms"
  queue             = { name = "countermand-events", dlq_name = "countermand-events-dlq" }
  undelivered_queue = "countermand-undelivered"
  rule_names        = ["countermand-iam", "countermand-sts"]
  never_silent      = ["countermand-iam"]
  trail_log_group   = "/countermand/trail"
}

run "every_failure_has_an_alarm" {
  assert {
    condition = output.names == tolist([
      "countermand-dlq", "countermand-iam-failed", "countermand-iam-lost", "countermand-iam-no-events", "countermand-no-poll",
      "countermand-queue-age", "countermand-sts-failed", "countermand-sts-lost", "countermand-trail-silent", "countermand-undelivered",
    ])
    error_message = join(" ", output.names)
  }
}

run "silence_is_an_alarm" {
  assert {
    condition = toset([
      aws_cloudwatch_metric_alarm.no_poll["queue"].treat_missing_data,
      aws_cloudwatch_metric_alarm.trail[0].treat_missing_data,
      aws_cloudwatch_metric_alarm.deaf["countermand-iam"].treat_missing_data,
    ]) == toset(["breaching"])
    error_message = "an alarm treats missing data as healthy"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.deaf["countermand-iam"].period * aws_cloudwatch_metric_alarm.deaf["countermand-iam"].evaluation_periods == 24 * 3600
    error_message = "the alarm does not evaluate a whole day"
  }
}

run "a_forwarding_region_has_no_queue_alarms" {
  variables {
    queue           = null
    never_silent    = []
    trail_log_group = null
  }

  assert {
    condition     = join(" ", output.names) == "countermand-iam-failed countermand-iam-lost countermand-sts-failed countermand-sts-lost countermand-undelivered"
    error_message = join(" ", output.names)
  }
}

run "a_quiet_account_can_disable_the_no_events_alarm" {
  variables {
    deaf_hours = null
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.deaf) == 0
    error_message = "the no-events alarm still exists"
  }
}

run "invalid_values_are_rejected" {
  command = plan

  variables {
    age_seconds = 5
    deaf_hours  = 48
  }

  expect_failures = [var.age_seconds, var.deaf_hours]
}
