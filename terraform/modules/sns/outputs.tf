output "arn" {
  description = "ARN of the topic, available once the topic policy is in place: COUNTERMAND_TOPIC_ARN."
  value       = aws_sns_topic_policy.this.arn
}
