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

run "everything_that_can_go_wrong_has_an_alarm" {
  assert {
    condition = output.names == tolist([
      "countermand-dlq", "countermand-iam-deaf", "countermand-iam-failed", "countermand-iam-lost", "countermand-no-poll",
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
    error_message = "an alarm takes silence for health"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.deaf["countermand-iam"].period * aws_cloudwatch_metric_alarm.deaf["countermand-iam"].evaluation_periods == 24 * 3600
    error_message = "it does not look back for a day"
  }
}

run "a_region_that_only_forwards_has_no_alarm_about_the_queue" {
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

run "a_quiet_account_can_switch_deafness_off" {
  variables {
    deaf_hours = null
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.deaf) == 0
    error_message = "it is still there"
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    age_seconds = 5
    deaf_hours  = 48
  }

  expect_failures = [var.age_seconds, var.deaf_hours]
}
