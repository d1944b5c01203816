output "bucket" {
  description = "The state bucket: `bucket` of backend.hcl."
  value       = module.state.name
}

output "lock_table" {
  description = "The lock table: `dynamodb_table` of backend.hcl, for Terraform below 1.10."
  value       = aws_dynamodb_table.locks.name
}

output "execution_role_arn" {
  description = "TerraformExecutionRole: the environments' execution_role_arn."
  value       = aws_iam_role.terraform.arn
}
