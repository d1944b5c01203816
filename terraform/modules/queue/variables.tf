variable "name" {
  description = "Name of the queue; the dead-letter queue is called the same with -dlq."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,76}$", var.name))
    error_message = "name: at most 76 letters, digits, hyphens and underscores; a FIFO queue cannot be a target of a rule without a group."
  }
}

variable "partition" {
  description = "Partition of the ARNs."
  type        = string
}

variable "region" {
  description = "Region of the queue."
  type        = string
}

variable "account_id" {
  description = "Account of the queue and of the rules."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id: 12 digits, as a string."
  }
}

variable "rule_arns" {
  description = "The EventBridge rules that may send. Names are enough: ARNs are known before the rules are."
  type        = list(string)

  validation {
    condition     = length(var.rule_arns) > 0 && alltrue([for arn in var.rule_arns : can(regex("^arn:[^:*]+:events:[^:*]+:[0-9]{12}:rule/[^*]+$", arn))])
    error_message = "rule_arns: at least one ARN of a rule, none with a wildcard."
  }
}

variable "consumer_arns" {
  description = "Roles that may receive; empty leaves it to their own policies, as an emulator needs it."
  type        = list(string)
  default     = []
}

variable "redriver_arns" {
  description = "Roles that may also send, to bring messages back from the dead-letter queue."
  type        = list(string)
  default     = []
}

variable "max_receives" {
  description = "Receives after which a message goes to the dead-letter queue."
  type        = number
  default     = 8

  validation {
    condition     = var.max_receives >= 2 && var.max_receives <= 20
    error_message = "max_receives: 2 to 20; one would lose a message to a single crash."
  }
}
