output "worker_role_arn" {
  description = "ARN of the worker role: COUNTERMAND_OWN_ROLE_ARN."
  value       = aws_iam_role.worker.arn
}

output "execution_role_arn" {
  description = "ARN of the role that starts the task; null without ECS."
  value       = one(aws_iam_role.execution[*].arn)
}

output "policies" {
  description = "Policy documents of the worker role, by name."
  value = merge(
    {
      work      = aws_iam_role_policy.work.policy
      never     = aws_iam_role_policy.never.policy
      alert-key = aws_iam_role_policy.alert_key.policy
    },
    { for index, policy in aws_iam_policy.enforce : "enforce-${index + 1}" => policy.policy },
  )
}
