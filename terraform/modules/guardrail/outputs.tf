output "queue_url" {
  description = "Value of COUNTERMAND_QUEUE_URL."
  value       = module.queue.url
}

output "topic_arn" {
  description = "Value of COUNTERMAND_TOPIC_ARN."
  value       = module.alerts.arn
}

output "ledger_url" {
  description = "Value of COUNTERMAND_LEDGER_URL, also for `countermand decisions` and `countermand undo`."
  value       = "dynamodb:${module.ledger.name}"
}

output "worker_role_arn" {
  description = "ARN of the worker role: serviceAccount.roleArn in the Helm chart."
  value       = module.iam.worker_role_arn
}

output "policies" {
  description = "Policy documents of the worker role, by name."
  value       = module.iam.policies
}

output "environment" {
  description = "COUNTERMAND_* variables of the task, without secrets."
  value       = module.worker.environment
}

output "alarms" {
  description = "Names of all alarms."
  value       = module.alarms.names
}
