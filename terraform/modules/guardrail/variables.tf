variable "name" {
  description = "Beginning of all names. Two installations in one account need two names."
  type        = string
  default     = "countermand"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,31}$", var.name))
    error_message = "name: 3 to 32 lower-case letters, digits and hyphens, beginning with a letter, for example countermand."
  }
}

variable "mode" {
  description = "observe alerts only, dry-run decides and rehearses, enforce takes changes back. Only enforce gives the worker a right to write to IAM."
  type        = string
  default     = "dry-run"

  validation {
    condition     = contains(["observe", "dry-run", "enforce"], var.mode)
    error_message = "mode: observe, dry-run or enforce."
  }
}

variable "image" {
  description = "The worker's image, by digest."
  type        = string
}

variable "emails" {
  description = "Who gets alerts and alarms. Each must confirm two mails of AWS, one for each topic."
  type        = list(string)

  validation {
    condition     = length(var.emails) > 0
    error_message = "emails: at least one address; somebody must hear of it."
  }
}

variable "alert_queue_arns" {
  description = "SQS queues that get every alert as JSON."
  type        = list(string)
  default     = []
}

variable "scopes" {
  description = "Globs of the names at path / whose grants may be taken back."
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
  description = "Principals that are never touched, by the code and by an explicit Deny."
  type        = list(string)
  default     = []
}

variable "operator_arns" {
  description = "Roles of people who may read the queue and bring messages back from the dead-letter queue."
  type        = list(string)
  default     = []
}

variable "settings" {
  description = "More COUNTERMAND_* variables; docs/configuration.md lists them."
  type        = map(string)
  default     = {}
}

variable "replicas" {
  description = "Tasks at least and at most, and the age of the oldest event in seconds that is aimed at."
  type = object({
    least       = optional(number, 2)
    most        = optional(number, 6)
    age_seconds = optional(number, 60)
  })
  default = {}
}

variable "size" {
  description = "CPU units and MiB of a task, and its architecture."
  type = object({
    cpu          = optional(number, 256)
    memory       = optional(number, 512)
    architecture = optional(string, "X86_64")
  })
  default = {}
}

variable "api" {
  description = "Secret with the API's token, and the security groups that may call it."
  type = object({
    token_secret_arn          = optional(string)
    client_security_group_ids = optional(list(string), [])
  })
  default = {}
}

variable "network" {
  description = "VPC and private subnets with a way to AWS; null makes a VPC with endpoints and a NAT gateway."
  type = object({
    vpc_id     = string
    subnet_ids = list(string)
  })
  default = null
}

variable "trail" {
  description = "Make a trail. Not needed where one of the organisation logs management events of this account."
  type        = bool
  default     = true
}

variable "deaf_hours" {
  description = "Hours without any event of aws.iam that a rule looks at, after which an alarm goes off; null switches it off."
  type        = number
  default     = 24
}

variable "irsa" {
  description = "A Kubernetes service account that may take the worker's role too."
  type = object({
    provider_arn    = string
    namespace       = optional(string, "countermand")
    service_account = optional(string, "countermand")
  })
  default = null
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of the roles, where the account asks for one."
  type        = string
  default     = null
}

variable "repository_arn" {
  description = "ECR repository of the image; null for an image from elsewhere."
  type        = string
  default     = null
}

variable "throw_away" {
  description = "Let destroy delete the ledger and the trail files."
  type        = bool
  default     = false
}
