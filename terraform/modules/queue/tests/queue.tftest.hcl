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

run "failed_messages_are_kept_longer_than_events" {
  assert {
    condition     = aws_sqs_queue.dlq.message_retention_seconds > aws_sqs_queue.this.message_retention_seconds
    error_message = "a message would expire soon after it reached the dead-letter queue"
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

run "only_a_given_consumer_receives" {
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

run "invalid_values_are_rejected" {
  command = plan

  variables {
    name         = "countermand.fifo"
    account_id   = "1111"
    rule_arns    = ["arn:aws:events:us-east-1:111122223333:rule/*"]
    max_receives = 1
  }

  expect_failures = [var.name, var.account_id, var.rule_arns, var.max_receives]
}

run "a_queue_without_senders_is_rejected" {
  command = plan

  variables {
    rule_arns = []
  }

  expect_failures = [var.rule_arns]
}
