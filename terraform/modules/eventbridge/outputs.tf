output "rule_names" {
  description = "Names of the EventBridge rules that send to the queue."
  value       = [for rule in aws_cloudwatch_event_rule.this : rule.name]
}

output "expected_rule_names" {
  description = "The same names, known before the EventBridge rules exist; the queue policy needs them."
  value       = keys(local.routes)
}

output "forward" {
  description = "Whether IAM events come from another region."
  value       = local.forward
}

output "undelivered_queue" {
  description = "Name of the queue for undelivered events, the same in both regions; null without such a queue."
  value       = one(aws_sqs_queue.undelivered[*].name)
}
