variable "name" {
  description = "Prefix for the role names."
  type        = string
}

variable "mode" {
  description = "Mode of the worker: observe, dry-run, or enforce. Only enforce creates the policy that allows writes to IAM."
  type        = string
  default     = "dry-run"

  validation {
    condition     = contains(["observe", "dry-run", "enforce"], var.mode)
    error_message = "mode: use observe, dry-run, or enforce."
  }
}

variable "scopes" {
  description = "Globs that limit which changes the worker may revert: COUNTERMAND_USER_SCOPE and the other scope settings."
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
    error_message = "scopes: use names with * and ? as wildcards, without slashes or colons, for example iam-test-*."
  }

  validation {
    condition     = can(regex("^[A-Za-z0-9_+=,.@*?/-]*$", var.scopes.resource))
    error_message = "scopes.resource: use the part of an ARN after the type, with * and ? as wildcards, without colons; leave it empty for no resources."
  }

  validation {
    condition     = can(regex("^[0-9*?]*$", var.scopes.account))
    error_message = "scopes.account: use the account ID or a glob for it; leave it empty to exclude account settings."
  }
}

variable "break_glass_arns" {
  description = "Protected principals, which the worker never changes, even in scope: COUNTERMAND_BREAK_GLASS."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.break_glass_arns : can(regex("^arn:[^:]+:iam::[0-9]{12}:(user|role|group)/.+$", arn))])
    error_message = "break_glass_arns: use ARNs of users, roles, or groups, for example arn:aws:iam::111122223333:user/break-glass-*."
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
  description = "ARN of the customer managed key of the alert topic."
  type        = string
}

variable "table_arn" {
  description = "ARN of the ledger's table."
  type        = string
}

variable "log_group_arn" {
  description = "ARN of the worker's log group, without :* at the end."
  type        = string
}

variable "on_ecs" {
  description = "Let ECS tasks assume the worker role, and create the execution role."
  type        = bool
  default     = true
}

variable "irsa" {
  description = "Kubernetes service account that may assume the worker role: serviceAccount.roleArn in the Helm chart."
  type = object({
    provider_arn    = string
    namespace       = optional(string, "countermand")
    service_account = optional(string, "countermand")
  })
  default = null

  validation {
    condition     = var.irsa == null ? true : can(regex("^arn:[^:]+:iam::[0-9]{12}:oidc-provider/.+$", var.irsa.provider_arn))
    error_message = "irsa.provider_arn: use the ARN of the cluster's OIDC provider, arn:aws:iam::ACCOUNT:oidc-provider/oidc.eks.REGION.amazonaws.com/id/ID."
  }
  validation {
    condition     = var.irsa == null ? true : !strcontains("${var.irsa.namespace}${var.irsa.service_account}", "*")
    error_message = "irsa: name one namespace and one service account, without wildcards."
  }
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of both roles, if the account requires one."
  type        = string
  default     = null
}

variable "repository_arn" {
  description = "ECR repository of the image; null if the image is not in ECR."
  type        = string
  default     = null
}

variable "secret_arn" {
  description = "Secret that holds the API token; null if the API listens inside the task only."
  type        = string
  default     = null
}
