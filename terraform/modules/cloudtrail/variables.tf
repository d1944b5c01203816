variable "name" {
  description = "Name of the trail, and prefix for its bucket, log group, and role."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,31}$", var.name))
    error_message = "name: use 3 to 32 lowercase letters, digits, and hyphens, beginning with a letter, for example countermand."
  }
}

variable "kms_key_arn" {
  description = "Customer managed key for trail files and log group; its policy must allow CloudTrail and CloudWatch Logs. Null uses the keys of AWS."
  type        = string
  default     = null
}

variable "keep_days" {
  description = "Days to keep the trail files."
  type        = number
  default     = 400

  validation {
    condition     = var.keep_days >= 30
    error_message = "keep_days: use at least 30. An investigation looks back further than a week."
  }
}

variable "log_days" {
  description = "Days to keep events in the log group."
  type        = number
  default     = 30

  validation {
    condition     = contains([7, 14, 30, 60, 90, 120, 150, 180, 365, 400], var.log_days)
    error_message = "log_days: use one of 7, 14, 30, 60, 90, 120, 150, 180, 365, 400."
  }
}

variable "force_destroy" {
  description = "Allow destroy to delete the trail files. Use only for disposable environments."
  type        = bool
  default     = false
}
