variable "name" {
  description = "Prefix for the alarm names."
  type        = string
}

variable "topic_arn" {
  description = "Topic that receives the alarms, in the same region."
  type        = string
}

variable "queue" {
  description = "Names of the event queue and its dead-letter queue; null in a region that only forwards events."
  type = object({
    name     = string
    dlq_name = string
  })
  default = null
}

variable "undelivered_queue" {
  description = "Name of the queue for undelivered events; null without such a queue."
  type        = string
  default     = null
}

variable "rule_names" {
  description = "EventBridge rules to watch."
  type        = list(string)
  default     = []
}

variable "trail_log_group" {
  description = "Log group of the trail, which alarms when it is silent; null if something else watches the trail."
  type        = string
  default     = null
}

variable "never_silent" {
  description = "EventBridge rules that match at least one event within deaf_hours."
  type        = list(string)
  default     = []
}

variable "age_seconds" {
  description = "Age in seconds of the oldest waiting event above which an alarm fires."
  type        = number
  default     = 300

  validation {
    condition     = var.age_seconds >= 60 && var.age_seconds <= 86400
    error_message = "age_seconds: use 60 to 86400. Retried messages normally wait for minutes."
  }
}

variable "deaf_hours" {
  description = "Hours without a matching event after which an alarm fires; null disables the alarm."
  type        = number
  default     = 24

  validation {
    # With periods of an hour, an alarm evaluates at most one day.
    condition     = var.deaf_hours == null ? true : contains(range(1, 25), var.deaf_hours)
    error_message = "deaf_hours: use a whole number from 1 to 24, or null in an account that seldom changes IAM."
  }
}
