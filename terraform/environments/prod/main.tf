# The guarded account: two tasks in two zones; ledger and trail are protected from deletion.

module "guardrail" {
  source = "../../modules/guardrail"

  image                    = var.image
  emails                   = var.emails
  mode                     = var.mode
  scopes                   = var.scopes
  break_glass_arns         = var.break_glass_arns
  operator_arns            = var.operator_arns
  repository_arn           = var.repository_arn
  settings                 = var.settings
  api                      = var.api
  network                  = var.network
  trail                    = var.trail
  deaf_hours               = var.deaf_hours
  alert_queue_arns         = var.alert_queue_arns
  permissions_boundary_arn = var.permissions_boundary_arn

  providers = {
    aws        = aws
    aws.global = aws.global
  }
}
