# The spoke of the account that Account Factory for Terraform customizes: the provider is that account's.

data "aws_caller_identity" "current" {}

module "budgets_spoke" {
  source = "git::https://github.com/example/terraform-aws-finops.git//modules/budgets_spoke?ref=v0.1.0"

  name_prefix   = var.name_prefix
  account_id    = data.aws_caller_identity.current.account_id
  region        = var.region
  packages      = var.packages
  notifications = { emails = var.budget_emails }

  # Outputs of budgets_management. The prefix gives their names, so no state is read across accounts.
  hub = {
    external_id    = var.external_id
    result_bus_arn = "arn:aws:events:${var.region}:${var.management_account_id}:event-bus/${var.name_prefix}-budgets"
    role_arns = [
      "arn:aws:iam::${var.management_account_id}:role/${var.name_prefix}-publish-budget",
      "arn:aws:iam::${var.management_account_id}:role/${var.name_prefix}-repair-budget-drift",
    ]
  }
}
