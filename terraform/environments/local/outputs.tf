output "environment" {
  description = "Settings of a worker on this stack, as `countermand provision` prints them."
  value = {
    COUNTERMAND_QUEUE_URL   = module.queue.url
    COUNTERMAND_DLQ_URL     = module.queue.dlq_url
    COUNTERMAND_TOPIC_ARN   = module.alerts.arn
    COUNTERMAND_RULE_PREFIX = var.name
    COUNTERMAND_LOG_GROUP   = aws_cloudwatch_log_group.worker.name
  }
}
