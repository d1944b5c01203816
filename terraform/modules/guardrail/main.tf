# All of Countermand in one account, shared by dev and prod. ARNs that two modules need from each
# other are built from names, so that neither module waits for the other.

data "aws_partition" "this" {}
data "aws_caller_identity" "this" {}
data "aws_region" "this" {}
data "aws_region" "global" {
  provider = aws.global
}

locals {
  partition     = data.aws_partition.this.partition
  account_id    = data.aws_caller_identity.this.account_id
  region        = data.aws_region.this.name
  global        = data.aws_region.global.name
  forward       = local.region != local.global
  events_arn    = "arn:${local.partition}:events:${local.region}:${local.account_id}:rule"
  roles_arn     = "arn:${local.partition}:iam::${local.account_id}:role"
  log_group_arn = "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:/${var.name}/worker"
}

module "cloudtrail" {
  count  = var.trail ? 1 : 0
  source = "../cloudtrail"

  name          = var.name
  kms_key_arn   = aws_kms_key.this.arn
  force_destroy = var.throw_away

  depends_on = [aws_kms_key_policy.this]
}

module "queue" {
  source = "../queue"

  name          = "${var.name}-events"
  partition     = local.partition
  region        = local.region
  account_id    = local.account_id
  rule_arns     = [for name in module.eventbridge.expected_rule_names : "${local.events_arn}/${name}"]
  consumer_arns = ["${local.roles_arn}/${var.name}-worker"]
  redriver_arns = var.operator_arns
}

module "eventbridge" {
  source = "../eventbridge"

  name      = var.name
  queue_arn = module.queue.arn

  providers = {
    aws        = aws
    aws.global = aws.global
  }
}

module "alerts" {
  source = "../sns"

  name           = "${var.name}-alerts"
  partition      = local.partition
  region         = local.region
  account_id     = local.account_id
  emails         = var.emails
  queue_arns     = var.alert_queue_arns
  publisher_arns = ["${local.roles_arn}/${var.name}-worker"]
  kms_key_arn    = aws_kms_key.this.arn
}

module "ledger" {
  source = "../ledger"

  name                = var.name
  deletion_protection = !var.throw_away
}

module "iam" {
  source = "../iam"

  name                     = var.name
  mode                     = var.mode
  scopes                   = var.scopes
  break_glass_arns         = var.break_glass_arns
  queue_arn                = module.queue.arn
  topic_arn                = module.alerts.arn
  topic_key_arn            = aws_kms_key.this.arn
  table_arn                = module.ledger.arn
  log_group_arn            = local.log_group_arn
  irsa                     = var.irsa
  permissions_boundary_arn = var.permissions_boundary_arn
  repository_arn           = var.repository_arn
  secret_arn               = var.api.token_secret_arn
}

module "worker" {
  source = "../worker-ecs"

  name               = var.name
  image              = var.image
  mode               = var.mode
  task_role_arn      = module.iam.worker_role_arn
  execution_role_arn = module.iam.execution_role_arn
  queue_name         = module.queue.name
  replicas           = var.replicas
  size               = var.size
  api                = var.api
  network            = var.network
  log_key_arn        = aws_kms_key.this.arn

  settings = merge(var.settings, {
    COUNTERMAND_QUEUE_URL      = module.queue.url
    COUNTERMAND_DLQ_URL        = module.queue.dlq_url
    COUNTERMAND_TOPIC_ARN      = module.alerts.arn
    COUNTERMAND_LEDGER_URL     = "dynamodb:${module.ledger.name}"
    COUNTERMAND_ACCOUNT_ID     = local.account_id
    COUNTERMAND_EVENT_REGION   = local.global
    COUNTERMAND_RULE_PREFIX    = var.name
    COUNTERMAND_OWN_ROLE_ARN   = module.iam.worker_role_arn
    COUNTERMAND_USER_SCOPE     = var.scopes.user
    COUNTERMAND_ROLE_SCOPE     = var.scopes.role
    COUNTERMAND_GROUP_SCOPE    = var.scopes.group
    COUNTERMAND_POLICY_SCOPE   = var.scopes.policy
    COUNTERMAND_RESOURCE_SCOPE = var.scopes.resource
    COUNTERMAND_ACCOUNT_SCOPE  = var.scopes.account
    COUNTERMAND_BREAK_GLASS    = join(",", var.break_glass_arns)
  })

  depends_on = [aws_kms_key_policy.this]
}

# --- Alarms use a separate topic: a broken alert topic must not also hide that alerts are missing

module "alarm_topic" {
  source = "../sns"

  name               = "${var.name}-alarms"
  partition          = local.partition
  region             = local.region
  account_id         = local.account_id
  emails             = var.emails
  publisher_services = ["cloudwatch.amazonaws.com"]
  kms_key_arn        = aws_kms_key.this.arn
}

module "alarms" {
  source = "../alarms"

  name              = var.name
  topic_arn         = module.alarm_topic.arn
  queue             = { name = module.queue.name, dlq_name = module.queue.dlq_name }
  undelivered_queue = module.eventbridge.undelivered_queue
  rule_names        = module.eventbridge.rule_names
  trail_log_group   = one(module.cloudtrail[*].log_group)
  never_silent      = ["${var.name}-iam"]
  deaf_hours        = var.deaf_hours
}

# An alarm can only notify a topic in its own region.
module "alarm_topic_global" {
  count  = local.forward ? 1 : 0
  source = "../sns"

  name               = "${var.name}-alarms"
  partition          = local.partition
  region             = local.global
  account_id         = local.account_id
  emails             = var.emails
  publisher_services = ["cloudwatch.amazonaws.com"]
  kms_key_arn        = aws_kms_key.global[0].arn

  providers = { aws = aws.global }
}

module "alarms_global" {
  count  = local.forward ? 1 : 0
  source = "../alarms"

  name              = var.name
  topic_arn         = module.alarm_topic_global[0].arn
  undelivered_queue = module.eventbridge.undelivered_queue
  rule_names        = module.eventbridge.rule_names

  providers = { aws = aws.global }
}
