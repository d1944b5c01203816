variable "name" {
  description = "Name of the cluster, and prefix for the other names."
  type        = string
}

variable "image" {
  description = "Worker image, by digest, because a tag can move to other code."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-zA-Z0-9./_:-]*@sha256:[0-9a-f]{64}$", var.image))
    error_message = "image: use a digest, for example 111122223333.dkr.ecr.us-east-1.amazonaws.com/countermand@sha256:... (64 hexadecimal digits)."
  }
}

variable "mode" {
  description = "Value of COUNTERMAND_MODE."
  type        = string
  default     = "dry-run"
}

variable "settings" {
  description = "COUNTERMAND_* variables by name; see docs/configuration.md. Do not set mode, region, replicas, or API host here."
  type        = map(string)

  validation {
    condition     = alltrue([for name in keys(var.settings) : startswith(name, "COUNTERMAND_")])
    error_message = "settings: begin each name with COUNTERMAND_."
  }
  validation {
    condition     = length(setintersection(keys(var.settings), ["COUNTERMAND_MODE", "COUNTERMAND_REGION", "COUNTERMAND_REPLICAS", "COUNTERMAND_API_HOST", "COUNTERMAND_API_TOKEN"])) == 0
    error_message = "settings: set the mode, replicas, and api variables instead. The provider sets the region, and a token belongs in a secret."
  }
}

variable "task_role_arn" {
  description = "ARN of the worker role."
  type        = string
}

variable "execution_role_arn" {
  description = "ARN of the role that starts the task."
  type        = string
}

variable "queue_name" {
  description = "Name of the queue. The service scales on the age of its oldest message."
  type        = string
}

variable "replicas" {
  description = "Minimum and maximum number of tasks, and the target age of the oldest event in seconds."
  type = object({
    least       = optional(number, 2)
    most        = optional(number, 6)
    age_seconds = optional(number, 60)
  })
  default = {}

  validation {
    condition     = var.replicas.least >= 1 && var.replicas.most >= var.replicas.least && var.replicas.most <= 1000
    error_message = "replicas: use a least of at least 1, and a most from least to 1000."
  }
}

variable "size" {
  description = "CPU units, memory in MiB, and architecture of a task."
  type = object({
    cpu          = optional(number, 256)
    memory       = optional(number, 512)
    architecture = optional(string, "X86_64")
  })
  default = {}

  validation {
    condition     = contains(["X86_64", "ARM64"], var.size.architecture)
    error_message = "size.architecture: use X86_64 or ARM64, the architecture of the image."
  }
}

variable "api" {
  description = "Secret that holds the API token, and the security groups that may call the API. Without them, the API listens inside the task only."
  type = object({
    token_secret_arn          = optional(string)
    client_security_group_ids = optional(list(string), [])
  })
  default = {}
}

variable "network" {
  description = "VPC and private subnets with a route to AWS; null creates a VPC."
  type = object({
    vpc_id     = string
    subnet_ids = list(string)
  })
  default = null

  validation {
    condition     = var.network == null ? true : length(var.network.subnet_ids) >= 2
    error_message = "network.subnet_ids: give at least two, in different zones."
  }
}

variable "vpc_cidr" {
  description = "CIDR block of the VPC, if the module creates one."
  type        = string
  default     = "10.42.0.0/24"

  validation {
    condition     = can(cidrsubnet(var.vpc_cidr, 4, 0)) && tonumber(split("/", var.vpc_cidr)[1]) <= 24
    error_message = "vpc_cidr: use an IPv4 block of /24 or larger, for example 10.42.0.0/24."
  }
}

variable "log_days" {
  description = "Days to keep the log."
  type        = number
  default     = 90

  validation {
    condition     = contains([7, 14, 30, 60, 90, 120, 150, 180, 365, 400], var.log_days)
    error_message = "log_days: use one of 7, 14, 30, 60, 90, 120, 150, 180, 365, 400."
  }
}

variable "log_key_arn" {
  description = "ARN of the customer managed key of the log group; its policy must allow CloudWatch Logs. Null uses CloudWatch's own key."
  type        = string
  default     = null
}
