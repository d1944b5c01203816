variable "name" {
  description = "Beginning of the alarms' names."
  type        = string
}

variable "topic_arn" {
  description = "The topic that gets the alarms, in the same region."
  type        = string
}

variable "queue" {
  description = "Names of the event queue and its dead-letter queue; null in a region that only forwards."
  type = object({
    name     = string
    dlq_name = string
  })
  default = null
}

variable "undelivered_queue" {
  description = "Name of the queue of undelivered events; null where there is none."
  type        = string
  default     = null
}

variable "rule_names" {
  description = "The EventBridge rules to watch."
  type        = list(string)
  default     = []
}

variable "trail_log_group" {
  description = "Log group of the trail, whose silence is an alarm; null where it is watched elsewhere."
  type        = string
  default     = null
}

variable "never_silent" {
  description = "Those of the rules that always see an event in deaf_hours."
  type        = list(string)
  default     = []
}

variable "age_seconds" {
  description = "Age of the oldest waiting event that is too much."
  type        = number
  default     = 300

  validation {
    condition     = var.age_seconds >= 60 && var.age_seconds <= 86400
    error_message = "age_seconds: 60 to 86400. Messages that are retried wait for minutes without anything being wrong."
  }
}

variable "deaf_hours" {
  description = "Hours without any event after which a rule counts as deaf; null switches the alarm off."
  type        = number
  default     = 24

  validation {
    # An alarm looks back at most one day at periods of an hour.
    condition     = var.deaf_hours == null ? true : contains(range(1, 25), var.deaf_hours)
    error_message = "deaf_hours: a whole number from 1 to 24, or null in an account that seldom changes IAM."
  }
}
