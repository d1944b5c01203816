variable "name" {
  description = "Name of the topic."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,256}$", var.name))
    error_message = "name: letters, digits, hyphens and underscores; a FIFO topic cannot send mail."
  }
}

variable "partition" {
  description = "Partition of the ARNs."
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
  description = "Addresses that get a mail. Each must confirm by the link in AWS's first mail."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for email in var.emails : can(regex("^[^@[:space:]]+@[^@[:space:]]+\\.[^@[:space:]]+$", email))])
    error_message = "emails: each must be an address such as security@example.com."
  }
}

variable "queue_arns" {
  description = "SQS queues that get every alert as JSON."
  type        = list(string)
  default     = []
}

variable "publisher_arns" {
  description = "Roles that may publish, without wildcards."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.publisher_arns : !strcontains(arn, "*")])
    error_message = "publisher_arns: no wildcards; name each role."
  }
}

variable "publisher_services" {
  description = "AWS services that may publish for this account, for example cloudwatch.amazonaws.com."
  type        = list(string)
  default     = []
}

variable "kms_key_arn" {
  description = "Customer key for messages at rest; CloudWatch alarms cannot use SNS's own."
  type        = string
  default     = null
}
