provider "aws" {
  region = var.region

  dynamic "assume_role" {
    for_each = var.execution_role_arn == null ? [] : [var.execution_role_arn]

    content {
      role_arn     = assume_role.value
      session_name = "countermand-prod"
    }
  }

  default_tags {
    tags = local.tags
  }
}

# IAM is global, and its events appear in this region only. GovCloud and China have their own.
provider "aws" {
  alias  = "global"
  region = var.event_region

  dynamic "assume_role" {
    for_each = var.execution_role_arn == null ? [] : [var.execution_role_arn]

    content {
      role_arn     = assume_role.value
      session_name = "countermand-prod"
    }
  }

  default_tags {
    tags = local.tags
  }
}

locals {
  tags = { Project = "countermand", Environment = "prod" }
}
