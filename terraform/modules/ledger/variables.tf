variable "name" {
  description = "Name of the table: COUNTERMAND_LEDGER_URL is dynamodb:NAME."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]{3,255}$", var.name))
    error_message = "name: 3 to 255 letters, digits, dots, hyphens and underscores."
  }
}

variable "deletion_protection" {
  description = "Refuse to delete the table, and with it the history of decisions."
  type        = bool
  default     = true
}
