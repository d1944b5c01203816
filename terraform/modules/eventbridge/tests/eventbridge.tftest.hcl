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

run "each_source_has_a_rule_whose_events_are_retried_and_then_kept" {
  assert {
    condition     = contains(output.rule_names, "countermand-iam") && length(output.rule_names) == length(jsondecode(file("patterns.json")))
    error_message = join(" ", output.rule_names)
  }
  assert {
    condition     = length(setsubtract(output.rule_names, output.expected_rule_names)) == 0
    error_message = "the policy of the queue does not admit ${join(" ", setsubtract(output.rule_names, output.expected_rule_names))}"
  }
  assert {
    condition = alltrue([
      for target in aws_cloudwatch_event_target.queue :
      target.retry_policy[0].maximum_event_age_in_seconds == 86400 && target.retry_policy[0].maximum_retry_attempts == 185 && length(target.dead_letter_config) == 1
    ])
    error_message = "a target gives up early"
  }
  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.this["countermand-iam"].event_pattern).source == ["aws.iam"]
    error_message = aws_cloudwatch_event_rule.this["countermand-iam"].event_pattern
  }
}

run "read_only_events_come_by_rules_of_their_own_and_by_no_other" {
  assert {
    condition = alltrue([
      for name, route in jsondecode(file("patterns.json")) :
      aws_cloudwatch_event_rule.this["countermand-${name}"].state == route.state
    ])
    error_message = join(" ", [for name, rule in aws_cloudwatch_event_rule.this : "${name}=${rule.state}"])
  }
  assert {
    condition     = aws_cloudwatch_event_rule.this["countermand-rule-role_assumed_from_another_account"].state == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
    error_message = "AssumeRole is not brought"
  }
  assert {
    condition     = aws_cloudwatch_event_rule.this["countermand-sts"].state == "ENABLED" && !strcontains(aws_cloudwatch_event_rule.this["countermand-sts"].event_pattern, "AssumeRole")
    error_message = "each AssumeRole is brought"
  }
}

run "in_us_east_1_nothing_is_forwarded" {
  assert {
    condition     = !output.forward && length(aws_cloudwatch_event_rule.origin) + length(aws_iam_role.forward) + length(aws_sqs_queue.undelivered_origin) == 0
    error_message = "something forwards within one region"
  }
}

run "elsewhere_the_same_rules_forward_from_us_east_1_to_one_bus" {
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
    error_message = "what is sent on is not what is waited for"
  }
  assert {
    condition     = toset([for target in aws_cloudwatch_event_target.bus : target.arn]) == toset(["arn:aws:events:eu-central-1:111122223333:event-bus/default"])
    error_message = "a target is not the bus of the worker's region"
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

run "an_emulator_keeps_nothing_undelivered" {
  variables {
    keep_undelivered = false
  }

  assert {
    condition     = output.undelivered_queue == null && alltrue([for target in aws_cloudwatch_event_target.queue : length(target.dead_letter_config) == 0])
    error_message = "there is a queue of undelivered events"
  }
}
