variable "name" {
  description = "Name of the bucket, unique in all of AWS."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.name))
    error_message = "name: use 3 to 63 lowercase letters, digits, and hyphens, for example countermand-trail-111122223333."
  }
}

variable "partition" {
  description = "AWS partition of the ARNs: aws, aws-cn, or aws-us-gov."
  type        = string
  default     = "aws"
}

variable "kms_key_arn" {
  description = "ARN of the customer managed key for the objects; null uses S3's own key."
  type        = string
  default     = null
}

variable "statements" {
  description = "Bucket policy statements in addition to the denial of plain HTTP."
  type        = any
  default     = []
}

variable "noncurrent_days" {
  description = "Days to keep replaced and deleted object versions."
  type        = number
  default     = 90

  validation {
    condition     = var.noncurrent_days >= 1
    error_message = "noncurrent_days: use at least 1."
  }
}

variable "expire_days" {
  description = "Days after which S3 deletes objects; null keeps them."
  type        = number
  default     = null
}

variable "force_destroy" {
  description = "Allow destroy to delete a bucket that is not empty. Use only for disposable environments."
  type        = bool
  default     = false
}
