locals {
  audit = { queue_url = module.audit.queue_url, queue_arn = module.audit.queue_arn }
}

module "audit" {
  source = "git::https://github.com/example/terraform-aws-finops.git//modules/audit?ref=v0.1.0"

  account_id  = var.account_id
  region      = var.region
  name_prefix = var.name_prefix
  packages    = var.packages

  # Nobody can remove an entry for a year. COMPLIANCE binds the account's administrator too.
  bucket = { lock_mode = "GOVERNANCE", lock_days = 365 }

  senders = {
    streams = {
      billing        = module.billing.audit_sender_ids
      budgets        = module.budgets_management.audit_sender_ids
      invoices       = module.invoices.audit_sender_ids
      reconciliation = module.reconciliation.audit_sender_ids
    }
    people = var.people
  }
}

module "budgets_management" {
  source = "git::https://github.com/example/terraform-aws-finops.git//modules/budgets_management?ref=v0.1.0"

  account_id  = var.account_id
  region      = var.region
  name_prefix = var.name_prefix
  packages    = var.packages
  audit       = local.audit

  spoke_account_ids = [var.account_id]
  external_id       = "finops-budgets"
}

module "budgets_spoke" {
  source = "git::https://github.com/example/terraform-aws-finops.git//modules/budgets_spoke?ref=v0.1.0"

  account_id  = var.account_id
  region      = var.region
  name_prefix = var.name_prefix
  packages    = var.packages

  hub = {
    role_arns      = module.budgets_management.hub_role_arns
    external_id    = module.budgets_management.external_id
    result_bus_arn = module.budgets_management.result_bus_arn
  }
}

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
  audit       = local.audit

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

module "invoices" {
  source = "git::https://github.com/example/terraform-aws-finops.git//modules/invoices?ref=v0.1.0"

  account_id  = var.account_id
  region      = var.region
  name_prefix = var.name_prefix
  packages    = var.packages
  audit       = local.audit

  validation = {
    confidence = { default = 80, total = 90 }
    rules      = [{ name = "large_amount", expression = "total > 10000", message = "amounts over 10,000 need an approval" }]
  }
}

module "reconciliation" {
  source = "git::https://github.com/example/terraform-aws-finops.git//modules/reconciliation?ref=v0.1.0"

  account_id  = var.account_id
  region      = var.region
  name_prefix = var.name_prefix
  packages    = var.packages

  flows = {
    budgets_table_name       = module.budgets_management.budgets_table_name
    budget_status_table_name = module.budgets_management.budget_status_table_name
    invoices_table_name      = module.invoices.table_name
    audit                    = local.audit

    database = {
      cluster_arn = module.billing_database.cluster_arn
      secret_arn  = module.billing_database.reader_secret_arn
      name        = module.billing_database.database_name
    }
  }

  payers        = { account_ids = [], external_id = "finops-reconciliation" }
  configuration = file("${path.module}/reconciliation.yaml")
}

# One dashboard, and one alarm for each way in which a flow fails. Subscribe to the output alarm_topic_arn.
module "observability" {
  source = "git::https://github.com/example/terraform-aws-finops.git//modules/observability?ref=v0.1.0"

  account_id  = var.account_id
  region      = var.region
  name_prefix = var.name_prefix

  flows = {
    audit            = module.audit.observability
    billing          = module.billing.observability
    billing_database = module.billing_database.observability
    budgets          = module.budgets_management.observability
    invoices         = module.invoices.observability
    reconciliation   = module.reconciliation.observability
  }
}

output "alarm_topic_arn" {
  description = "The topic that hears of every alarm: subscribe to it."
  value       = module.observability.topic_arn
}
