variable "name" {
  description = "Name of the cluster, and beginning of the other names."
  type        = string
}

variable "image" {
  description = "The image, by digest: a tag can be moved to other code."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-zA-Z0-9./_:-]*@sha256:[0-9a-f]{64}$", var.image))
    error_message = "image: by digest, for example 111122223333.dkr.ecr.us-east-1.amazonaws.com/countermand@sha256:... (64 hexadecimal digits)."
  }
}

variable "mode" {
  description = "COUNTERMAND_MODE."
  type        = string
  default     = "dry-run"
}

variable "settings" {
  description = "COUNTERMAND_* variables by name; docs/configuration.md lists them. Mode, region, replicas and API host are not given here."
  type        = map(string)

  validation {
    condition     = alltrue([for name in keys(var.settings) : startswith(name, "COUNTERMAND_")])
    error_message = "settings: each name begins with COUNTERMAND_."
  }
  validation {
    condition     = length(setintersection(keys(var.settings), ["COUNTERMAND_MODE", "COUNTERMAND_REGION", "COUNTERMAND_REPLICAS", "COUNTERMAND_API_HOST", "COUNTERMAND_API_TOKEN"])) == 0
    error_message = "settings: mode, replicas and api have variables of their own; the region is the provider's; a token belongs into a secret."
  }
}

variable "task_role_arn" {
  description = "The worker's role."
  type        = string
}

variable "execution_role_arn" {
  description = "The role that starts the task."
  type        = string
}

variable "queue_name" {
  description = "The queue by whose age the service scales."
  type        = string
}

variable "replicas" {
  description = "Tasks at least and at most, and the age of the oldest event in seconds that is aimed at."
  type = object({
    least       = optional(number, 2)
    most        = optional(number, 6)
    age_seconds = optional(number, 60)
  })
  default = {}

  validation {
    condition     = var.replicas.least >= 1 && var.replicas.most >= var.replicas.least && var.replicas.most <= 1000
    error_message = "replicas: least is 1 or more, most is least or more and at most 1000."
  }
}

variable "size" {
  description = "CPU units and MiB of a task, and its architecture."
  type = object({
    cpu          = optional(number, 256)
    memory       = optional(number, 512)
    architecture = optional(string, "X86_64")
  })
  default = {}

  validation {
    condition     = contains(["X86_64", "ARM64"], var.size.architecture)
    error_message = "size.architecture: X86_64 or ARM64, as the image was built."
  }
}

variable "api" {
  description = "Secret with the API's token, and who may call the API; without them it is the task's own."
  type = object({
    token_secret_arn          = optional(string)
    client_security_group_ids = optional(list(string), [])
  })
  default = {}
}

variable "network" {
  description = "VPC and private subnets with a way to AWS; null makes a VPC."
  type = object({
    vpc_id     = string
    subnet_ids = list(string)
  })
  default = null

  validation {
    condition     = var.network == null ? true : length(var.network.subnet_ids) >= 2
    error_message = "network.subnet_ids: at least two, in different zones."
  }
}

variable "vpc_cidr" {
  description = "Addresses of the VPC, where one is made."
  type        = string
  default     = "10.42.0.0/24"

  validation {
    condition     = can(cidrsubnet(var.vpc_cidr, 4, 0)) && tonumber(split("/", var.vpc_cidr)[1]) <= 24
    error_message = "vpc_cidr: an IPv4 block of /24 or larger, for example 10.42.0.0/24."
  }
}

variable "log_days" {
  description = "Days for which the log is kept."
  type        = number
  default     = 90

  validation {
    condition     = contains([7, 14, 30, 60, 90, 120, 150, 180, 365, 400], var.log_days)
    error_message = "log_days: one of 7, 14, 30, 60, 90, 120, 150, 180, 365, 400."
  }
}

variable "log_key_arn" {
  description = "Customer key of the log group; its policy must admit CloudWatch Logs."
  type        = string
  default     = null
}
