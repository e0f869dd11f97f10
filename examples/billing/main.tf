module "billing_database" {
  source = "git::https://github.com/example/terraform-aws-finops.git//modules/billing_database?ref=v0.1.0"

  region      = var.region
  name_prefix = var.name_prefix
}

module "billing" {
  source = "git::https://github.com/example/terraform-aws-finops.git//modules/billing?ref=v0.1.0"

  account_id  = var.account_id
  region      = var.region
  name_prefix = var.name_prefix
  packages    = var.packages

  database = {
    cluster_arn       = module.billing_database.cluster_arn
    secret_arn        = module.billing_database.secret_arn
    loader_secret_arn = module.billing_database.loader_secret_arn
    reader_secret_arn = module.billing_database.reader_secret_arn
    name              = module.billing_database.database_name
  }

  # Or a file billing/DATASET/_format.json, which needs no apply.
  datasets = {
    werke = { date_formats = ["%d.%m.%Y"], decimal_comma = true, thousands = "." }
  }
}
