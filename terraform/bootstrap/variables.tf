variable "name" {
  description = "Prefix for all resource names, the same as in the environments."
  type        = string
  default     = "countermand"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,31}$", var.name))
    error_message = "name: use 3 to 32 lowercase letters, digits, and hyphens, beginning with a letter, for example countermand."
  }
}

variable "region" {
  description = "Region of the state bucket and the lock table."
  type        = string
  default     = "us-east-1"
}

variable "operator_arns" {
  description = "Roles or users of people who may assume TerraformExecutionRole with MFA."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.operator_arns : can(regex("^arn:[^:]+:iam::[0-9]{12}:(role|user)/[^*]+$", arn))])
    error_message = "operator_arns: use ARNs of roles or users, without wildcards, for example arn:aws:iam::111122223333:role/security-engineer."
  }
}

variable "ci" {
  description = "OIDC provider of the CI system, and the exact subjects that may assume the role."
  type = object({
    provider_arn = string
    subjects     = list(string)
  })
  default = null

  validation {
    condition     = var.ci == null ? true : can(regex("^arn:[^:]+:iam::[0-9]{12}:oidc-provider/.+$", var.ci.provider_arn))
    error_message = "ci.provider_arn: use the ARN of an OIDC provider, for example arn:aws:iam::ACCOUNT:oidc-provider/token.actions.githubusercontent.com."
  }
  validation {
    condition     = var.ci == null ? true : length(var.ci.subjects) > 0 && alltrue([for subject in var.ci.subjects : !strcontains(subject, "*")])
    error_message = "ci.subjects: give at least one, without wildcards, for example repo:example/infrastructure:environment:production."
  }
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of the role, if the account requires one."
  type        = string
  default     = null
}

variable "throw_away" {
  description = "Allow destroy to delete the state. Use only for trials."
  type        = bool
  default     = false
}
