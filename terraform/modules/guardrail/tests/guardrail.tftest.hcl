# The whole module on a mocked provider: the defaults, and the effect of each variable.

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
  image  = "example.com/countermand@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  emails = ["security@example.com"]
}

run "dry_run_is_the_default_and_cannot_write_to_iam" {
  assert {
    condition     = output.environment.COUNTERMAND_MODE == "dry-run"
    error_message = "mode is ${output.environment.COUNTERMAND_MODE}"
  }
  assert {
    condition     = join(" ", keys(output.policies)) == "alert-key never work"
    error_message = "policies are ${join(" ", keys(output.policies))}"
  }
  assert {
    condition = alltrue(flatten([
      for document in values(output.policies) : [
        for statement in jsondecode(document).Statement : [
          for action in flatten([try(statement.Action, [])]) :
          !startswith(action, "iam:") || startswith(action, "iam:Get") || startswith(action, "iam:List")
        ] if statement.Effect == "Allow"
      ]
    ]))
    error_message = "a policy allows a write to IAM"
  }
}

run "defaults_name_every_alarm_and_stay_in_one_region" {
  assert {
    condition     = !module.eventbridge.forward && length(module.alarm_topic_global) + length(module.alarms_global) + length(aws_kms_key.global) == 0
    error_message = "a resource for a second region exists"
  }
  assert {
    condition = output.environment == merge(output.environment, {
      COUNTERMAND_ACCOUNT_ID   = "111122223333"
      COUNTERMAND_EVENT_REGION = "us-east-1"
      COUNTERMAND_REGION       = "us-east-1"
      COUNTERMAND_RULE_PREFIX  = "countermand"
      COUNTERMAND_LEDGER_URL   = "dynamodb:countermand"
      COUNTERMAND_USER_SCOPE   = "iam-test-*"
    })
    error_message = jsonencode(output.environment)
  }
  assert {
    condition = length(setsubtract([
      "countermand-queue-age", "countermand-dlq", "countermand-no-poll", "countermand-undelivered",
      "countermand-trail-silent", "countermand-iam-no-events", "countermand-iam-failed", "countermand-iam-lost",
    ], output.alarms)) == 0
    error_message = join(" ", output.alarms)
  }
}

run "enforce_adds_separate_policies" {
  variables {
    mode             = "enforce"
    break_glass_arns = ["arn:aws:iam::111122223333:user/break-glass"]
  }

  assert {
    condition     = length(setsubtract(["alert-key", "enforce-1", "never", "work"], keys(output.policies))) == 0
    error_message = "policies are ${join(" ", keys(output.policies))}"
  }
  assert {
    condition     = output.environment.COUNTERMAND_MODE == "enforce" && output.environment.COUNTERMAND_BREAK_GLASS == "arn:aws:iam::111122223333:user/break-glass"
    error_message = jsonencode(output.environment)
  }
}

run "another_region_gets_events_and_alarms" {
  providers = {
    aws        = aws.elsewhere
    aws.global = aws.global
  }

  assert {
    condition     = module.eventbridge.forward && length(module.alarm_topic_global) == 1 && length(module.alarms_global) == 1
    error_message = "events are not forwarded, or no alarm watches the forwarding"
  }
  assert {
    condition     = output.environment.COUNTERMAND_REGION == "eu-central-1" && output.environment.COUNTERMAND_EVENT_REGION == "us-east-1"
    error_message = jsonencode(output.environment)
  }
}

run "the_trail_is_optional" {
  variables {
    trail      = false
    deaf_hours = null
  }

  assert {
    condition     = length(module.cloudtrail) == 0 && !contains(output.alarms, "countermand-trail-silent") && !contains(output.alarms, "countermand-iam-no-events")
    error_message = join(" ", output.alarms)
  }
}

run "two_installations_share_no_names" {
  variables {
    name = "second"
  }

  assert {
    condition     = alltrue([for name in output.alarms : startswith(name, "second-")]) && output.ledger_url == "dynamodb:second"
    error_message = join(" ", output.alarms)
  }
}

run "invalid_values_are_rejected" {
  command = plan

  variables {
    name   = "Countermand!"
    mode   = "detach"
    emails = []
  }

  expect_failures = [var.name, var.mode, var.emails]
}
