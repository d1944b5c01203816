variable "name" {
  description = "Beginning of the roles' names."
  type        = string
}

variable "mode" {
  description = "observe, dry-run or enforce; only enforce gets the policy that writes to IAM."
  type        = string
  default     = "dry-run"

  validation {
    condition     = contains(["observe", "dry-run", "enforce"], var.mode)
    error_message = "mode: observe, dry-run or enforce."
  }
}

variable "scopes" {
  description = "Globs of the names at path / whose grants may be taken back: COUNTERMAND_USER_SCOPE and its like."
  type = object({
    user     = optional(string, "iam-test-*")
    role     = optional(string, "iam-test-*")
    group    = optional(string, "iam-test-*")
    policy   = optional(string, "iam-test-*")
    resource = optional(string, "")
    account  = optional(string, "")
  })
  default = {}

  validation {
    condition     = alltrue([for kind, scope in var.scopes : contains(["resource", "account"], kind) || can(regex("^[A-Za-z0-9_+=,.@*?-]*$", scope))]) && alltrue([for kind, scope in var.scopes : contains(["resource", "account"], kind) || scope != ""])
    error_message = "scopes: each a name with * and ?, without a slash or a colon, for example iam-test-*."
  }

  validation {
    condition     = can(regex("^[A-Za-z0-9_+=,.@*?/-]*$", var.scopes.resource))
    error_message = "scopes.resource: what follows the type in an ARN, with * and ?, without a colon; empty for none."
  }

  validation {
    condition     = can(regex("^[0-9*?]*$", var.scopes.account))
    error_message = "scopes.account: the id of the account, or a glob on it; empty leaves settings of the whole account alone."
  }
}

variable "break_glass_arns" {
  description = "Principals that the worker may never change, in scope or not: COUNTERMAND_BREAK_GLASS."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.break_glass_arns : can(regex("^arn:[^:]+:iam::[0-9]{12}:(user|role|group)/.+$", arn))])
    error_message = "break_glass_arns: ARNs of users, roles or groups, for example arn:aws:iam::111122223333:user/break-glass-*."
  }
}

variable "queue_arn" {
  description = "ARN of the event queue."
  type        = string
}

variable "topic_arn" {
  description = "ARN of the alert topic."
  type        = string
}

variable "topic_key_arn" {
  description = "Customer key of the alert topic."
  type        = string
}

variable "table_arn" {
  description = "ARN of the ledger's table."
  type        = string
}

variable "log_group_arn" {
  description = "ARN of the worker's log group, without :* at its end."
  type        = string
}

variable "on_ecs" {
  description = "Whether ECS tasks take the worker's role; also makes the execution role."
  type        = bool
  default     = true
}

variable "irsa" {
  description = "The Kubernetes service account that takes the worker's role: the chart's serviceAccount.roleArn."
  type = object({
    provider_arn    = string
    namespace       = optional(string, "countermand")
    service_account = optional(string, "countermand")
  })
  default = null

  validation {
    condition     = var.irsa == null ? true : can(regex("^arn:[^:]+:iam::[0-9]{12}:oidc-provider/.+$", var.irsa.provider_arn))
    error_message = "irsa.provider_arn: the ARN of the cluster's OIDC provider, arn:aws:iam::ACCOUNT:oidc-provider/oidc.eks.REGION.amazonaws.com/id/ID."
  }
  validation {
    condition     = var.irsa == null ? true : !strcontains("${var.irsa.namespace}${var.irsa.service_account}", "*")
    error_message = "irsa: one namespace and one service account, without wildcards."
  }
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of both roles, where the account asks for one."
  type        = string
  default     = null
}

variable "repository_arn" {
  description = "ECR repository of the image; null for an image from elsewhere."
  type        = string
  default     = null
}

variable "secret_arn" {
  description = "Secret with the API's token; null for an API that only the task itself reaches."
  type        = string
  default     = null
}
