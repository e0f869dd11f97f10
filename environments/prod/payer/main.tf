module "reconciliation_payer" {
  source = "../../../modules/reconciliation_payer"

  account_id   = var.account_id
  region       = var.region
  focus_export = var.focus_export

  # Outputs of the management root. The names are fixed, so no state is read across accounts.
  hub = {
    role_arn    = "arn:aws:iam::${var.management_account_id}:role/finops-reconcile-month"
    external_id = var.external_id
  }
}
