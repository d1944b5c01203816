variable "name" {
  description = "Name of the trail, and beginning of the names of its bucket, log group and role."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,31}$", var.name))
    error_message = "name: 3 to 32 lower-case letters, digits and hyphens, beginning with a letter, for example countermand."
  }
}

variable "kms_key_arn" {
  description = "Customer key for trail files and log group; its policy must admit CloudTrail and CloudWatch Logs."
  type        = string
  default     = null
}

variable "keep_days" {
  description = "Days for which trail files are kept."
  type        = number
  default     = 400

  validation {
    condition     = var.keep_days >= 30
    error_message = "keep_days: at least 30; an investigation looks back further than a week."
  }
}

variable "log_days" {
  description = "Days for which the log group keeps the events."
  type        = number
  default     = 30

  validation {
    condition     = contains([7, 14, 30, 60, 90, 120, 150, 180, 365, 400], var.log_days)
    error_message = "log_days: one of 7, 14, 30, 60, 90, 120, 150, 180, 365, 400."
  }
}

variable "force_destroy" {
  description = "Let destroy delete the trail files. Only for throw-away environments."
  type        = bool
  default     = false
}
