# All of it on a mocked provider: what is on by default, and what each switch changes.

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

run "dry_run_is_the_default_and_may_not_write_to_iam" {
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
    error_message = "something is allowed to write to IAM"
  }
}

run "what_waits_for_an_operator_is_named_and_nothing_crosses_regions" {
  assert {
    condition     = !module.eventbridge.forward && length(module.alarm_topic_global) + length(module.alarms_global) + length(aws_kms_key.global) == 0
    error_message = "something was made in a second region, though there is one"
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
      "countermand-trail-silent", "countermand-iam-deaf", "countermand-iam-failed", "countermand-iam-lost",
    ], output.alarms)) == 0
    error_message = join(" ", output.alarms)
  }
}

run "enforce_adds_policies_of_its_own" {
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

run "a_worker_elsewhere_gets_events_and_alarms_across_regions" {
  providers = {
    aws        = aws.elsewhere
    aws.global = aws.global
  }

  assert {
    condition     = module.eventbridge.forward && length(module.alarm_topic_global) == 1 && length(module.alarms_global) == 1
    error_message = "nothing forwards, or nobody would hear when it stops"
  }
  assert {
    condition     = output.environment.COUNTERMAND_REGION == "eu-central-1" && output.environment.COUNTERMAND_EVENT_REGION == "us-east-1"
    error_message = jsonencode(output.environment)
  }
}

run "without_a_trail_of_its_own" {
  variables {
    trail      = false
    deaf_hours = null
  }

  assert {
    condition     = length(module.cloudtrail) == 0 && !contains(output.alarms, "countermand-trail-silent") && !contains(output.alarms, "countermand-iam-deaf")
    error_message = join(" ", output.alarms)
  }
}

run "two_installations_do_not_meet" {
  variables {
    name = "second"
  }

  assert {
    condition     = alltrue([for name in output.alarms : startswith(name, "second-")]) && output.ledger_url == "dynamodb:second"
    error_message = join(" ", output.alarms)
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    name   = "Countermand!"
    mode   = "detach"
    emails = []
  }

  expect_failures = [var.name, var.mode, var.emails]
}
