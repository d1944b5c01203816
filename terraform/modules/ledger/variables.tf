variable "name" {
  description = "Name of the table: COUNTERMAND_LEDGER_URL is dynamodb:NAME."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]{3,255}$", var.name))
    error_message = "name: use 3 to 255 letters, digits, dots, hyphens, and underscores."
  }
}

variable "deletion_protection" {
  description = "Prevent deletion of the table and of the decision history in it."
  type        = bool
  default     = true
}
