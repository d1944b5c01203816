variable "name" {
  description = "Name of the topic."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,256}$", var.name))
    error_message = "name: use letters, digits, hyphens, and underscores. A FIFO topic cannot send email."
  }
}

variable "partition" {
  description = "AWS partition of the ARNs."
  type        = string
}

variable "region" {
  description = "Region of the topic."
  type        = string
}

variable "account_id" {
  description = "Account of the topic."
  type        = string
}

variable "emails" {
  description = "Email addresses to subscribe. Each recipient must confirm with the link in AWS's first email."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for email in var.emails : can(regex("^[^@[:space:]]+@[^@[:space:]]+\\.[^@[:space:]]+$", email))])
    error_message = "emails: use addresses such as security@example.com."
  }
}

variable "queue_arns" {
  description = "ARNs of SQS queues to subscribe; they receive every message as JSON."
  type        = list(string)
  default     = []
}

variable "publisher_arns" {
  description = "ARNs of roles that may publish, without wildcards."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.publisher_arns : !strcontains(arn, "*")])
    error_message = "publisher_arns: name each role, without wildcards."
  }
}

variable "publisher_services" {
  description = "AWS services that may publish for this account, for example cloudwatch.amazonaws.com."
  type        = list(string)
  default     = []
}

variable "kms_key_arn" {
  description = "ARN of the customer managed key for messages at rest. CloudWatch cannot publish alarms with SNS's own key."
  type        = string
  default     = null
}
