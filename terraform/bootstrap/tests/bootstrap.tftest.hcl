mock_provider "aws" {
  source = "../testing"
}

variables {
  operator_arns = ["arn:aws:iam::111122223333:role/security-engineer"]
}

run "people_assume_the_role_with_mfa_for_an_hour" {
  assert {
    condition = one(jsondecode(aws_iam_role.terraform.assume_role_policy).Statement) == {
      Sid       = "People"
      Effect    = "Allow"
      Principal = { AWS = ["arn:aws:iam::111122223333:role/security-engineer"] }
      Action    = "sts:AssumeRole"
      Condition = { Bool = { "aws:MultiFactorAuthPresent" = "true" } }
    }
    error_message = aws_iam_role.terraform.assume_role_policy
  }
  assert {
    condition     = aws_iam_role.terraform.name == "TerraformExecutionRole" && aws_iam_role.terraform.max_session_duration == 3600
    error_message = "the role has another name, or a session lasts longer than an hour"
  }
}

run "ci_assumes_it_by_audience_and_exact_subject" {
  variables {
    operator_arns = []
    ci = {
      provider_arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
      subjects     = ["repo:example/infrastructure:environment:production"]
    }
  }

  assert {
    condition = one(jsondecode(aws_iam_role.terraform.assume_role_policy).Statement).Condition.StringEquals == {
      "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
      "token.actions.githubusercontent.com:sub" = ["repo:example/infrastructure:environment:production"]
    }
    error_message = aws_iam_role.terraform.assume_role_policy
  }
}

run "the_state_has_a_bucket_and_a_lock" {
  assert {
    condition     = output.lock_table == "countermand-terraform-locks" && length(output.bucket) > 0
    error_message = output.lock_table
  }
  assert {
    condition     = aws_dynamodb_table.locks.hash_key == "LockID" && aws_dynamodb_table.locks.deletion_protection_enabled
    error_message = "Terraform could not lock the state, or could delete the lock table"
  }
}

run "a_role_without_principals_is_rejected" {
  command = plan

  variables {
    operator_arns = []
  }

  expect_failures = [aws_iam_role.terraform]
}

run "invalid_values_are_rejected" {
  command = plan

  variables {
    name          = "X"
    operator_arns = ["arn:aws:iam::111122223333:role/*"]
    ci = {
      provider_arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
      subjects     = ["repo:example/*"]
    }
  }

  expect_failures = [var.name, var.operator_arns, var.ci]
}
