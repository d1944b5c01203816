output "queue_url" {
  description = "Value of COUNTERMAND_QUEUE_URL."
  value       = module.guardrail.queue_url
}

output "topic_arn" {
  description = "Value of COUNTERMAND_TOPIC_ARN."
  value       = module.guardrail.topic_arn
}

output "ledger_url" {
  description = "Value of COUNTERMAND_LEDGER_URL."
  value       = module.guardrail.ledger_url
}

output "worker_role_arn" {
  description = "ARN of the worker role."
  value       = module.guardrail.worker_role_arn
}

output "environment" {
  description = "COUNTERMAND_* variables of the task, without secrets."
  value       = module.guardrail.environment
}

output "alarms" {
  description = "Names of all alarms."
  value       = module.guardrail.alarms
}
