variable "name" {
  description = "Beginning of the rules' names: NAME-iam for events of aws.iam, NAME-rule-ID for one rule's own."
  type        = string
}

variable "queue_arn" {
  description = "The queue that gets the events, in the region of the provider aws."
  type        = string
}

variable "keep_undelivered" {
  description = "Keep events that could not be brought to the queue in a queue of their own."
  type        = bool
  default     = true
}
