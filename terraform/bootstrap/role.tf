# People (with MFA) or CI (with OIDC) assume TerraformExecutionRole for an hour. No access keys.

locals {
  own = {
    roles     = "arn:${local.partition}:iam::${local.account_id}:role/${var.name}-*"
    policies  = "arn:${local.partition}:iam::${local.account_id}:policy/${var.name}-*"
    state     = [module.state.arn, "${module.state.arn}/*"]
    trail     = ["arn:${local.partition}:s3:::${var.name}-trail-*", "arn:${local.partition}:s3:::${var.name}-trail-*/*"]
    anywhere  = "arn:${local.partition}:%s:*:${local.account_id}:%s"
    workloads = ["sqs", "sns", "events", "dynamodb", "ecs", "logs", "cloudtrail", "cloudwatch"]
  }

  trust_people = length(var.operator_arns) == 0 ? [] : [{
    Sid       = "People"
    Effect    = "Allow"
    Principal = { AWS = var.operator_arns }
    Action    = "sts:AssumeRole"
    Condition = { Bool = { "aws:MultiFactorAuthPresent" = "true" } }
  }]

  trust_ci = var.ci == null ? [] : [{
    Sid       = "Ci"
    Effect    = "Allow"
    Principal = { Federated = var.ci.provider_arn }
    Action    = "sts:AssumeRoleWithWebIdentity"
    Condition = {
      StringEquals = {
        "${split(":oidc-provider/", var.ci.provider_arn)[1]}:aud" = "sts.amazonaws.com"
        "${split(":oidc-provider/", var.ci.provider_arn)[1]}:sub" = var.ci.subjects
      }
    }
  }]
}

resource "aws_iam_role" "terraform" {
  #checkov:skip=CKV_AWS_61:Only named principals or exact CI subjects may assume it, each under a condition
  name                 = "TerraformExecutionRole"
  description          = "Terraform assumes this role to manage Countermand"
  max_session_duration = 3600
  permissions_boundary = var.permissions_boundary_arn

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat(local.trust_people, local.trust_ci)
  })

  lifecycle {
    precondition {
      condition     = length(var.operator_arns) > 0 || var.ci != null
      error_message = "TerraformExecutionRole: no principal could assume it. Set operator_arns, ci, or both."
    }
  }
}

