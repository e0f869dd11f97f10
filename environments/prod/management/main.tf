# make build writes this file. Its paths are relative to the repository.
locals {
  built = jsondecode(file("../../../build/lambda/packages.json"))
  packages = {
    code   = merge(local.built.code, { path = "../../../${local.built.code.path}" })
    layers = { for name, layer in local.built.layers : name => merge(layer, { path = "../../../${layer.path}" }) }
  }

  audit = { queue_url = module.audit.queue_url, queue_arn = module.audit.queue_arn }

  # Bills and reports convert by the same rates. There are no static ones: a bill without a rate is quarantined, and a report
  # of its currency is refused.
  rates = { maximum_age_days = 7 }

  # Tax laws ask for invoices and books for up to ten years. Who may erase personal data needs s3:BypassGovernanceRetention.
  originals_lock = { mode = "GOVERNANCE", years = 10 }

  database = {
    cluster_arn       = module.billing_database.cluster_arn
    secret_arn        = module.billing_database.secret_arn
    loader_secret_arn = module.billing_database.loader_secret_arn
    reader_secret_arn = module.billing_database.reader_secret_arn
    name              = module.billing_database.database_name
  }

  # Reports only read. Each secret is of another user of the database.
  database_to_read = merge(local.database, { secret_arn = module.billing_database.reader_secret_arn })
}

module "budgets_management" {
  source = "../../../modules/budgets_management"

  account_id        = var.account_id
  region            = var.region
  spoke_account_ids = var.spoke_account_ids
  organization_id   = var.organization_id
  external_id       = var.external_id
  packages          = local.packages
  audit             = local.audit
  kms_key_arn       = aws_kms_key.finops.arn
  tables            = { deletion_protection = true, point_in_time_recovery = true }
  function_settings = { log_retention_days = 365 }
  alarms            = { topic_arns = var.alarm_topic_arns }
}

# At least half a unit: the database never pauses, so nobody waits for it to resume.
module "billing_database" {
  source = "../../../modules/billing_database"

  account_id  = var.account_id
  region      = var.region
  network     = var.database_access.network
  access      = { cidr_blocks = var.database_access.cidr_blocks, security_group_ids = var.database_access.security_group_ids }
  capacity    = { minimum = 0.5, maximum = 16 }
  backups     = { retention_days = 35 }
  deletion    = { protection = true, final_snapshot = true }
  log_exports = ["audit", "error", "slowquery"]
  kms_key_arn = aws_kms_key.finops.arn
}

module "billing" {
  source = "../../../modules/billing"

  account_id        = var.account_id
  region            = var.region
  packages          = local.packages
  audit             = local.audit
  database          = local.database
  bucket            = { originals_lock = local.originals_lock }
  datasets          = var.billing_datasets
  rates             = local.rates
  kms_key_arn       = aws_kms_key.finops.arn
  function_settings = { log_retention_days = 365 }
  alarms            = { topic_arns = var.alarm_topic_arns }
}

module "invoices" {
  source = "../../../modules/invoices"

  account_id        = var.account_id
  region            = var.region
  packages          = local.packages
  audit             = local.audit
  bucket            = { originals_lock = local.originals_lock }
  validation        = var.invoice_validation
  review            = var.invoice_review
  customer_mail     = var.invoice_customer_mail
  kms_key_arn       = aws_kms_key.finops.arn
  function_settings = { log_retention_days = 365 }
  alarms            = { topic_arns = var.alarm_topic_arns }
}

# Deploy the root ../payer to the other payers, after this one.
module "reconciliation" {
  source = "../../../modules/reconciliation"

  account_id        = var.account_id
  region            = var.region
  packages          = local.packages
  configuration     = file(var.reconciliation.configuration_file)
  payers            = { account_ids = var.reconciliation.payers, external_id = var.external_id }
  costs             = var.reconciliation.costs
  rates             = local.rates
  notifications     = var.reconciliation.notifications
  kms_key_arn       = aws_kms_key.finops.arn
  function_settings = { log_retention_days = 365 }
  alarms            = { topic_arns = var.alarm_topic_arns }

  flows = {
    budgets_table_name       = module.budgets_management.budgets_table_name
    budget_status_table_name = module.budgets_management.budget_status_table_name
    invoices_table_name      = module.invoices.table_name
    database                 = local.database_to_read
    audit                    = local.audit
  }
}

# Nobody can delete an entry for seven years: neither the root user of the account nor terraform destroy.
module "audit" {
  source = "../../../modules/audit"

  account_id        = var.account_id
  region            = var.region
  packages          = local.packages
  bucket            = { lock_mode = "COMPLIANCE", lock_days = 2557 }
  heads             = { sign = true }
  kms_key_arn       = aws_kms_key.finops.arn
  function_settings = { log_retention_days = 365 }
  alarms            = { topic_arns = var.alarm_topic_arns }

  senders = {
    streams = {
      billing        = module.billing.audit_sender_ids
      budgets        = module.budgets_management.audit_sender_ids
      console        = tolist(var.audit_senders.console)
      invoices       = module.invoices.audit_sender_ids
      reconciliation = module.reconciliation.audit_sender_ids
    }
    people = tolist(var.audit_senders.people)
  }
}

module "own_budget" {
  source = "../../../modules/own_budget"
  budget = var.own_budget
}

moved {
  from = aws_budgets_budget.own
  to   = module.own_budget.aws_budgets_budget.this
}
