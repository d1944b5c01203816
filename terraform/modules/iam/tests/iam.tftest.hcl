mock_provider "aws" {
  source = "../../testing"

  mock_data "aws_region" {
    defaults = { name = "us-east-1" }
  }
}

variables {
  name          = "countermand"
  queue_arn     = "arn:aws:sqs:us-east-1:111122223333:countermand-events"
  topic_arn     = "arn:aws:sns:us-east-1:111122223333:countermand-alerts"
  topic_key_arn = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"
  table_arn     = "arn:aws:dynamodb:us-east-1:111122223333:table/countermand"
  log_group_arn = "arn:aws:logs:us-east-1:111122223333:log-group:/countermand/worker"
}

run "dry_run_cannot_write_to_iam" {
  assert {
    condition     = length(aws_iam_policy.enforce) + length(aws_iam_role_policy_attachment.enforce) == 0
    error_message = "the enforce policy exists in dry run"
  }
}

run "observe_cannot_write_to_iam" {
  variables {
    mode = "observe"
  }

  assert {
    condition     = length(aws_iam_policy.enforce) + length(aws_iam_role_policy_attachment.enforce) == 0
    error_message = "the enforce policy exists in observe"
  }
}

run "enforce_is_a_separate_policy_and_denies_paths" {
  variables {
    mode   = "enforce"
    scopes = { user = "sandbox-*" }
  }

  assert {
    condition = contains(flatten([
      for statement in jsondecode(output.policies["enforce-1"]).Statement :
      statement.Resource if statement.Effect == "Deny" && contains(statement.Action, "iam:DetachUserPolicy")
    ]), "arn:aws:iam::111122223333:user/sandbox-*/*")
    error_message = output.policies["enforce-1"]
  }
  assert {
    condition     = length(aws_iam_role_policy_attachment.enforce) == length(aws_iam_policy.enforce) && length(aws_iam_policy.enforce) > 0
    error_message = "a part of the enforce policy is not attached"
  }
}

run "tasks_of_this_account_assume_the_role_for_an_hour" {
  assert {
    condition = jsondecode(aws_iam_role.worker.assume_role_policy).Statement[0].Condition == {
      StringEquals = { "aws:SourceAccount" = "111122223333" }
      ArnLike      = { "aws:SourceArn" = "arn:aws:ecs:us-east-1:111122223333:*" }
    }
    error_message = aws_iam_role.worker.assume_role_policy
  }
  assert {
    condition     = aws_iam_role.worker.max_session_duration == 3600 && length(jsondecode(aws_iam_role.worker.assume_role_policy).Statement) == 1
    error_message = aws_iam_role.worker.assume_role_policy
  }
}

run "kubernetes_assumes_it_by_subject_and_audience" {
  variables {
    on_ecs = false
    irsa   = { provider_arn = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/ABC" }
  }

  assert {
    condition = one(jsondecode(aws_iam_role.worker.assume_role_policy).Statement).Condition.StringEquals == {
      "oidc.eks.us-east-1.amazonaws.com/id/ABC:sub" = "system:serviceaccount:countermand:countermand"
      "oidc.eks.us-east-1.amazonaws.com/id/ABC:aud" = "sts.amazonaws.com"
    }
    error_message = aws_iam_role.worker.assume_role_policy
  }
  assert {
    condition     = length(aws_iam_role.execution) == 0
    error_message = "an execution role exists without ECS"
  }
}

run "the_execution_role_reads_one_image_and_one_secret" {
  variables {
    repository_arn = "arn:aws:ecr:us-east-1:111122223333:repository/countermand"
    secret_arn     = "arn:aws:secretsmanager:us-east-1:111122223333:secret:countermand-AbCdEf"
  }

  assert {
    condition = { for statement in jsondecode(aws_iam_role_policy.execution[0].policy).Statement : statement.Sid => statement.Resource } == {
      Log   = "arn:aws:logs:us-east-1:111122223333:log-group:/countermand/worker:*"
      Login = "*"
      Pull  = "arn:aws:ecr:us-east-1:111122223333:repository/countermand"
      Token = "arn:aws:secretsmanager:us-east-1:111122223333:secret:countermand-AbCdEf"
    }
    error_message = aws_iam_role_policy.execution[0].policy
  }
}

run "a_role_without_principals_is_rejected" {
  command = plan

  variables {
    on_ecs = false
  }

  expect_failures = [aws_iam_role.worker]
}

run "invalid_values_are_rejected" {
  command = plan

  variables {
    mode             = "Enforce"
    scopes           = { user = "iam-test-/*" }
    break_glass_arns = ["break-glass"]
    irsa             = { provider_arn = "arn:aws:iam::111122223333:oidc-provider/example.com", namespace = "*" }
  }

  expect_failures = [var.mode, var.scopes, var.break_glass_arns, var.irsa]
}