resource "aws_iam_role_policy" "terraform" {
  #checkov:skip=CKV_AWS_286:A principal that creates the worker role can write its policy; MFA, OIDC, and the boundary limit access
  #checkov:skip=CKV_AWS_287:A principal that creates the worker role can write its policy; MFA, OIDC, and the boundary limit access
  #checkov:skip=CKV_AWS_288:A principal that creates the worker role can write its policy; MFA, OIDC, and the boundary limit access
  #checkov:skip=CKV_AWS_289:A principal that creates the worker role can write its policy; MFA, OIDC, and the boundary limit access
  #checkov:skip=CKV_AWS_290:Resources of EC2, KMS, and Application Auto Scaling have no name that a policy could restrict
  #checkov:skip=CKV_AWS_355:Resources of EC2, KMS, and Application Auto Scaling have no name that a policy could restrict
  name = "countermand"
  role = aws_iam_role.terraform.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "State"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"]
        Resource = local.own.state
      },
      {
        Sid      = "Locks"
        Effect   = "Allow"
        Action   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem"]
        Resource = aws_dynamodb_table.locks.arn
      },
      {
        Sid    = "OurNames"
        Effect = "Allow"
        Action = [for service in local.own.workloads : "${service}:*"]
        Resource = concat(
          [for kind in ["sqs", "sns"] : format(local.own.anywhere, kind, "${var.name}-*")],
          [
            format(local.own.anywhere, "events", "rule/${var.name}-*"),
            format(local.own.anywhere, "dynamodb", "table/${var.name}"),
            format(local.own.anywhere, "ecs", "*/${var.name}*"),
            format(local.own.anywhere, "logs", "log-group:/${var.name}/*"),
            format(local.own.anywhere, "cloudtrail", "trail/${var.name}"),
            format(local.own.anywhere, "cloudwatch", "alarm:${var.name}-*"),
          ],
        )
      },
      {
        Sid      = "TrailBucket"
        Effect   = "Allow"
        Action   = "s3:*"
        Resource = local.own.trail
      },
      {
        Sid    = "OurRoles"
        Effect = "Allow"
        Action = [
          "iam:CreateRole", "iam:DeleteRole", "iam:GetRole", "iam:UpdateRole", "iam:UpdateAssumeRolePolicy",
          "iam:UpdateRoleDescription", "iam:TagRole", "iam:UntagRole", "iam:ListRoleTags", "iam:ListRolePolicies",
          "iam:ListAttachedRolePolicies", "iam:ListInstanceProfilesForRole", "iam:GetRolePolicy",
          "iam:PutRolePolicy", "iam:DeleteRolePolicy", "iam:PutRolePermissionsBoundary",
        ]
        Resource = local.own.roles
      },
      {
        Sid    = "OurPolicies"
        Effect = "Allow"
        Action = [
          "iam:CreatePolicy", "iam:DeletePolicy", "iam:GetPolicy", "iam:GetPolicyVersion", "iam:ListPolicyVersions",
          "iam:CreatePolicyVersion", "iam:DeletePolicyVersion", "iam:TagPolicy", "iam:UntagPolicy", "iam:ListPolicyTags",
        ]
        Resource = local.own.policies
      },
      {
        Sid       = "AttachThemToOurRoles"
        Effect    = "Allow"
        Action    = ["iam:AttachRolePolicy", "iam:DetachRolePolicy"]
        Resource  = local.own.roles
        Condition = { ArnLike = { "iam:PolicyARN" = local.own.policies } }
      },
      {
        Sid      = "HandRolesToOurServices"
        Effect   = "Allow"
        Action   = "iam:PassRole"
        Resource = local.own.roles
        Condition = { StringEquals = { "iam:PassedToService" = [
          "ecs-tasks.amazonaws.com", "events.amazonaws.com", "cloudtrail.amazonaws.com",
        ] } }
      },
      # AWS creates these service-linked roles once per account, on behalf of a caller who may do so.
      {
        Sid       = "RolesOfEcsItself"
        Effect    = "Allow"
        Action    = "iam:CreateServiceLinkedRole"
        Resource  = "arn:${local.partition}:iam::${local.account_id}:role/aws-service-role/*"
        Condition = { StringEquals = { "iam:AWSServiceName" = ["ecs.amazonaws.com", "ecs.application-autoscaling.amazonaws.com"] } }
      },
      {
        Sid    = "WithoutNames"
        Effect = "Allow"
        Action = [
          "application-autoscaling:*", "kms:CreateKey", "kms:DescribeKey", "kms:EnableKeyRotation",
          "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListAliases", "kms:ListResourceTags",
          "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UpdateKeyDescription",
          "kms:CreateAlias", "kms:DeleteAlias", "kms:CreateGrant",
          "ecs:RegisterTaskDefinition", "ecs:DeregisterTaskDefinition", "ecs:DescribeTaskDefinition",
          "logs:DescribeLogGroups", "cloudtrail:DescribeTrails", "sns:GetSubscriptionAttributes", "sns:Unsubscribe",
          "ec2:Describe*", "ec2:AllocateAddress", "ec2:ReleaseAddress", "ec2:AssociateRouteTable",
          "ec2:DisassociateRouteTable", "ec2:AttachInternetGateway", "ec2:DetachInternetGateway",
          "ec2:AuthorizeSecurityGroup*", "ec2:RevokeSecurityGroup*", "ec2:CreateInternetGateway",
          "ec2:CreateNatGateway", "ec2:CreateRoute", "ec2:CreateRouteTable", "ec2:CreateSecurityGroup",
          "ec2:CreateSubnet", "ec2:CreateTags", "ec2:CreateVpc", "ec2:CreateVpcEndpoint",
          "ec2:DeleteInternetGateway", "ec2:DeleteNatGateway", "ec2:DeleteRoute", "ec2:DeleteRouteTable",
          "ec2:DeleteSecurityGroup", "ec2:DeleteSubnet", "ec2:DeleteVpc", "ec2:DeleteVpcEndpoints",
          "ec2:DisassociateAddress", "ec2:ModifySubnetAttribute", "ec2:ModifyVpcAttribute", "ec2:ModifyVpcEndpoint",
        ]
        Resource = "*"
      },
    ]
  })
}
