variable "region" {
  description = "Region of the worker, its queue, topic, and ledger."
  type        = string
  default     = "us-east-1"

  validation {
    condition     = can(regex("^[a-z]{2,}(-[a-z]+)+-[0-9]+$", var.region))
    error_message = "region: use the name of a region, such as us-east-1."
  }
}

variable "event_region" {
  description = "Region where IAM events appear: us-east-1, or us-gov-west-1 in GovCloud and cn-north-1 in China."
  type        = string
  default     = "us-east-1"

  validation {
    condition     = can(regex("^[a-z]{2,}(-[a-z]+)+-[0-9]+$", var.event_region))
    error_message = "event_region: use the name of a region, such as us-east-1."
  }
}

variable "execution_role_arn" {
  description = "ARN of TerraformExecutionRole from bootstrap/, assumed for this run; null uses the caller's own permissions."
  type        = string
  default     = null
}

variable "image" {
  description = "Worker image, by digest."
  type        = string
}

variable "emails" {
  description = "Email addresses that receive alerts and alarms."
  type        = list(string)
}

variable "mode" {
  description = "Mode of the worker: observe, dry-run, or enforce."
  type        = string
  default     = "dry-run"
}

variable "scopes" {
  description = "Globs that limit which changes the worker may revert: names at path /, other resources, and account settings. The last two match nothing by default."
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
  description = "Protected principals, which the worker never changes."
  type        = list(string)
  default     = []
}

variable "operator_arns" {
  description = "Roles of people who may read the queue and redrive messages from the dead-letter queue."
  type        = list(string)
  default     = []
}

variable "repository_arn" {
  description = "ECR repository of the image; null if the image is not in ECR."
  type        = string
  default     = null
}

variable "network" {
  description = "VPC and private subnets with a route to AWS; null creates a VPC with endpoints and a NAT gateway."
  type = object({
    vpc_id     = string
    subnet_ids = list(string)
  })
  default = null
}

variable "trail" {
  description = "Create a trail. Set to false if an organization trail already logs the management events of this account."
  type        = bool
  default     = true
}

variable "alert_queue_arns" {
  description = "SQS queues that receive every alert as JSON, for a ticket system or a SIEM."
  type        = list(string)
  default     = []
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of the roles, if the account requires one."
  type        = string
  default     = null
}

variable "deaf_hours" {
  description = "Hours without an IAM event that the EventBridge rules match, after which an alarm fires; null disables it for an account that seldom changes IAM."
  type        = number
  default     = 24
}

variable "settings" {
  description = "More COUNTERMAND_* variables; see docs/configuration.md."
  type        = map(string)
  default     = {}
}

variable "api" {
  description = "Secret that holds the API token, and the security groups that may call the API."
  type = object({
    token_secret_arn          = optional(string)
    client_security_group_ids = optional(list(string), [])
  })
  default = {}
}
