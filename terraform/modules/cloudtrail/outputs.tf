output "trail_arn" {
  description = "ARN of the trail."
  value       = aws_cloudtrail.this.arn
}

output "bucket" {
  description = "Name of the bucket that holds the trail files."
  value       = module.bucket.name
}

output "log_group" {
  description = "Name of the log group that holds recent events."
  value       = aws_cloudwatch_log_group.trail.name
}
