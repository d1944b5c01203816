terraform {
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.80, < 6.0"
      # aws.global is us-east-1, where IAM events appear; aws is the region of the worker.
      configuration_aliases = [aws, aws.global]
    }
  }
}
