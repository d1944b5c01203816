# The worker's role and the role that starts its task. The documents in policies/ are what
# `countermand iam-policy` prints for the built-in rules; `make terraform-files` writes them.

data "aws_partition" "this" {}
data "aws_caller_identity" "this" {}
data "aws_region" "this" {}

locals {
  partition  = data.aws_partition.this.partition
  account_id = data.aws_caller_identity.this.account_id
  region     = data.aws_region.this.name

  places = {
    partition     = local.partition
    account_id    = local.account_id
    queue_arn     = var.queue_arn
    topic_arn     = var.topic_arn
    table_arn     = var.table_arn
    log_group_arn = var.log_group_arn
    user_scope    = var.scopes.user
    role_scope    = var.scopes.role
    group_scope   = var.scopes.group
    policy_scope  = var.scopes.policy
  }

  work    = jsonencode(jsondecode(templatefile("${path.module}/policies/worker.json.tftpl", local.places)))
  enforce = jsonencode(jsondecode(templatefile("${path.module}/policies/enforce.json.tftpl", local.places)))

  # What denies, in this partition: the only policies that the worker may ever attach or put.
  denying = {
    for use, arns in jsondecode(file("${path.module}/policies/denying.json")) :
    use => [for arn in arns : arn if startswith(arn, "arn:${local.partition}:")]
  }

  # Wins over every Allow, also over one that somebody adds later.
  never = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid    = "GrantNothing"
          Effect = "Deny"
          Action = [
            "iam:Add*", "iam:Create*", "iam:Enable*", "iam:PassRole", "iam:PutGroupPolicy", "iam:PutRolePolicy",
            "iam:PutUserPolicy", "iam:Tag*", "iam:Untag*", "iam:Update*", "iam:Upload*", "sts:AssumeRole*",
          ]
          Resource = "*"
        },
        {
          Sid       = "AttachOnlyWhatDenies"
          Effect    = "Deny"
          Action    = ["iam:Attach*"]
          Resource  = "*"
          Condition = { ArnNotEquals = { "iam:PolicyARN" = local.denying.attached } }
        },
        {
          Sid       = "BoundOnlyByWhatDenies"
          Effect    = "Deny"
          Action    = ["iam:PutRolePermissionsBoundary", "iam:PutUserPermissionsBoundary"]
          Resource  = "*"
          Condition = { ArnNotEquals = { "iam:PermissionsBoundary" = local.denying.boundary } }
        },
      ],
      length(var.break_glass_arns) == 0 ? [] : [{
        Sid       = "LeaveBreakGlassAlone"
        Effect    = "Deny"
        NotAction = ["iam:Get*", "iam:List*"]
        Resource  = var.break_glass_arns
      }],
    )
  })

  alert_key = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TopicKey"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = var.topic_key_arn
      Condition = { StringEquals = { "kms:ViaService" = "sns.${local.region}.amazonaws.com" } }
    }]
  })

  trust_ecs = {
    Sid       = "OurTasks"
    Effect    = "Allow"
    Principal = { Service = "ecs-tasks.amazonaws.com" }
    Action    = "sts:AssumeRole"
    Condition = {
      StringEquals = { "aws:SourceAccount" = local.account_id }
      ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:ecs:${local.region}:${local.account_id}:*" }
    }
  }

  trust_irsa = var.irsa == null ? [] : [{
    Sid       = "OurServiceAccount"
    Effect    = "Allow"
    Principal = { Federated = var.irsa.provider_arn }
    Action    = "sts:AssumeRoleWithWebIdentity"
    Condition = {
      StringEquals = {
        "${local.issuer}:sub" = "system:serviceaccount:${var.irsa.namespace}:${var.irsa.service_account}"
        "${local.issuer}:aud" = "sts.amazonaws.com"
      }
    }
  }]

  issuer = var.irsa == null ? "" : split(":oidc-provider/", var.irsa.provider_arn)[1]
}

resource "aws_iam_role" "worker" {
  name                 = "${var.name}-worker"
  description          = "Countermand's worker, in mode ${var.mode}"
  max_session_duration = 3600
  permissions_boundary = var.permissions_boundary_arn

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat(var.on_ecs ? [local.trust_ecs] : [], local.trust_irsa)
  })

  lifecycle {
    precondition {
      condition     = var.on_ecs || var.irsa != null
      error_message = "Nobody could take the worker's role: set on_ecs, or give irsa."
    }
    precondition {
      # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
      condition     = length(local.work) + length(local.never) + length(local.enforce) + length(local.alert_key) <= 10240
      error_message = "The worker's inline policies are longer than the 10,240 characters of a role: switch off rules, or move one to a managed policy."
    }
  }
}

resource "aws_iam_role_policy" "work" {
  #checkov:skip=CKV_AWS_290:It may write to one queue, topic, table and log group, each named
  #checkov:skip=CKV_AWS_355:Reads whose target the rules learn from the event, such as a policy's document
  name   = "work"
  role   = aws_iam_role.worker.id
  policy = local.work
}

resource "aws_iam_role_policy" "never" {
  name   = "never"
  role   = aws_iam_role.worker.id
  policy = local.never
}

resource "aws_iam_role_policy" "alert_key" {
  name   = "alert-key"
  role   = aws_iam_role.worker.id
  policy = local.alert_key
}

# The only right to write to IAM, and only when it was asked for.
resource "aws_iam_role_policy" "enforce" {
  #checkov:skip=CKV_AWS_289:Taking grants back is what it is for; it may grant nothing
  #checkov:skip=CKV_AWS_286:Taking grants back is what it is for: the policy named never denies what could escalate
  count = var.mode == "enforce" ? 1 : 0

  name   = "enforce"
  role   = aws_iam_role.worker.id
  policy = local.enforce

  depends_on = [aws_iam_role_policy.never]
}

# What ECS needs to start the task: image, log stream, secrets. Nothing of the worker's own.
resource "aws_iam_role" "execution" {
  count = var.on_ecs ? 1 : 0

  name                 = "${var.name}-execution"
  description          = "Starts the task of Countermand's worker"
  permissions_boundary = var.permissions_boundary_arn

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [local.trust_ecs]
  })
}

resource "aws_iam_role_policy" "execution" {
  #checkov:skip=CKV_AWS_290:ecr:GetAuthorizationToken has no resource
  #checkov:skip=CKV_AWS_355:ecr:GetAuthorizationToken has no resource
  count = var.on_ecs ? 1 : 0

  name = "start-task"
  role = aws_iam_role.execution[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid      = "Log"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${var.log_group_arn}:*"
      }],
      [for statement in [
        {
          Sid      = "Login"
          Effect   = "Allow"
          Action   = ["ecr:GetAuthorizationToken"]
          Resource = "*"
        },
        {
          Sid      = "Pull"
          Effect   = "Allow"
          Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
          Resource = var.repository_arn
        },
      ] : statement if var.repository_arn != null],
      var.secret_arn == null ? [] : [{
        Sid      = "Token"
        Effect   = "Allow"
        Action   = "secretsmanager:GetSecretValue"
        Resource = var.secret_arn
      }],
    )
  })
}
