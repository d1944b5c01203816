output "log_group_name" {
  description = "Name of the worker's log group."
  value       = aws_cloudwatch_log_group.worker.name
}

output "cluster" {
  description = "Name of the ECS cluster."
  value       = aws_ecs_cluster.this.name
}

output "service" {
  description = "Name of the ECS service."
  value       = aws_ecs_service.worker.name
}

output "security_group_id" {
  description = "ID of the worker's security group."
  value       = aws_security_group.worker.id
}

output "environment" {
  description = "COUNTERMAND_* variables of the task, without secrets."
  value       = local.environment
}
