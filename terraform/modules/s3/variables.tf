variable "name" {
  description = "Name of the bucket; unique in all of AWS."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.name))
    error_message = "name: 3 to 63 lower-case letters, digits and hyphens, for example countermand-trail-111122223333."
  }
}

variable "partition" {
  description = "Partition of the ARNs: aws, aws-cn or aws-us-gov."
  type        = string
  default     = "aws"
}

variable "kms_key_arn" {
  description = "Customer key for the objects; null encrypts with S3's own."
  type        = string
  default     = null
}

variable "statements" {
  description = "Statements of the bucket policy beside the refusal of plain HTTP."
  type        = any
  default     = []
}

variable "noncurrent_days" {
  description = "Days for which replaced and deleted versions are kept."
  type        = number
  default     = 90

  validation {
    condition     = var.noncurrent_days >= 1
    error_message = "noncurrent_days: at least 1."
  }
}

variable "expire_days" {
  description = "Days after which objects are deleted; null keeps them."
  type        = number
  default     = null
}

variable "force_destroy" {
  description = "Let destroy delete a bucket that is not empty. Only for throw-away environments."
  type        = bool
  default     = false
}
