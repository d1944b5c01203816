output "queue_url" {
  description = "COUNTERMAND_QUEUE_URL."
  value       = module.queue.url
}

output "topic_arn" {
  description = "COUNTERMAND_TOPIC_ARN."
  value       = module.alerts.arn
}

output "ledger_url" {
  description = "COUNTERMAND_LEDGER_URL, for `countermand decisions` and `undo`."
  value       = "dynamodb:${module.ledger.name}"
}

output "worker_role_arn" {
  description = "The worker's role; the chart's serviceAccount.roleArn."
  value       = module.iam.worker_role_arn
}

output "policies" {
  description = "The documents of the worker's role by name."
  value       = module.iam.policies
}

output "environment" {
  description = "The COUNTERMAND_* variables of the task, without secrets."
  value       = module.worker.environment
}

output "alarms" {
  description = "Names of the alarms."
  value       = module.alarms.names
}
