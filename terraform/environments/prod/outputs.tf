output "queue_url" {
  description = "COUNTERMAND_QUEUE_URL."
  value       = module.guardrail.queue_url
}

output "topic_arn" {
  description = "COUNTERMAND_TOPIC_ARN."
  value       = module.guardrail.topic_arn
}

output "ledger_url" {
  description = "COUNTERMAND_LEDGER_URL."
  value       = module.guardrail.ledger_url
}

output "worker_role_arn" {
  description = "The worker's role."
  value       = module.guardrail.worker_role_arn
}

output "environment" {
  description = "The COUNTERMAND_* variables of the task, without secrets."
  value       = module.guardrail.environment
}

output "alarms" {
  description = "Names of the alarms."
  value       = module.guardrail.alarms
}
