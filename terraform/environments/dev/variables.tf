variable "region" {
  description = "Where the worker, its queue, topic and ledger are."
  type        = string
  default     = "us-east-1"

  validation {
    condition     = can(regex("^[a-z]{2,}(-[a-z]+)+-[0-9]+$", var.region))
    error_message = "region: a region such as us-east-1."
  }
}

variable "event_region" {
  description = "Where IAM's events appear: us-east-1, but us-gov-west-1 in GovCloud and cn-north-1 in China."
  type        = string
  default     = "us-east-1"

  validation {
    condition     = can(regex("^[a-z]{2,}(-[a-z]+)+-[0-9]+$", var.event_region))
    error_message = "event_region: a region such as us-east-1."
  }
}

variable "execution_role_arn" {
  description = "TerraformExecutionRole of bootstrap/, taken for this run; null uses the caller's own rights."
  type        = string
  default     = null
}

variable "image" {
  description = "The worker's image, by digest."
  type        = string
}

variable "emails" {
  description = "Who gets alerts and alarms."
  type        = list(string)
}

variable "mode" {
  description = "observe, dry-run or enforce."
  type        = string
  default     = "dry-run"
}

variable "scopes" {
  description = "Globs of the names at path / whose grants may be taken back, and of other things; none of these unless asked."
  type = object({
    user     = optional(string, "iam-test-*")
    role     = optional(string, "iam-test-*")
    group    = optional(string, "iam-test-*")
    policy   = optional(string, "iam-test-*")
    resource = optional(string, "")
    account  = optional(string, "")
  })
  default = {}
}

variable "break_glass_arns" {
  description = "Principals that are never touched."
  type        = list(string)
  default     = []
}

variable "operator_arns" {
  description = "Roles of people who may read the queue and bring messages back from the dead-letter queue."
  type        = list(string)
  default     = []
}

variable "repository_arn" {
  description = "ECR repository of the image; null for an image from elsewhere."
  type        = string
  default     = null
}

variable "settings" {
  description = "More COUNTERMAND_* variables; docs/configuration.md lists them."
  type        = map(string)
  default     = {}
}

variable "api" {
  description = "Secret with the API's token, and the security groups that may call it."
  type = object({
    token_secret_arn          = optional(string)
    client_security_group_ids = optional(list(string), [])
  })
  default = {}
}
