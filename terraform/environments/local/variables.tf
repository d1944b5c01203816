variable "name" {
  description = "Beginning of all names; the default gives those of `countermand provision`."
  type        = string
  default     = "countermand"
}

variable "region" {
  description = "Region that the emulator plays."
  type        = string
  default     = "us-east-1"
}

variable "email" {
  description = "Address that the alerts go to."
  type        = string
  default     = "security@example.com"
}

variable "max_receives" {
  description = "Receives after which a message goes to the dead-letter queue."
  type        = number
  default     = 8
}
