# The worker role, and the role that starts its task. The documents in policies/ are the output of
# `countermand iam-policy` for the built-in rules; `make terraform-files` writes them.

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
  # In parts: AWS limits a managed policy to 6,144 characters, and a role's inline policies to 10,240.
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

  # All IAM writes except those on the account's password policy, which is not a resource.
  writes_on_one = concat(
    ["iam:Attach*", "iam:Detach*", "iam:Put*", "iam:Remove*", "iam:Set*", "iam:Untag*"],
    [for rest in ["Acce*", "AccountAlias", "As*", "C*", "D*", "G*", "I*", "L*", "O*", "P*", "R*", "S*", "U*", "V*"] : "iam:Delete${rest}"],
    [for rest in ["Acce*", "AccountEmail*", "AccountName", "As*", "C*", "D*", "G*", "I*", "L*", "O*", "P*", "R*", "S*", "U*", "V*"] : "iam:Update${rest}"],
  )

  # Overrides every Allow, including an Allow that is added later. It must not block a call that a
  # worker action makes; tests/terraform/test_policies.py checks that.
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
  description          = "Countermand worker in mode ${var.mode}"
  max_session_duration = 3600
  permissions_boundary = var.permissions_boundary_arn

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat(var.on_ecs ? [local.trust_ecs] : [], local.trust_irsa)
  })

  lifecycle {
    precondition {
      condition     = var.on_ecs || var.irsa != null
      error_message = "Worker role: no principal could assume it. Set on_ecs, irsa, or both."
    }
    precondition {
      # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
      condition     = length(local.work) + length(local.never) + length(local.alert_key) <= 10240
      error_message = "Worker role: its inline policies exceed 10,240 characters. Disable rules or list fewer break_glass_arns."
    }
  }
}

resource "aws_iam_role_policy" "work" {
  #checkov:skip=CKV_AWS_290:The worker writes to one queue, topic, table, and log group, each named
  #checkov:skip=CKV_AWS_355:Some reads have a target that only the event names, such as a policy document
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

# The only permissions to write to IAM; they exist in enforce mode only.
resource "aws_iam_policy" "enforce" {
  #checkov:skip=CKV_AWS_286:Reverting permissions is its purpose, in scope only; it restores only what existed before
  #checkov:skip=CKV_AWS_289:Same reason as CKV_AWS_286
  count = var.mode == "enforce" ? length(local.enforce_parts) : 0

  name        = "${var.name}-enforce-${count.index + 1}"
  description = "IAM changes that the Countermand worker may revert"
  policy      = local.enforce_parts[count.index]

  lifecycle {
    precondition {
      condition     = length(local.enforce_parts[count.index]) <= 6144
      error_message = "Enforce policy ${count.index + 1}: it exceeds the 6,144 characters of a managed policy. Disable rules or lower local.part."
    }
  }
}

resource "aws_iam_role_policy_attachment" "enforce" {
  count = length(aws_iam_policy.enforce)

  role       = aws_iam_role.worker.name
  policy_arn = aws_iam_policy.enforce[count.index].arn

  # The Deny policy must exist before the worker gets permission to write.
  depends_on = [aws_iam_role_policy.never]
}

# What ECS needs to start the task: image, log stream, secrets. It has no permission of the worker.
resource "aws_iam_role" "execution" {
  count = var.on_ecs ? 1 : 0

  name                 = "${var.name}-execution"
  description          = "ECS starts the Countermand worker task with this role"
  permissions_boundary = var.permissions_boundary_arn

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [local.trust_ecs]
  })
}

resource "aws_iam_role_policy" "execution" {
  #checkov:skip=CKV_AWS_290:ecr:GetAuthorizationToken accepts no resource
  #checkov:skip=CKV_AWS_355:ecr:GetAuthorizationToken accepts no resource
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
