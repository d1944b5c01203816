output "bucket" {
  description = "Name of the state bucket: `bucket` in backend.hcl."
  value       = module.state.name
}

output "lock_table" {
  description = "Name of the lock table: `dynamodb_table` in backend.hcl, for Terraform below 1.10."
  value       = aws_dynamodb_table.locks.name
}

output "execution_role_arn" {
  description = "ARN of TerraformExecutionRole: execution_role_arn in the environments."
  value       = aws_iam_role.terraform.arn
}
