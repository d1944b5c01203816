variable "name" {
  description = "Prefix for all resource names; the default gives the names of `countermand provision`."
  type        = string
  default     = "countermand"
}

variable "region" {
  description = "Region that the emulator simulates."
  type        = string
  default     = "us-east-1"
}

variable "email" {
  description = "Email address that receives the alerts."
  type        = string
  default     = "security@example.com"
}

variable "max_receives" {
  description = "Number of receives after which SQS moves a message to the dead-letter queue."
  type        = number
  default     = 8
}
