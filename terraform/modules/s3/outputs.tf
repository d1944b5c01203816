output "arn" {
  description = "ARN of the bucket."
  value       = aws_s3_bucket.this.arn
}

output "name" {
  description = "Name of the bucket, known once its policy is in force."
  value       = aws_s3_bucket_policy.this.bucket
}
