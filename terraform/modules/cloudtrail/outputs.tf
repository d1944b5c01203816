output "trail_arn" {
  description = "ARN of the trail."
  value       = aws_cloudtrail.this.arn
}

output "bucket" {
  description = "Bucket of the trail files."
  value       = module.bucket.name
}

output "log_group" {
  description = "Log group with the events of the last days."
  value       = aws_cloudwatch_log_group.trail.name
}
