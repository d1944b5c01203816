variable "name" {
  description = "Prefix for the EventBridge rule names: NAME-iam for events of aws.iam, NAME-rule-ID for one detection rule."
  type        = string
}

variable "queue_arn" {
  description = "ARN of the queue that receives the events, in the region of the provider aws."
  type        = string
}

variable "keep_undelivered" {
  description = "Keep events that EventBridge could not deliver in a separate queue."
  type        = bool
  default     = true
}
