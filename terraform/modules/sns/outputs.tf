output "arn" {
  description = "ARN of the topic, known once its policy is in force: COUNTERMAND_TOPIC_ARN."
  value       = aws_sns_topic_policy.this.arn
}
