mock_provider "aws" {
  source = "../../testing"

  mock_data "aws_region" {
    defaults = { name = "us-east-1" }
  }
}

mock_provider "aws" {
  alias  = "global"
  source = "../../testing"

  mock_data "aws_region" {
    defaults = { name = "us-east-1" }
  }
}

mock_provider "aws" {
  alias  = "elsewhere"
  source = "../../testing"

  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }
}

variables {
  name      = "countermand"
  queue_arn = "arn:aws:sqs:us-east-1:111122223333:countermand-events"
}

run "each_source_has_a_rule_with_retries_and_a_dlq" {
  assert {
    condition     = contains(output.rule_names, "countermand-iam") && length(output.rule_names) == length(jsondecode(file("patterns.json")))
    error_message = join(" ", output.rule_names)
  }
  assert {
    condition     = length(setsubtract(output.rule_names, output.expected_rule_names)) == 0
    error_message = "the queue policy does not allow ${join(" ", setsubtract(output.rule_names, output.expected_rule_names))}"
  }
  assert {
    condition = alltrue([
      for target in aws_cloudwatch_event_target.queue :
      target.retry_policy[0].maximum_event_age_in_seconds == 86400 && target.retry_policy[0].maximum_retry_attempts == 185 && length(target.dead_letter_config) == 1
    ])
    error_message = "a target stops retrying early or has no dead-letter queue"
  }
  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.this["countermand-iam"].event_pattern).source == ["aws.iam"]
    error_message = aws_cloudwatch_event_rule.this["countermand-iam"].event_pattern
  }
}

run "only_dedicated_rules_match_read_only_events" {
  assert {
    condition = alltrue([
      for name, route in jsondecode(file("patterns.json")) :
      aws_cloudwatch_event_rule.this["countermand-${name}"].state == route.state
    ])
    error_message = join(" ", [for name, rule in aws_cloudwatch_event_rule.this : "${name}=${rule.state}"])
  }
  assert {
    condition     = aws_cloudwatch_event_rule.this["countermand-rule-role_assumed_from_another_account"].state == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
    error_message = "no EventBridge rule matches AssumeRole across accounts"
  }
  assert {
    condition     = aws_cloudwatch_event_rule.this["countermand-sts"].state == "ENABLED" && !strcontains(aws_cloudwatch_event_rule.this["countermand-sts"].event_pattern, "AssumeRole")
    error_message = "an EventBridge rule matches every AssumeRole"
  }
}

run "nothing_is_forwarded_within_us_east_1" {
  assert {
    condition     = !output.forward && length(aws_cloudwatch_event_rule.origin) + length(aws_iam_role.forward) + length(aws_sqs_queue.undelivered_origin) == 0
    error_message = "a resource for forwarding exists within one region"
  }
}

run "another_region_gets_the_same_events_forwarded" {
  providers = {
    aws        = aws.elsewhere
    aws.global = aws.global
  }

  assert {
    condition     = output.forward && keys(aws_cloudwatch_event_rule.origin) == keys(aws_cloudwatch_event_rule.this)
    error_message = join(" ", keys(aws_cloudwatch_event_rule.origin))
  }
  assert {
    condition     = alltrue([for name, rule in aws_cloudwatch_event_rule.origin : rule.event_pattern == aws_cloudwatch_event_rule.this[name].event_pattern && rule.state == aws_cloudwatch_event_rule.this[name].state])
    error_message = "the forwarded events differ from the events that the worker's region matches"
  }
  assert {
    condition     = toset([for target in aws_cloudwatch_event_target.bus : target.arn]) == toset(["arn:aws:events:eu-central-1:111122223333:event-bus/default"])
    error_message = "a target is not the default bus of the worker's region"
  }
  assert {
    condition     = one(jsondecode(aws_iam_role_policy.forward[0].policy).Statement).Resource == "arn:aws:events:eu-central-1:111122223333:event-bus/default"
    error_message = aws_iam_role_policy.forward[0].policy
  }
  assert {
    condition     = alltrue([for arn in one(jsondecode(aws_iam_role.forward[0].assume_role_policy).Statement).Condition.ArnEquals["aws:SourceArn"] : startswith(arn, "arn:aws:events:us-east-1:111122223333:rule/countermand-")])
    error_message = aws_iam_role.forward[0].assume_role_policy
  }
}

run "an_emulator_has_no_queue_for_undelivered_events" {
  variables {
    keep_undelivered = false
  }

  assert {
    condition     = output.undelivered_queue == null && alltrue([for target in aws_cloudwatch_event_target.queue : length(target.dead_letter_config) == 0])
    error_message = "a queue for undelivered events exists"
  }
}
