# A trial account: one task, and destroy can delete everything.

module "guardrail" {
  source = "../../modules/guardrail"

  image            = var.image
  emails           = var.emails
  mode             = var.mode
  scopes           = var.scopes
  break_glass_arns = var.break_glass_arns
  operator_arns    = var.operator_arns
  repository_arn   = var.repository_arn
  settings         = var.settings
  api              = var.api
  replicas         = { least = 1, most = 2 }
  deaf_hours       = null # IAM in a trial account may not change for days
  throw_away       = true

  providers = {
    aws        = aws
    aws.global = aws.global
  }
}
