variable "name" {
  description = "Name of the queue; the dead-letter queue has the same name with the suffix -dlq."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,76}$", var.name))
    error_message = "name: use at most 76 letters, digits, hyphens, and underscores. FIFO queues are not supported."
  }
}

variable "partition" {
  description = "AWS partition of the ARNs."
  type        = string
}

variable "region" {
  description = "Region of the queue."
  type        = string
}

variable "account_id" {
  description = "Account of the queue and of the EventBridge rules."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id: use 12 digits, as a string."
  }
}

variable "rule_arns" {
  description = "ARNs of the EventBridge rules that may send. Names determine the ARNs, so the rules need not exist yet."
  type        = list(string)

  validation {
    condition     = length(var.rule_arns) > 0 && alltrue([for arn in var.rule_arns : can(regex("^arn:[^:*]+:events:[^:*]+:[0-9]{12}:rule/[^*]+$", arn))])
    error_message = "rule_arns: give at least one ARN of an EventBridge rule, without wildcards."
  }
}

variable "consumer_arns" {
  description = "Roles that may receive. An empty list leaves this to the principals' own policies, as an emulator requires."
  type        = list(string)
  default     = []
}

variable "redriver_arns" {
  description = "Roles that may also send, to redrive messages from the dead-letter queue."
  type        = list(string)
  default     = []
}

variable "max_receives" {
  description = "Number of receives after which SQS moves a message to the dead-letter queue."
  type        = number
  default     = 8

  validation {
    condition     = var.max_receives >= 2 && var.max_receives <= 20
    error_message = "max_receives: use 2 to 20. With 1, a single crash would dead-letter a message."
  }
}
