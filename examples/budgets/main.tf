# One account to begin with: it is the management account, and has budgets itself.

module "budgets_management" {
  source = "git::https://github.com/example/terraform-aws-finops.git//modules/budgets_management?ref=v0.1.0"

  name_prefix       = var.name_prefix
  account_id        = var.account_id
  region            = var.region
  spoke_account_ids = [var.account_id]
  external_id       = "${var.name_prefix}-budgets"
  packages          = var.packages
  tables            = { deletion_protection = var.protect }
}

module "budgets_spoke" {
  source = "git::https://github.com/example/terraform-aws-finops.git//modules/budgets_spoke?ref=v0.1.0"

  name_prefix = var.name_prefix
  account_id  = var.account_id
  region      = var.region
  packages    = var.packages
  seed_budget = { name = "${var.name_prefix}-monthly-total", amount = "100.00" }

  hub = {
    role_arns      = module.budgets_management.hub_role_arns
    external_id    = module.budgets_management.external_id
    result_bus_arn = module.budgets_management.result_bus_arn
  }
}
