variable "name" {
  description = "Beginning of all names, as in the environments."
  type        = string
  default     = "countermand"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,31}$", var.name))
    error_message = "name: 3 to 32 lower-case letters, digits and hyphens, beginning with a letter, for example countermand."
  }
}

variable "region" {
  description = "Region of the bucket and the lock table."
  type        = string
  default     = "us-east-1"
}

variable "operator_arns" {
  description = "Roles or users of people who may take TerraformExecutionRole, with MFA."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.operator_arns : can(regex("^arn:[^:]+:iam::[0-9]{12}:(role|user)/[^*]+$", arn))])
    error_message = "operator_arns: ARNs of roles or users without wildcards, for example arn:aws:iam::111122223333:role/security-engineer."
  }
}

variable "ci" {
  description = "OIDC provider of the CI system, and the exact subjects that may take the role."
  type = object({
    provider_arn = string
    subjects     = list(string)
  })
  default = null

  validation {
    condition     = var.ci == null ? true : can(regex("^arn:[^:]+:iam::[0-9]{12}:oidc-provider/.+$", var.ci.provider_arn))
    error_message = "ci.provider_arn: arn:aws:iam::ACCOUNT:oidc-provider/token.actions.githubusercontent.com or its like."
  }
  validation {
    condition     = var.ci == null ? true : length(var.ci.subjects) > 0 && alltrue([for subject in var.ci.subjects : !strcontains(subject, "*")])
    error_message = "ci.subjects: at least one, without wildcards, for example repo:example/infrastructure:environment:production."
  }
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of the role, where the account asks for one."
  type        = string
  default     = null
}

variable "throw_away" {
  description = "Let destroy delete the state. Only for trying it."
  type        = bool
  default     = false
}
