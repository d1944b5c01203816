mock_provider "aws" {
  source = "../../testing"
}

variables {
  name       = "countermand-events"
  partition  = "aws"
  region     = "us-east-1"
  account_id = "111122223333"
  rule_arns  = ["arn:aws:events:us-east-1:111122223333:rule/countermand-iam"]
}

run "events_are_kept_for_a_week_and_failures_for_longer" {
  assert {
    condition     = aws_sqs_queue.dlq.message_retention_seconds > aws_sqs_queue.this.message_retention_seconds
    error_message = "a message would be lost soon after it came to the dead-letter queue"
  }
  assert {
    condition     = jsondecode(aws_sqs_queue.this.redrive_policy).maxReceiveCount == 8 && aws_sqs_queue.dlq.name == "countermand-events-dlq"
    error_message = aws_sqs_queue.this.redrive_policy
  }
  assert {
    condition     = aws_sqs_queue.this.sqs_managed_sse_enabled && aws_sqs_queue.dlq.sqs_managed_sse_enabled
    error_message = "a queue is not encrypted"
  }
}

run "only_the_rules_send_and_only_over_tls" {
  assert {
    condition = { for s in jsondecode(aws_sqs_queue.this.policy).Statement : s.Sid => s.Effect } == {
      FromOurRules    = "Allow"
      NobodyElseSends = "Deny"
      TlsOnly         = "Deny"
    }
    error_message = aws_sqs_queue.this.policy
  }
}

run "with_a_consumer_nobody_else_receives" {
  variables {
    consumer_arns = ["arn:aws:iam::111122223333:role/countermand-worker"]
  }

  assert {
    condition = one([
      for s in jsondecode(aws_sqs_queue.this.policy).Statement : s.Condition.ArnNotEquals["aws:PrincipalArn"] if s.Sid == "NobodyElseReceives"
    ]) == ["arn:aws:iam::111122223333:role/countermand-worker"]
    error_message = aws_sqs_queue.this.policy
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    name         = "countermand.fifo"
    account_id   = "1111"
    rule_arns    = ["arn:aws:events:us-east-1:111122223333:rule/*"]
    max_receives = 1
  }

  expect_failures = [var.name, var.account_id, var.rule_arns, var.max_receives]
}

run "somebody_must_send" {
  command = plan

  variables {
    rule_arns = []
  }

  expect_failures = [var.rule_arns]
}
