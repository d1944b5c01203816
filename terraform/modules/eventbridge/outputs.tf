output "rule_names" {
  description = "Names of the rules that write to the queue."
  value       = [for rule in aws_cloudwatch_event_rule.this : rule.name]
}

output "expected_rule_names" {
  description = "The same, known before the rules are: for the policy of the queue that they write to."
  value       = keys(local.routes)
}

output "forward" {
  description = "Whether IAM's events come from another region."
  value       = local.forward
}

output "undelivered_queue" {
  description = "Name of the queue of undelivered events; the same in both regions. Null without one."
  value       = one(aws_sqs_queue.undelivered[*].name)
}
