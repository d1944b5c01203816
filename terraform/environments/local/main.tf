# The resources of `countermand provision`, on the LocalStack at AWS_ENDPOINT_URL. LocalStack enforces
# no policies. It has no CloudTrail and no ECS, and its DynamoDB needs a separate download.

provider "aws" {
  region                      = var.region
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  skip_region_validation      = true
}

provider "aws" {
  alias                       = "global"
  region                      = var.region
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  skip_region_validation      = true
}

locals {
  account_id  = "000000000000"
  topic_arn   = "arn:aws:sns:${var.region}:${local.account_id}:${var.name}-alerts"
  machine_arn = "arn:aws:sqs:${var.region}:${local.account_id}:${var.name}-alerts-machine"
}

module "queue" {
  source = "../../modules/queue"

  name         = "${var.name}-events"
  partition    = "aws"
  region       = var.region
  account_id   = local.account_id
  rule_arns    = [for name in module.eventbridge.expected_rule_names : "arn:aws:events:${var.region}:${local.account_id}:rule/${name}"]
  max_receives = var.max_receives
}

module "eventbridge" {
  source = "../../modules/eventbridge"

  name             = var.name
  queue_arn        = module.queue.arn
  keep_undelivered = false # LocalStack's EventBridge ignores a target's dead-letter queue

  providers = {
    aws        = aws
    aws.global = aws.global
  }
}

module "alerts" {
  source = "../../modules/sns"

  name           = "${var.name}-alerts"
  partition      = "aws"
  region         = var.region
  account_id     = local.account_id
  emails         = [var.email]
  queue_arns     = [aws_sqs_queue.machine.arn]
  publisher_arns = ["arn:aws:iam::${local.account_id}:root"]
}

# Stands for a machine that subscribes to the alerts.
resource "aws_sqs_queue" "machine" {
  #checkov:skip=CKV_AWS_27:Exists on an emulator only
  name = "${var.name}-alerts-machine"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "sns.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = local.machine_arn
      Condition = { ArnEquals = { "aws:SourceArn" = local.topic_arn } }
    }]
  })
}

resource "aws_cloudwatch_log_group" "worker" {
  #checkov:skip=CKV_AWS_158:Exists on an emulator only
  #checkov:skip=CKV_AWS_338:Exists on an emulator only
  #checkov:skip=CKV_AWS_66:Exists on an emulator only
  name = "/${var.name}/worker"
}
