# Built by make build; paths in it start at the repository's root.
locals {
  built = jsondecode(file("../../../build/lambda/packages.json"))
  packages = {
    code   = merge(local.built.code, { path = "../../../${local.built.code.path}" })
    layers = { for name, layer in local.built.layers : name => merge(layer, { path = "../../../${layer.path}" }) }
  }
}

module "budgets_management" {
  source = "../../../modules/budgets_management"

  account_id        = var.account_id
  region            = var.region
  spoke_account_ids = var.spoke_account_ids
  organization_id   = var.organization_id
  external_id       = var.external_id
  packages          = local.packages
  kms_key_arn       = aws_kms_key.finops.arn
  tables            = { deletion_protection = true, point_in_time_recovery = true }
  function_settings = { log_retention_days = 365 }
  alarms            = { topic_arns = var.alarm_topic_arns }
}
