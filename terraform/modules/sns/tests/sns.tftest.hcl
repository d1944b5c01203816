mock_provider "aws" {
  source = "../../testing"
}

variables {
  name           = "countermand-alerts"
  partition      = "aws"
  region         = "us-east-1"
  account_id     = "111122223333"
  emails         = ["security@example.com", "duty@example.com"]
  publisher_arns = ["arn:aws:iam::111122223333:role/countermand-worker"]
}

run "only_the_given_addresses_are_subscribed" {
  assert {
    condition     = keys(aws_sns_topic_subscription.email) == ["duty@example.com", "security@example.com"]
    error_message = join(" ", keys(aws_sns_topic_subscription.email))
  }
  assert {
    condition = one([
      for s in jsondecode(aws_sns_topic_policy.this.policy).Statement : s.Condition.StringNotEquals["sns:Endpoint"] if s.Sid == "NobodyElseListens"
    ]) == ["security@example.com", "duty@example.com"]
    error_message = aws_sns_topic_policy.this.policy
  }
}

run "a_topic_without_subscribers_is_rejected" {
  command = plan

  variables {
    emails = []
  }

  expect_failures = [aws_sns_topic.this]
}

run "a_topic_without_publishers_is_rejected" {
  command = plan

  variables {
    publisher_arns = []
  }

  expect_failures = [aws_sns_topic.this]
}

run "invalid_values_are_rejected" {
  command = plan

  variables {
    name           = "alerts.fifo"
    emails         = ["security"]
    publisher_arns = ["arn:aws:iam::111122223333:role/*"]
  }

  expect_failures = [var.name, var.emails, var.publisher_arns]
}
