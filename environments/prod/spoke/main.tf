# make build writes this file. Its paths are relative to the repository.
locals {
  built = jsondecode(file("../../../build/lambda/packages.json"))
  packages = {
    code   = merge(local.built.code, { path = "../../../${local.built.code.path}" })
    layers = { for name, layer in local.built.layers : name => merge(layer, { path = "../../../${layer.path}" }) }
  }
}

module "budgets_spoke" {
  source = "../../../modules/budgets_spoke"

  name_prefix       = var.name_prefix
  tags              = var.tags
  account_id        = var.account_id
  region            = var.region
  packages          = local.packages
  function_settings = var.function_settings
  notifications     = { emails = var.budget_emails }
  alarms            = { enabled = length(var.alarm_topic_arns) > 0, topic_arns = var.alarm_topic_arns }
  kms_key_arn       = var.kms_key_arn

  # Outputs of the management root. The names follow from the prefix, so no state is read across accounts.
  hub = {
    external_id    = var.external_id
    result_bus_arn = "arn:aws:events:${var.region}:${var.management_account_id}:event-bus/${var.name_prefix}-budgets"
    role_arns = [
      "arn:aws:iam::${var.management_account_id}:role/${var.name_prefix}-publish-budget",
      "arn:aws:iam::${var.management_account_id}:role/${var.name_prefix}-repair-budget-drift",
    ]
  }
}
