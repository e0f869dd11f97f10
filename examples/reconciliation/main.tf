module "reconciliation" {
  source = "git::https://github.com/example/terraform-aws-finops.git//modules/reconciliation?ref=v0.1.0"

  account_id  = var.account_id
  region      = var.region
  name_prefix = var.name_prefix
  packages    = var.packages

  payers        = { account_ids = [], external_id = "finops-reconciliation" }
  configuration = file("${path.module}/reconciliation.yaml")
}
