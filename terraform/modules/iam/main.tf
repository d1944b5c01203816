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

    resource_scope = var.scopes.resource
    account_scope  = var.scopes.account
  }

  work = jsonencode(jsondecode(templatefile("${path.module}/policies/worker.json.tftpl", local.places)))

  enforce = jsondecode(templatefile("${path.module}/policies/enforce.json.tftpl", local.places)).Statement
  # In parts, because a managed policy has 6,144 characters and a role's inline ones 10,240 together.
  # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
  part = 12
  enforce_parts = [
    for first in range(0, length(local.enforce), local.part) : jsonencode({
      Version   = "2012-10-17"
      Statement = slice(local.enforce, first, min(first + local.part, length(local.enforce)))
    })
  ]

  scoped = [
    for kind, glob in {
      user             = var.scopes.user
      role             = var.scopes.role
      group            = var.scopes.group
      policy           = var.scopes.policy
      oidc-provider    = var.scopes.resource
      saml-provider    = var.scopes.resource
      instance-profile = var.scopes.resource
    } : "arn:${local.partition}:iam::${local.account_id}:${kind}/${glob}"
  ]

  # All writes of IAM but those of the account's password policy: these are on no resource.
  writes_on_one = concat(
    ["iam:Attach*", "iam:Detach*", "iam:Put*", "iam:Remove*", "iam:Set*", "iam:Untag*"],
    [for rest in ["Acce*", "AccountAlias", "As*", "C*", "D*", "G*", "I*", "L*", "O*", "P*", "R*", "S*", "U*", "V*"] : "iam:Delete${rest}"],
    [for rest in ["Acce*", "AccountEmail*", "AccountName", "As*", "C*", "D*", "G*", "I*", "L*", "O*", "P*", "R*", "S*", "U*", "V*"] : "iam:Update${rest}"],
  )

  # Wins over every Allow, also over one that somebody adds later. Nothing in here may stop what an
  # action of the worker does: tests/terraform/test_policies.py.
  never = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid      = "GrantNothing"
          Effect   = "Deny"
          Action   = ["iam:Add*", "iam:Change*", "iam:Create*", "iam:Enable*", "iam:PassRole", "iam:Tag*", "iam:Upload*", "sts:AssumeRole*"]
          Resource = "*"
        },
        {
          Sid       = "AttachOnlyWhatDenies"
          Effect    = "Deny"
          Action    = ["iam:Attach*"]
          Resource  = "*"
          Condition = { ArnNotEquals = { "iam:PolicyARN" = jsondecode(templatefile("${path.module}/policies/denying.json.tftpl", local.places)) } }
        },
        {
          Sid         = "StayInScope"
          Effect      = "Deny"
          Action      = local.writes_on_one
          NotResource = local.scoped
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
      condition     = length(local.work) + length(local.never) + length(local.alert_key) <= 10240
      error_message = "The worker's inline policies are longer than the 10,240 characters of a role: switch off rules, or name fewer break_glass_arns."
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

# The only rights to change anything in IAM, and only when they were asked for.
resource "aws_iam_policy" "enforce" {
  #checkov:skip=CKV_AWS_286:Taking grants back is what it is for, in scope only; what the code puts back was there before
  #checkov:skip=CKV_AWS_289:As for CKV_AWS_286
  count = var.mode == "enforce" ? length(local.enforce_parts) : 0

  name        = "${var.name}-enforce-${count.index + 1}"
  description = "What Countermand's worker may take back"
  policy      = local.enforce_parts[count.index]

  lifecycle {
    precondition {
      condition     = length(local.enforce_parts[count.index]) <= 6144
      error_message = "This part of the enforce policy is longer than the 6,144 characters of a managed policy: switch off rules, or make local.part smaller."
    }
  }
}

resource "aws_iam_role_policy_attachment" "enforce" {
  count = length(aws_iam_policy.enforce)

  role       = aws_iam_role.worker.name
  policy_arn = aws_iam_policy.enforce[count.index].arn

  # Never without the last word.
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
