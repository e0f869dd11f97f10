module "reconciliation_payer" {
  source = "../../../modules/reconciliation_payer"

  name_prefix              = var.name_prefix
  tags                     = var.tags
  account_id               = var.account_id
  region                   = var.region
  focus_export             = var.focus_export
  permissions_boundary_arn = var.permissions_boundary_arn
  kms_key_arn              = var.kms_key_arn

  # Outputs of the management root. The names follow from the prefix, so no state is read across accounts.
  hub = {
    role_arn    = "arn:aws:iam::${var.management_account_id}:role/${var.name_prefix}-reconcile-month"
    external_id = var.external_id
  }
}
