variable "name" {
  description = "Prefix for all resource names. Two installations in one account need different prefixes."
  type        = string
  default     = "countermand"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,31}$", var.name))
    error_message = "name: use 3 to 32 lowercase letters, digits, and hyphens, beginning with a letter, for example countermand."
  }
}

variable "mode" {
  description = "Mode of the worker: observe only alerts, dry-run decides and simulates, enforce reverts changes. Only enforce gives the worker permission to write to IAM."
  type        = string
  default     = "dry-run"

  validation {
    condition     = contains(["observe", "dry-run", "enforce"], var.mode)
    error_message = "mode: use observe, dry-run, or enforce."
  }
}

variable "image" {
  description = "Worker image, by digest."
  type        = string
}

variable "emails" {
  description = "Email addresses that receive alerts and alarms. Each recipient must confirm two emails from AWS, one for each topic."
  type        = list(string)

  validation {
    condition     = length(var.emails) > 0
    error_message = "emails: at least one address is required."
  }
}

variable "alert_queue_arns" {
  description = "SQS queues that receive every alert as JSON."
  type        = list(string)
  default     = []
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
  description = "Protected principals, which the worker never changes; an explicit Deny enforces it."
  type        = list(string)
  default     = []
}

variable "operator_arns" {
  description = "Roles of people who may read the queue and redrive messages from the dead-letter queue."
  type        = list(string)
  default     = []
}

variable "settings" {
  description = "More COUNTERMAND_* variables; see docs/configuration.md."
  type        = map(string)
  default     = {}
}

variable "replicas" {
  description = "Minimum and maximum number of tasks, and the target age of the oldest event in seconds."
  type = object({
    least       = optional(number, 2)
    most        = optional(number, 6)
    age_seconds = optional(number, 60)
  })
  default = {}
}

variable "size" {
  description = "CPU units, memory in MiB, and architecture of a task."
  type = object({
    cpu          = optional(number, 256)
    memory       = optional(number, 512)
    architecture = optional(string, "X86_64")
  })
  default = {}
}

variable "api" {
  description = "Secret that holds the API token, and the security groups that may call the API."
  type = object({
    token_secret_arn          = optional(string)
    client_security_group_ids = optional(list(string), [])
  })
  default = {}
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

variable "deaf_hours" {
  description = "Hours without an aws.iam event that the EventBridge rules match, after which an alarm fires; null disables the alarm."
  type        = number
  default     = 24
}

variable "irsa" {
  description = "Kubernetes service account that may also assume the worker role."
  type = object({
    provider_arn    = string
    namespace       = optional(string, "countermand")
    service_account = optional(string, "countermand")
  })
  default = null
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of the roles, if the account requires one."
  type        = string
  default     = null
}

variable "repository_arn" {
  description = "ECR repository of the image; null if the image is not in ECR."
  type        = string
  default     = null
}

variable "throw_away" {
  description = "Allow destroy to delete the ledger and the trail files."
  type        = bool
  default     = false
}
